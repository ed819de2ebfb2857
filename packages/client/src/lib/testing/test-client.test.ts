import { defineChannel, stream, topic } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { EventInfo, Gap } from '../subscription.ts';
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
  it('reaches the handlers of its address before it resolves', async () => {
    const { client, emit, notices } = open();
    const bids: number[] = [];
    client.subscribe('price', { symbol: 'ACME' }, ({ bid }) => bids.push(bid));
    await emit('notice', { text: 'one' });
    await emit('price', { symbol: 'ACME' }, { bid: 1 });
    await emit('price', { symbol: 'OTHER' }, { bid: 2 });
    expect({ notices, bids }).toEqual({ notices: ['one'], bids: [1] });
    client.close();
  });

  it('reaches who subscribes later over the open connection, from then on', async () => {
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

  it('reaches who asks for the past', async () => {
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

  it('does not reach who has left', async () => {
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
  it('keeps the client away, and what was emitted meanwhile is replayed', async () => {
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
  it('is told at once, and later events follow', async () => {
    const { client, emit, gap, notices, gaps } = open();
    await emit('notice', { text: 'one' });
    await gap('notice');
    await emit('notice', { text: 'two' });
    expect(gaps).toMatchObject([{ address: 'notice', topic: 'notice', reason: 'trimmed' }]);
    expect(notices).toEqual(['one', 'two']);
    client.close();
  });

  it('is told on the next connection where there is none', async () => {
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

describe('a stream', () => {
  it('is yielded to and ended, and goes on behind a cut', async () => {
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

  it('is known by the channel, and otherwise has to be named', async () => {
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

it('leaves no timer behind a client that is closed', async () => {
  const { client, clock, emit, disconnect } = open();
  await emit('notice', { text: 'one' });
  await disconnect();
  client.close();
  await clock.advance(0);
  expect(clock.pending).toBe(0);
});
