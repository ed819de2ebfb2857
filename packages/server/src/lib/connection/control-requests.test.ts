import { describe, expect, it } from 'vitest';
import { at, createBench, entries, post } from '../../../test-kit/feed-bench.ts';
import { logWith } from '../../../test-kit/scripted-log.ts';
import { createGate } from '../../../test-kit/gate.ts';
import { memoryLog } from '../log/memory-log.ts';
import { ControlRequests } from './control-requests.ts';

describe('control requests', () => {
  it('a control request adds and removes subscriptions of its connection, and the frames have its number', async () => {
    const { feed, open, control, clock } = createBench();
    await feed.publish('other', { n: 1 });
    const tap = await open('/events/notice');
    const answer = await control(tap, {
      add: [{ address: 'other', from: 'earliest' }],
      remove: ['notice'],
    });
    expect(answer.status).toBe(202);
    await feed.publish('notice', { text: 'unheard' });
    await feed.publish('other', { n: 2 });
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { n: 2 }]);
    expect(tap.dataOf('linefeed.end')[0]).toEqual({ address: 'notice', n: 1 });
    expect(tap.dataOf('linefeed.subscribed')[1]).toMatchObject({ address: 'other', n: 1, rewind: true });
  });

  it('an address that is added again with an earlier cursor rewinds, and one added with `now` does not', async () => {
    const { feed, open, control, clock, publishNumbers } = createBench();
    await publishNumbers(1, 2);
    const tap = await open(entries('other', 'notice'));
    await feed.publish('other', { n: 3 });
    await clock.settle();
    const add = (n: number, from: string): unknown =>
      control(tap, { n, add: [{ address: 'other', key: `k${n}`, from }] });
    await add(1, at(feed.cursor(), 1));
    await feed.publish('other', { n: 4 });
    await clock.settle();
    await add(2, 'now');
    await feed.publish('other', { n: 5 });
    await clock.settle();
    expect(tap.dataOf('linefeed.subscribed').slice(2)).toMatchObject([
      { n: 1, cursor: at(feed.cursor(), 1), rewind: true },
      { n: 2, cursor: at(feed.cursor(), 4) },
    ]);
    expect(tap.dataOf('linefeed.subscribed')[3]).not.toHaveProperty('rewind');
    expect(tap.numbers()).toEqual([3, 2, 3, 4, 5]);
    expect(tap.of('linefeed.caughtup')).toHaveLength(1);
  });

  it('an unusable cursor for a live address causes a gap', async () => {
    const { open, control } = createBench();
    const tap = await open('/events/notice');
    const add = [{ address: 'notice', key: 'k', from: 'no cursor' }];
    await control(tap, { add });
    expect(tap.of('linefeed.gap')).toMatchObject([
      { data: { address: 'notice', from: '', reason: 'unknown' } },
    ]);
  });

  it('a keep: latest address that is added to a connection with only streams delivers its newest value', async () => {
    const { feed, open, control } = createBench();
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
    const tap = await open('/events/tick?key=a');
    await control(tap, { add: [{ address: 'price?symbol=A' }] });
    expect(tap.of('price?symbol=A')).toMatchObject([{ data: { bid: 1 } }]);
  });

  it('a repeated control request changes nothing', async () => {
    const { open, control } = createBench();
    const tap = await open('/events/notice');
    const add = [{ address: 'other' }];
    expect((await control(tap, { n: 1, add })).status).toBe(202);
    expect((await control(tap, { n: 1, add })).status).toBe(202);
    expect(tap.of('linefeed.subscribed')).toHaveLength(2);
  });

  it('a control request is applied after all earlier ones of its connection, even if one of them fails', async () => {
    const controls = new ControlRequests();
    const gate = createGate();
    const applied: number[] = [];
    const first = controls.run(async () => {
      await gate.wait();
      applied.push(1);
      throw new Error('refused');
    });
    const second = controls.run(async () => void applied.push(2));
    await new Promise((resolve) => setImmediate(resolve));
    expect(applied).toEqual([]);
    gate.open();
    await expect(first).rejects.toThrow('refused');
    await second;
    expect(applied).toEqual([1, 2]);
  });

  it('a control request gets 409 for an unknown connection and 403 for one of another principal', async () => {
    const context = (request: Request) => ({ principal: request.headers.get('user') ?? 'anonymous' });
    const { open, ask, control } = createBench({ context });
    const tap = await open('/events/notice', { headers: { user: 'ann' } });
    const add = [{ address: 'other' }];
    expect((await ask('/events', post({ connection: 'f'.repeat(32), n: 1, add }))).status).toBe(409);
    expect((await control(tap, { add }, { user: 'bob' })).status).toBe(403);
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
  });

  it('added and open subscriptions count together toward maxSubscriptions', async () => {
    const { open, control } = createBench({ maxSubscriptions: 2 });
    const tap = await open('/events/notice');
    const add = [{ address: 'other' }, { address: 'room?name=a' }];
    await control(tap, { add });
    expect(tap.dataOf('linefeed.subscribed')).toMatchObject([{ address: 'notice' }, { address: 'other' }]);
    expect(tap.dataOf('linefeed.error')).toMatchObject([
      { address: 'room?name=a', n: 1, code: 'too_many_subscriptions' },
    ]);
  });

  it('entries with the same event name count once toward maxSubscriptions', async () => {
    const { open, control } = createBench({ maxSubscriptions: 2 });
    const tap = await open(entries('notice?key=a', 'notice?key=b', 'other', 'room?name=a'));
    const add = [{ address: 'other', key: 'c' }, { address: 'notice', key: 'd' }, { address: 'room?name=b' }];
    await control(tap, { add });
    expect(tap.of('linefeed.subscribed').map(({ data }) => (data as { key?: string }).key)).toEqual([
      'a',
      'b',
      undefined,
      'c',
      'd',
    ]);
    expect(tap.dataOf('linefeed.error')).toMatchObject([
      { address: 'room?name=a', code: 'too_many_subscriptions' },
      { address: 'room?name=b', n: 1, code: 'too_many_subscriptions' },
    ]);
  });

  it('authorize runs once for each address of a list, and not for entries over maxSubscriptions', async () => {
    const asked: string[] = [];
    const { open } = createBench({
      maxSubscriptions: 1,
      authorize: ({ address }: { address: string }) => asked.push(address) > 0,
    });
    await open(entries('notice', 'other', 'notice', 'unheard'));
    expect(asked).toEqual(['notice']);
  });

  it('authorize of an added address receives the context of the request that opened the connection', async () => {
    const { open, control } = createBench({
      context: () => ({ principal: 'ann', may: ['notice'] }),
      authorize: ({ context, topic }) => context.may.includes(topic),
    });
    const tap = await open('/events/notice');
    await control(tap, { add: [{ address: 'other' }] });
    expect(tap.dataOf('linefeed.error')[0]).toMatchObject({ address: 'other', n: 1, code: 'forbidden' });
  });

  it('an address that is added while a page of the others is read loses no event', async () => {
    const log = memoryLog();
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const { feed, open, control, clock } = createBench({
      log: logWith(log, {
        read: async (query) => {
          const page = await log.read(query);
          await held;
          return page;
        },
      }),
    });
    await feed.publish('other', { n: 1 });
    await feed.publish('notice', { text: 'a' });
    const tap = await open(entries('notice?from=earliest'));
    const add = [{ address: 'other', from: 'earliest' }];
    await control(tap, { add });
    letGo();
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { text: 'a' }]);
  });
});
