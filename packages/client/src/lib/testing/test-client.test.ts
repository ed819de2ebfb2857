import { defineChannel, stream, topic } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { EventInfo, Gap } from '../subscriptions/types.ts';
import { createTestClient } from './test-client.ts';

const board = defineChannel({
  notice: z.object({ text: z.string() }),
  price: topic({ params: z.object({ symbol: z.string() }), data: z.object({ bid: z.number() }) }),
  report: stream({ params: z.object({ year: z.number() }), data: z.number() }),
});

function open() {
  const test = createTestClient<typeof board>({ streams: ['report'] });
  const notices: string[] = [];
  const infos: EventInfo[] = [];
  const gaps: Gap[] = [];
  const stop = test.client.subscribe(
    'notice',
    ({ text }, info) => {
      notices.push(text);
      infos.push(info);
    },
    { onGap: (gap) => gaps.push(gap) },
  );
  return { ...test, notices, infos, gaps, stop };
}

describe('emit', () => {
  it('emit calls the handlers of its address before it resolves', async () => {
    const { client, emit, notices } = open();
    const bids: number[] = [];
    client.subscribe('price', { symbol: 'ACME' }, ({ bid }) => bids.push(bid));
    await emit('notice', { text: 'one' });
    await emit('price', { symbol: 'ACME' }, { bid: 1 });
    await emit('price', { symbol: 'OTHER' }, { bid: 2 });
    expect({ notices, bids }).toEqual({ notices: ['one'], bids: [1] });
    client.close();
  });

  it('emit reaches a subscription that was added later over the open connection', async () => {
    const { client, emit, settle } = open();
    await emit('price', { symbol: 'ACME' }, { bid: 1 });
    const bids: number[] = [];
    client.subscribe('price', { symbol: 'ACME' }, ({ bid }) => bids.push(bid));
    await settle();
    await emit('price', { symbol: 'ACME' }, { bid: 2 });
    expect(bids).toEqual([2]);
    expect(client.connection.getSnapshot()).toMatchObject({ state: 'connected', connectionCount: 1 });
    client.close();
  });

  it('an emitted event is replayed to a later subscription from earliest', async () => {
    const { client, emit, settle } = open();
    await emit('price', { symbol: 'ACME' }, { bid: 1 });
    await emit('notice', { text: 'between' });
    const bids: number[] = [];
    client.subscribe('price', { symbol: 'ACME' }, ({ bid }) => bids.push(bid), { from: 'earliest' });
    await settle();
    await emit('price', { symbol: 'ACME' }, { bid: 2 });
    expect(bids).toEqual([1, 2]);
    client.close();
  });

  it('emit does not reach a handler that has left', async () => {
    const { clock, client, emit, notices, stop } = open();
    await emit('notice', { text: 'one' });
    stop();
    await clock.advance(2_000);
    await emit('notice', { text: 'two' });
    expect(notices).toEqual(['one']);
    expect(client.connection.getSnapshot().state).toBe('idle');
    client.close();
  });
});

describe('disconnect', () => {
  it('disconnect keeps the client disconnected, and reconnect replays the events emitted meanwhile', async () => {
    const { client, clock, emit, disconnect, reconnect, notices, infos } = open();
    await emit('notice', { text: 'one' });
    await disconnect();
    expect(client.connection.getSnapshot()).toMatchObject({ state: 'reconnecting', reason: 'network' });
    await emit('notice', { text: 'two' });
    await clock.advance(60_000);
    expect(client.connection.getSnapshot().state).toBe('reconnecting');
    expect(notices).toEqual(['one']);
    await reconnect();
    expect(client.connection.getSnapshot().state).toBe('connected');
    expect(notices).toEqual(['one', 'two']);
    expect(infos.map(({ replayed }) => replayed)).toEqual([false, true]);
    client.close();
  });
});

describe('gap', () => {
  it('gap is reported at once, and later events follow', async () => {
    const { client, emit, gap, notices, gaps } = open();
    await emit('notice', { text: 'one' });
    await gap('notice');
    await emit('notice', { text: 'two' });
    expect(gaps).toMatchObject([{ address: 'notice', topic: 'notice', reason: 'trimmed' }]);
    expect(notices).toEqual(['one', 'two']);
    client.close();
  });

  it('gap is reported on the next connection when there is none', async () => {
    const { client, emit, gap, disconnect, reconnect, notices, gaps } = open();
    await emit('notice', { text: 'one' });
    await disconnect();
    await emit('notice', { text: 'lost' });
    await gap('notice');
    await emit('notice', { text: 'two' });
    await reconnect();
    expect(gaps).toHaveLength(1);
    expect(notices).toEqual(['one', 'two']);
    client.close();
  });
});

describe('a stream of a test client', () => {
  it('a stream of a test client yields and ends, and continues after a disconnect', async () => {
    const { client, emit, end, disconnect, reconnect } = open();
    const steps: number[] = [];
    let ended = 0;
    client.subscribe('report', { year: 2026 }, (step) => steps.push(step), { onEnd: () => (ended += 1) });
    await emit('report', { year: 2026 }, 1);
    await emit('report', { year: 1999 }, 100);
    await disconnect();
    await reconnect();
    await emit('report', { year: 2026 }, 2);
    await end('report', { year: 2026 });
    expect({ steps, ended }).toEqual({ steps: [1, 2], ended: 1 });
    client.close();
  });

  it('a stream of a test client is known from the channel, and otherwise must be named', async () => {
    const known = createTestClient(board);
    const steps: number[] = [];
    known.client.subscribe('report', { year: 2026 }, (step) => steps.push(step));
    await known.emit('report', { year: 2026 }, 1);
    await known.end('report', { year: 2026 });
    expect(steps).toEqual([1]);
    known.client.close();
    expect(() => createTestClient<typeof board>().end('report', { year: 2026 })).toThrow(
      "report is not known as a stream: give createTestClient the channel, or streams: ['report'].",
    );
  });
});

describe('a test client with the channel as a value', () => {
  const full = defineChannel({
    notice: z.object({ text: z.string().trim() }),
    price: topic({
      params: z.object({ symbol: z.string().toUpperCase(), depth: z.number().default(1) }),
      data: z.number(),
      keep: 'latest',
    }),
  });

  it('a test client gives a new subscription only the newest value of keep: latest', async () => {
    const { client, emit, settle, disconnect, reconnect } = createTestClient(full);
    client.subscribe('notice', () => {});
    await emit('price', { symbol: 'ACME' }, 1);
    await emit('price', { symbol: 'ACME' }, 2);
    await emit('notice', { text: 'between' });
    const bids: number[] = [];
    client.subscribe('price', { symbol: 'ACME' }, (bid) => bids.push(bid));
    await settle();
    expect(bids).toEqual([2]);
    await emit('price', { symbol: 'ACME' }, 3);
    await disconnect();
    for (const bid of [4, 5]) await emit('price', { symbol: 'ACME' }, bid);
    await reconnect();
    expect(bids).toEqual([2, 3, 5]);
    client.close();
  });

  it('a test client applies the schemas to params and payloads', async () => {
    const { client, emit } = createTestClient(full);
    const got: unknown[] = [];
    client.subscribe('price', { symbol: 'acme', depth: 1 }, (bid, { address }) => got.push(bid, address));
    client.subscribe('notice', ({ text }) => got.push(text));
    await emit('price', { symbol: 'Acme' }, 7);
    await emit('notice', { text: ' yes ' });
    expect(got).toEqual([7, 'price?depth=1&symbol=ACME', 'yes']);
    client.close();
  });

  it('a test client refuses unknown topics, and params and payloads that are invalid', async () => {
    const errors: unknown[] = [];
    const { client, emit, settle } = createTestClient(full, { onError: (error) => errors.push(error) });
    const loose = { client, emit } as unknown as {
      client: { subscribe: (topic: string, ...rest: unknown[]) => { ready: Promise<void> } };
      emit: (...all: unknown[]) => Promise<void>;
    };
    await expect(loose.emit('nope', 1)).rejects.toMatchObject({ code: 'unknown_topic' });
    await expect(loose.emit('notice', { text: 7 })).rejects.toMatchObject({ code: 'invalid_payload' });
    await expect(loose.emit('price', { symbol: 7 }, 1)).rejects.toMatchObject({ code: 'invalid_params' });
    client.subscribe('notice', () => {});
    const unknown = loose.client.subscribe('nope', () => {});
    const invalid = loose.client.subscribe('price', { depth: 1 }, () => {});
    await settle();
    await expect(unknown.ready).rejects.toMatchObject({ code: 'unknown_topic' });
    await expect(invalid.ready).rejects.toMatchObject({ code: 'invalid_params' });
    expect(client.connection.getSnapshot().state).toBe('connected');
    client.close();
    for (const [topic, params, error] of [
      ['nope', undefined, { code: 'unknown_topic', status: 404 }],
      ['price', { depth: 1 }, { code: 'invalid_params', status: 400 }],
    ] as const) {
      const alone = createTestClient(full, { onError: (each) => errors.push(each) });
      const { ready } = (alone.client as unknown as typeof loose.client).subscribe(topic, params, () => {});
      await alone.settle();
      await expect(ready).rejects.toMatchObject(error);
      expect(alone.client.connection.getSnapshot().state).toBe('failed');
      alone.client.close();
    }
  });
});

it('a closed test client leaves no timer', async () => {
  const { client, clock, emit, disconnect } = open();
  await emit('notice', { text: 'one' });
  await disconnect();
  client.close();
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});
