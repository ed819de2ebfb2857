import { describe, expect, it } from 'vitest';
import type { TailListener } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';
import { message } from '../stream/message.ts';
import { createBench } from '../../../test-kit/feed-bench.ts';

const epochOf = (cursor: string): string => cursor.split('.')[0]!;
const at = (cursor: string, position: number): string => `${epochOf(cursor)}.${position.toString(36)}`;

describe('opening a connection', () => {
  it('the first bytes are linefeed.hello with the tail as id, then linefeed.subscribed', async () => {
    const { feed, open } = createBench({ pingMs: 4_000, maxDurationMs: 60_000, retryMs: 1_500 });
    await feed.publish('notice', { text: 'before' });
    const tap = await open('/events/notice');
    expect(tap.text).toMatch(/^retry: 1500\nid: /);
    const [hello, subscribed, ...rest] = tap.frames;
    expect(hello).toEqual({
      event: 'linefeed.hello',
      id: feed.cursor(),
      data: {
        protocol: 1,
        connection: expect.stringMatching(/^[0-9a-f]{32}$/),
        pingMs: 4_000,
        timeoutMs: 13_000,
        maxDurationMs: 60_000,
      },
    });
    expect(subscribed).toEqual({
      event: 'linefeed.subscribed',
      id: undefined,
      data: { address: 'notice', event: 'notice', cursor: feed.cursor(), tail: feed.cursor() },
    });
    expect(rest).toEqual([]);
  });

  it('params are validated as text, else as JSON, and linefeed.subscribed has the canonical address', async () => {
    const { open } = createBench();
    const tap = await open('/events?topic=room%3Fname%3D7%26floor%3D2&topic=room%3Fname%3D7');
    expect(tap.of('linefeed.subscribed').map(({ data }) => data)).toMatchObject([
      { address: 'room?name=7&floor=2', event: 'room?floor=2&name=7' },
      { address: 'room?name=7', event: 'room?floor=0&name=7' },
    ]);
  });

  it('unknown query keys are not part of the address', async () => {
    const { open } = createBench();
    const tap = await open('/events/room?name=a&token=secret&floor=1');
    expect(tap.of('linefeed.subscribed')[0]!.data).toMatchObject({ event: 'room?floor=1&name=a' });
    expect(tap.text).not.toContain('secret');
  });

  it('an address that is requested in two spellings is delivered once', async () => {
    const { open, feed, clock } = createBench();
    const tap = await open('/events?topic=room%3Fname%3Da&topic=room%3Ffloor%3D0%26name%3Da');
    await feed.publish('room', { name: 'a' }, { text: 'once' });
    await clock.settle();
    expect(tap.of('linefeed.subscribed')).toHaveLength(2);
    expect(tap.payloads).toEqual([{ text: 'once' }]);
  });

  it('a POST opens a connection with the entries of its body', async () => {
    const { open, feed, clock } = createBench();
    const tap = await open('/events', {
      method: 'POST',
      body: JSON.stringify({ topics: [{ address: 'notice', from: 'now' }, { address: 'other' }] }),
    });
    await feed.publish('other', { n: 1 });
    await feed.publish('notice', { text: 'a' });
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { text: 'a' }]);
  });

  it('an opening with refused entries serves the other entries', async () => {
    const { open } = createBench({ authorize: ({ topic }) => topic !== 'other' });
    const tap = await open('/events?topic=notice&topic=nonsense&topic=other');
    expect(tap.of('linefeed.error').map(({ data }) => data)).toMatchObject([
      { address: 'nonsense', code: 'unknown_topic', retryable: false },
      { address: 'other', code: 'forbidden', retryable: false },
    ]);
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
  });
});

describe('delivery of published events', () => {
  it('an event frame has the address, the bare payload, its cursor and the position of the previous event', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('room', { name: 'a' }, { text: 'first' });
    const tap = await open('/events/room?name=a');
    await feed.publish('notice', { text: 'elsewhere' });
    const { cursor } = await feed.publish('room', { name: 'a' }, { text: 'second' });
    await clock.settle();
    expect(tap.text).toContain(`id: ${cursor}.1\nevent: room?floor=0&name=a\ndata: {"text":"second"}\n\n`);
    expect(tap.payloads).toEqual([{ text: 'second' }]);
  });

  it('frames of one tick are one write, whose bytes are shared by connections with the same frames', async () => {
    const { feed, open, clock } = createBench();
    const [one, two, three] = [
      await open('/events/notice'),
      await open('/events/notice'),
      await open('/events?topic=notice&topic=other'),
    ];
    const before = one.writes.length;
    const threeBefore = three.writes.length;
    await feed.publish('notice', { text: 'a' });
    await feed.publish('other', { n: 1 });
    await feed.publish('notice', { text: 'b' });
    await clock.settle();
    expect(one.writes).toHaveLength(before + 1);
    expect(one.writes.at(-1)).toBe(two.writes.at(-1));
    expect(three.writes).toHaveLength(threeBefore + 1);
    expect(three.payloads).toEqual([{ text: 'a' }, { n: 1 }, { text: 'b' }]);
  });

  it('a payload that its schema refuses is not sent, and publish rejects with the issues', async () => {
    const { feed, open, clock } = createBench();
    const tap = await open('/events/notice');
    await expect(feed.publish('notice', { text: 7 } as never)).rejects.toMatchObject({
      code: 'invalid_payload',
      issues: [{ path: ['text'] }],
    });
    await clock.settle();
    expect(tap.payloads).toEqual([]);
  });

  it('publish rejects a stream, and an unknown topic with the names of the topics', async () => {
    const { feed } = createBench();
    await expect(feed.publish('report' as never, {} as never)).rejects.toThrow(/"report" is a stream/);
    await expect(feed.publish('nope' as never, {} as never)).rejects.toThrow(
      /its topics are notice, other, price/,
    );
  });

  it('publish rejects a payload over maxPayloadBytes and an address over maxAddressBytes', async () => {
    const { feed } = createBench({ maxPayloadBytes: 21, maxAddressBytes: 30 });
    await expect(feed.publish('notice', { text: 'ä'.repeat(5) })).resolves.toBeDefined();
    await expect(feed.publish('notice', { text: 'ä'.repeat(6) })).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    await expect(feed.publish('room', { name: 'a'.repeat(40) }, { text: '' })).rejects.toMatchObject({
      code: 'address_too_long',
    });
  });

  it('a subscription with an address over maxAddressBytes is refused', async () => {
    const { ask } = createBench({ maxAddressBytes: 30 });
    const answer = await ask(`/events/room?name=${'a'.repeat(40)}`);
    expect([answer.status, JSON.parse(answer.body as string)]).toMatchObject([
      400,
      { code: 'address_too_long' },
    ]);
  });

  it('a stream that yields a payload over maxPayloadBytes ends with an error', async () => {
    const { open, errors, clock } = createBench({
      maxPayloadBytes: 12,
      streams: {
        *report() {
          yield { step: 1 };
          yield { step: 1_000_000 };
        },
        *tick() {},
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    expect(tap.payloads).toEqual([{ step: 1 }]);
    expect(tap.of('linefeed.error')).toMatchObject([{ data: { code: 'source_failed' } }]);
    expect(errors).toMatchObject([{ code: 'payload_too_large' }]);
  });
});

describe('resuming from a cursor', () => {
  it('a resumed connection replays each event after its cursor once, and goes live', async () => {
    const { feed, open, clock } = createBench();
    const cursors: string[] = [];
    for (let n = 1; n <= 1_200; n += 1) cursors.push((await feed.publish('other', { n })).cursor);
    const tap = await open('/events/other', { headers: { 'last-event-id': cursors[99]! } });
    await feed.publish('other', { n: 1_201 });
    await clock.settle();
    expect(tap.frames[0]).toMatchObject({ event: 'linefeed.hello', id: cursors[99] });
    expect(tap.payloads).toEqual(Array.from({ length: 1_101 }, (_, index) => ({ n: index + 101 })));
    expect(tap.of('linefeed.gap')).toEqual([]);
  });

  it('the Last-Event-ID header takes precedence over an older cursor in the URL', async () => {
    const { feed, open } = createBench();
    for (let n = 1; n <= 3; n += 1) await feed.publish('other', { n });
    const tap = await open(`/events/other?from=earliest&last_event_id=${at(feed.cursor(), 1)}`, {
      headers: { 'last-event-id': at(feed.cursor(), 2) },
    });
    expect(tap.payloads).toEqual([{ n: 3 }]);
  });

  it('a replay keeps position order across all addresses that share the cursor', async () => {
    const { feed, open } = createBench();
    for (let n = 1; n <= 5; n += 1) {
      await feed.publish('other', { n });
      await feed.publish('notice', { text: String(n) });
    }
    const tap = await open(`/events?topic=notice&topic=other&last_event_id=${at(feed.cursor(), 3)}`);
    expect(tap.payloads).toEqual([
      { text: '2' },
      { n: 3 },
      { text: '3' },
      { n: 4 },
      { text: '4' },
      { n: 5 },
      { text: '5' },
    ]);
  });

  it('the gap of trimmed events is announced before later events of its address, and for no other address', async () => {
    const { feed, open } = createBench({ log: memoryLog({ maxEvents: 4 }) });
    await feed.publish('notice', { text: 'kept' });
    const start = feed.cursor();
    for (let n = 1; n <= 3; n += 1) await feed.publish('other', { n });
    await feed.publish('notice', { text: 'late' });
    await feed.publish('other', { n: 4 });
    const tap = await open(`/events?topic=notice&topic=other&last_event_id=${start}`);
    expect(tap.frames.slice(1).map(({ event }) => event)).toEqual([
      'linefeed.subscribed',
      'linefeed.subscribed',
      'linefeed.gap',
      'linefeed.bookmark',
      'other',
      'other',
      'notice',
      'other',
    ]);
    expect(tap.of('linefeed.gap')[0]!.data).toEqual({
      address: 'other',
      from: start,
      to: at(start, 2),
      reason: 'trimmed',
    });
    expect(tap.of('linefeed.bookmark')[0]!.id).toBe(start);
  });

  it('delivery continues at the oldest event in the log when the tail missed evicted events', async () => {
    const log = memoryLog({ maxEvents: 4 });
    let told: TailListener | undefined;
    let isDeaf = false;
    const { feed, open, clock } = createBench({
      log: {
        epoch: log.epoch,
        append: (entries) => log.append(entries),
        read: (query) => log.read(query),
        position: () => log.position(),
        tail: (listener) => {
          told = listener;
          return log.tail({
            ...listener,
            onEvents: (events, through) => isDeaf || listener.onEvents(events, through),
          });
        },
      },
    });
    const gaps: unknown[] = [];
    const followed: unknown[] = [];
    const following = (async () => {
      const options = { from: 'earliest', onGap: (gap: unknown) => gaps.push(gap) };
      for await (const { data } of feed.subscribe('other', options)) followed.push(data);
    })();
    const tap = await open('/events?topic=notice&topic=other');
    await feed.publish('other', { n: 1 });
    isDeaf = true;
    for (let n = 2; n <= 8; n += 1) await feed.publish('other', { n });
    isDeaf = false;
    told!.onReset('trimmed', await log.position());
    await clock.settle();
    await feed.publish('other', { n: 9 });
    await clock.settle();
    const gap = {
      address: 'other',
      from: at(feed.cursor(), 1),
      to: at(feed.cursor(), 4),
      reason: 'trimmed',
    };
    const numbers = [1, 5, 6, 7, 8, 9].map((n) => ({ n }));
    expect([tap.payloads, tap.of('linefeed.gap').map(({ data }) => data)]).toEqual([numbers, [gap]]);
    await feed.close();
    await following;
    expect([followed, gaps]).toEqual([numbers, [gap]]);
  });

  it('a cursor of another epoch causes a gap, and the new epoch is delivered from its beginning', async () => {
    const { feed, open } = createBench();
    await feed.publish('notice', { text: 'new' });
    const tap = await open('/events/notice', { headers: { 'last-event-id': 'oldepoch.zz' } });
    expect(tap.frames.map(({ event }) => event)).toEqual([
      'linefeed.hello',
      'linefeed.subscribed',
      'linefeed.gap',
      'linefeed.bookmark',
      'notice',
    ]);
    expect(tap.frames[0]!.id).toBeUndefined();
    expect(tap.frames[2]!.data).toMatchObject({
      from: 'oldepoch.zz',
      to: at(feed.cursor(), 0),
      reason: 'epoch',
    });
  });

  it.each([
    ['garbage', '\u{1F600} not a cursor', 'unknown'],
    ['a position without its epoch', '12', 'unknown'],
    ['far too long', 'a'.repeat(300), 'unknown'],
  ])('a cursor that is %s causes a gap, not an error', async (_name, cursor, reason) => {
    const { feed, open } = createBench();
    await feed.publish('notice', { text: 'past' });
    const tap = await open(`/events/notice?last_event_id=${encodeURIComponent(cursor)}`);
    expect(tap.of('linefeed.gap')[0]!.data).toMatchObject({ from: '', to: feed.cursor(), reason });
    expect(tap.of('linefeed.bookmark')[0]!.id).toBe(feed.cursor());
    expect(tap.payloads).toEqual([]);
  });

  it('a cursor past the tail causes a gap, and delivery continues from the tail', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('notice', { text: 'past' });
    const tap = await open(`/events/notice?last_event_id=${at(feed.cursor(), 99)}`);
    expect(tap.of('linefeed.gap')[0]!.data).toMatchObject({ reason: 'future', to: feed.cursor() });
    await feed.publish('notice', { text: 'next' });
    await clock.settle();
    expect(tap.payloads).toEqual([{ text: 'next' }]);
  });

  it('a connection delivers no event twice when its cursor is past the tail of this process', async () => {
    const log = memoryLog();
    const ahead = createBench({ log });
    // This node receives the other node's appends later.
    const late: Array<() => void> = [];
    const behind = createBench({
      log: {
        epoch: log.epoch,
        append: (entries) => log.append(entries),
        read: (query) => log.read(query),
        position: () => log.position(),
        tail: ({ onEvents, ...listener }) =>
          log.tail({
            ...listener,
            onEvents: (events, through) => void late.push(() => onEvents(events, through)),
          }),
      },
    });
    const { cursor } = await ahead.feed.publish('other', { n: 1 });
    await ahead.feed.publish('other', { n: 2 });
    const tap = await behind.open('/events/other', { headers: { 'last-event-id': cursor } });
    expect(tap.frames[0]!.id).toBe(cursor);
    for (const hear of late) hear();
    await behind.clock.settle();
    expect(tap.of('linefeed.gap')).toEqual([]);
    expect(tap.payloads).toEqual([{ n: 2 }]);
  });

  it('each entry of a new connection starts at its own `from`, in position order', async () => {
    const { feed, open } = createBench();
    for (let n = 1; n <= 2; n += 1) await feed.publish('other', { n });
    await feed.publish('notice', { text: 'past' });
    const tap = await open('/events?topic=notice&topic=other%3Ffrom%3Dearliest');
    expect(tap.frames[0]!.id).toBe(at(feed.cursor(), 0));
    expect(tap.payloads).toEqual([{ n: 1 }, { n: 2 }]);
    expect(tap.of('linefeed.caughtup')).toEqual([]);
  });

  it('an entry that starts before the cursor of its connection rewinds until linefeed.caughtup', async () => {
    const { feed, open, clock } = createBench();
    for (let n = 1; n <= 3; n += 1) await feed.publish('other', { n });
    await feed.publish('notice', { text: 'a' });
    const tap = await open(
      `/events?topic=notice&topic=other%3Ffrom%3Dearliest%26key%3Do&last_event_id=${feed.cursor()}`,
    );
    expect(tap.frames[0]!.id).toBe(feed.cursor());
    expect(tap.of('linefeed.subscribed').map(({ data }) => (data as { rewind?: true }).rewind)).toEqual([
      undefined,
      true,
    ]);
    await feed.publish('other', { n: 4 });
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    const caughtUp = tap.frames.findIndex(({ event }) => event === 'linefeed.caughtup');
    expect(tap.frames.slice(0, caughtUp).filter(({ event }) => event === 'other')).toHaveLength(3);
  });

  it('a client with one cursor loses no event of an entry with an earlier start, at any cut', async () => {
    const { feed, open } = createBench();
    for (let n = 1; n <= 3; n += 1) await feed.publish('other', { n });
    const cursor = feed.cursor();
    for (let n = 4; n <= 6; n += 1) await feed.publish('notice', { text: `${n}` });
    const url = `/events?topic=notice&topic=other%3Ffrom%3Dearliest&last_event_id=${cursor}`;
    const whole = (await open(url)).frames;
    const payloadsOf = (frames: typeof whole): unknown[] =>
      frames.filter(({ event }) => !event.startsWith('linefeed.')).map(({ data }) => data);
    expect(whole[0]!.id).toBe(at(cursor, 0));
    expect(payloadsOf(whole)).toEqual([
      ...[1, 2, 3].map((n) => ({ n })),
      ...[4, 5, 6].map((n) => ({ text: `${n}` })),
    ]);
    for (let end = 1; end <= whole.length; end += 1) {
      const got = whole.slice(0, end);
      // A browser reconnects in this way: the same URL, and the last id in a header.
      const id = got.findLast((frame) => frame.id !== undefined)!.id!;
      const rest = (await open(url, { headers: { 'last-event-id': id } })).frames;
      expect(
        new Set([...payloadsOf(got), ...payloadsOf(rest)].map((data) => JSON.stringify(data))).size,
      ).toBe(6);
    }
  });
});

describe('keep: latest', () => {
  it('a new subscriber of keep: latest gets the newest value first, and a resumed one no superseded value', async () => {
    const { feed, open, clock } = createBench();
    for (let bid = 1; bid <= 5; bid += 1) await feed.publish('price', { symbol: 'ACME' }, { bid });
    const fresh = await open('/events/price?symbol=ACME');
    await feed.publish('price', { symbol: 'ACME' }, { bid: 6 });
    await clock.settle();
    expect(fresh.payloads).toEqual([{ bid: 5 }, { bid: 6 }]);
    const back = await open('/events/price?symbol=ACME', {
      headers: { 'last-event-id': at(feed.cursor(), 2) },
    });
    expect(back.payloads).toEqual([{ bid: 6 }]);
    expect(back.of('linefeed.gap')).toEqual([]);
    expect(back.of('price?symbol=ACME')[0]!.id).toBe(feed.cursor());
  });
});

describe('keep: latest with an unusable cursor', () => {
  it.each(['garbage', 'zzz.future'])(
    'an unusable cursor brings the newest value of keep: latest: %s',
    async (cursor) => {
      const { feed, open } = createBench();
      await feed.publish('price', { symbol: 'A' }, { bid: 1 });
      await feed.publish('notice', { text: 'past' });
      const from = cursor === 'zzz.future' ? at(feed.cursor(), 999) : cursor;
      const tap = await open(`/events?topic=notice&topic=price%3Fsymbol%3DA&last_event_id=${from}`);
      expect(tap.of('linefeed.gap')).toHaveLength(2);
      expect(tap.payloads).toEqual([{ bid: 1 }]);
    },
  );
});

describe('control requests', () => {
  const control = (body: object): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });
  const idOf = (tap: { frames: Array<{ data: unknown }> }): string =>
    (tap.frames[0]!.data as { connection: string }).connection;

  it('a control request adds and removes subscriptions of its connection, and the frames have its number', async () => {
    const { feed, open, ask, clock } = createBench();
    await feed.publish('other', { n: 1 });
    const tap = await open('/events/notice');
    const answer = await ask(
      '/events',
      control({
        connection: idOf(tap),
        n: 1,
        add: [{ address: 'other', from: 'earliest' }],
        remove: ['notice'],
      }),
    );
    expect(answer.status).toBe(202);
    await feed.publish('notice', { text: 'unheard' });
    await feed.publish('other', { n: 2 });
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { n: 2 }]);
    expect(tap.of('linefeed.end')[0]!.data).toEqual({ address: 'notice', n: 1 });
    expect(tap.of('linefeed.subscribed')[1]!.data).toMatchObject({ address: 'other', n: 1, rewind: true });
  });

  it('an address that is added again with an earlier cursor rewinds, and one added with `now` does not', async () => {
    const { feed, open, ask, clock } = createBench();
    for (let n = 1; n <= 2; n += 1) await feed.publish('other', { n });
    const tap = await open('/events?topic=other&topic=notice');
    await feed.publish('other', { n: 3 });
    await clock.settle();
    const add = (n: number, from: string): unknown =>
      ask('/events', control({ connection: idOf(tap), n, add: [{ address: 'other', key: `k${n}`, from }] }));
    await add(1, at(feed.cursor(), 1));
    await feed.publish('other', { n: 4 });
    await clock.settle();
    await add(2, 'now');
    await feed.publish('other', { n: 5 });
    await clock.settle();
    expect(
      tap
        .of('linefeed.subscribed')
        .slice(2)
        .map(({ data }) => data),
    ).toMatchObject([
      { n: 1, cursor: at(feed.cursor(), 1), rewind: true },
      { n: 2, cursor: at(feed.cursor(), 4) },
    ]);
    expect(tap.of('linefeed.subscribed')[3]!.data).not.toHaveProperty('rewind');
    expect(tap.of('other').map(({ data }) => (data as { n: number }).n)).toEqual([3, 2, 3, 4, 5]);
    expect(tap.of('linefeed.caughtup')).toHaveLength(1);
  });

  it('an unusable cursor for a live address causes a gap', async () => {
    const { open, ask, clock } = createBench();
    const tap = await open('/events/notice');
    const add = [{ address: 'notice', key: 'k', from: 'no cursor' }];
    await ask('/events', control({ connection: idOf(tap), n: 1, add }));
    await clock.settle();
    expect(tap.of('linefeed.gap')).toMatchObject([
      { data: { address: 'notice', from: '', reason: 'unknown' } },
    ]);
  });

  it('a keep: latest address that is added to a connection with only streams brings its newest value', async () => {
    const { feed, open, ask, clock } = createBench();
    await feed.publish('price', { symbol: 'A' }, { bid: 1 });
    const tap = await open('/events/tick?key=a');
    await ask('/events', control({ connection: idOf(tap), n: 1, add: [{ address: 'price?symbol=A' }] }));
    await clock.settle();
    expect(tap.of('price?symbol=A')).toMatchObject([{ data: { bid: 1 } }]);
  });

  it('a repeated control request changes nothing', async () => {
    const { open, ask, clock } = createBench();
    const tap = await open('/events/notice');
    const body = control({ connection: idOf(tap), n: 1, add: [{ address: 'other' }] });
    expect((await ask('/events', body)).status).toBe(202);
    expect((await ask('/events', body)).status).toBe(202);
    await clock.settle();
    expect(tap.of('linefeed.subscribed')).toHaveLength(2);
  });

  it('a control request gets 409 for an unknown connection and 403 for one of another principal', async () => {
    const context = (request: Request) => ({ principal: request.headers.get('user') ?? 'anonymous' });
    const { open, ask } = createBench({ context });
    const tap = await open('/events/notice', { headers: { user: 'ann' } });
    const add = [{ address: 'other' }];
    expect((await ask('/events', control({ connection: 'f'.repeat(32), n: 1, add }))).status).toBe(409);
    const stolen = { ...control({ connection: idOf(tap), n: 1, add }), headers: { user: 'bob' } };
    expect((await ask('/events', stolen)).status).toBe(403);
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
  });

  it('added and open subscriptions count together toward maxSubscriptions', async () => {
    const { open, ask, clock } = createBench({ maxSubscriptions: 2 });
    const tap = await open('/events/notice');
    const add = [{ address: 'other' }, { address: 'room?name=a' }];
    await ask('/events', control({ connection: idOf(tap), n: 1, add }));
    await clock.settle();
    expect(tap.of('linefeed.subscribed').map(({ data }) => data)).toMatchObject([
      { address: 'notice' },
      { address: 'other' },
    ]);
    expect(tap.of('linefeed.error').map(({ data }) => data)).toMatchObject([
      { address: 'room?name=a', n: 1, code: 'too_many_subscriptions' },
    ]);
  });

  it('entries with the same event name count once toward maxSubscriptions', async () => {
    const { open, ask, clock } = createBench({ maxSubscriptions: 2 });
    const tap = await open(
      '/events?topic=notice%3Fkey%3Da&topic=notice%3Fkey%3Db&topic=other&topic=room%3Fname%3Da',
    );
    const add = [{ address: 'other', key: 'c' }, { address: 'notice', key: 'd' }, { address: 'room?name=b' }];
    await ask('/events', control({ connection: idOf(tap), n: 1, add }));
    await clock.settle();
    expect(tap.of('linefeed.subscribed').map(({ data }) => (data as { key?: string }).key)).toEqual([
      'a',
      'b',
      undefined,
      'c',
      'd',
    ]);
    expect(tap.of('linefeed.error').map(({ data }) => data)).toMatchObject([
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
    await open('/events?topic=notice&topic=other&topic=notice&topic=unheard');
    expect(asked).toEqual(['notice']);
  });

  it('authorize of an added address receives the context of the request that opened the connection', async () => {
    const { open, ask, clock } = createBench({
      context: () => ({ principal: 'ann', may: ['notice'] }),
      authorize: ({ context, topic }) => context.may.includes(topic),
    });
    const tap = await open('/events/notice');
    await ask('/events', control({ connection: idOf(tap), n: 1, add: [{ address: 'other' }] }));
    await clock.settle();
    expect(tap.of('linefeed.error')[0]!.data).toMatchObject({ address: 'other', n: 1, code: 'forbidden' });
  });

  it('an address that is added while a page of the others is read loses no event', async () => {
    const log = memoryLog();
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const { feed, open, ask, clock } = createBench({
      log: {
        epoch: log.epoch,
        append: (entries) => log.append(entries),
        read: async (query) => {
          const page = await log.read(query);
          await held;
          return page;
        },
        position: () => log.position(),
        tail: (listener) => log.tail(listener),
      },
    });
    await feed.publish('other', { n: 1 });
    await feed.publish('notice', { text: 'a' });
    const tap = await open('/events?topic=notice%3Ffrom%3Dearliest');
    const add = [{ address: 'other', from: 'earliest' }];
    await ask('/events', control({ connection: idOf(tap), n: 1, add }));
    letGo();
    await clock.settle();
    expect(tap.payloads).toEqual([{ n: 1 }, { text: 'a' }]);
  });
});

describe('streams of a connection', () => {
  it('a stream runs its source, writes its ids, and ends with the mark that stops an EventSource', async () => {
    const { open, ask, clock } = createBench({
      streams: {
        async *report({ params, lastEventId }) {
          for (let step = Number(lastEventId ?? 0) + 1; step <= 3; step += 1) {
            yield message({ step: step + params.year }, { id: step });
          }
        },
        *tick() {},
      },
    });
    const tap = await open('/events/report?year=2000');
    await clock.settle();
    expect(tap.frames.slice(1)).toEqual([
      { event: 'linefeed.subscribed', id: undefined, data: { address: 'report', event: 'report' } },
      { event: 'report', id: '~1', data: { step: 2001 } },
      { event: 'report', id: '~2', data: { step: 2002 } },
      { event: 'report', id: '~3', data: { step: 2003 } },
      { event: 'linefeed.end', id: '~!', data: { address: 'report' } },
    ]);
    expect(tap.ended).toBe(true);
    expect(tap.text).not.toContain('year');
    const resumed = await open('/events/report?year=2000', { headers: { 'last-event-id': '~2' } });
    await clock.settle();
    expect(resumed.payloads).toEqual([{ step: 2003 }]);
    expect((await ask('/events/report?year=2000', { headers: { 'last-event-id': '~!' } })).status).toBe(204);
  });

  it('a stream with a key longer than 32 characters is refused', async () => {
    const { open } = createBench();
    const keys = ['k'.repeat(32), 'k'.repeat(33)];
    const tap = await open(
      `/events?topic=notice&topic=tick%3Fkey%3D${keys[0]}&topic=tick%3Fkey%3D${keys[1]}`,
    );
    expect(tap.of('linefeed.error').map(({ data }) => data)).toMatchObject([
      { key: keys[1], code: 'bad_request' },
    ]);
    expect(tap.of('linefeed.subscribed').map(({ data }) => data)).toMatchObject([{}, { key: keys[0] }]);
  });

  it('a stream that yielded data without ids is not run again after a reconnect', async () => {
    const { open, ask, clock } = createBench();
    const tap = await open('/events/tick');
    await clock.settle();
    expect(tap.of('tick')).toEqual([{ event: 'tick', id: '~', data: 1 }]);
    expect((await ask('/events/tick', { headers: { 'last-event-id': '~' } })).status).toBe(204);
    const shared = await open('/events?topic=notice&topic=tick%3Fkey%3Dk1%26from%3D~');
    expect(shared.of('linefeed.error')[0]!.data).toMatchObject({
      address: 'tick~k1',
      key: 'k1',
      code: 'not_resumable',
    });
  });

  it('a finished stream is answered with its end mark, in a control request and after the gaps of an opening', async () => {
    const { feed, open, ask, clock } = createBench();
    await feed.publish('notice', { text: 'a' });
    const tap = await open('/events/notice');
    const { connection } = tap.frames[0]!.data as { connection: string };
    const add = [{ address: 'tick', key: 'a', from: '~!' }];
    await ask('/events', { method: 'POST', body: JSON.stringify({ connection, n: 1, add }) });
    await clock.settle();
    expect(tap.of('linefeed.end')).toEqual([
      { event: 'linefeed.end', id: `${feed.cursor()}~!`, data: { address: 'tick~a', key: 'a', n: 1 } },
    ]);
    const back = await open(
      '/events?topic=notice&topic=tick%3Fkey%3Da%26from%3D~!&last_event_id=oldepoch.zz',
    );
    const events = back.frames.map(({ event }) => event);
    expect(events.indexOf('linefeed.gap')).toBeLessThan(events.indexOf('linefeed.end'));
    expect(back.of('linefeed.end')).toMatchObject([
      { id: expect.stringMatching(/~!$/) as string, data: { address: 'tick~a', key: 'a' } },
    ]);
    expect([tap.payloads, back.payloads]).toEqual([[], [{ text: 'a' }]]);
  });

  it('a stream writes nothing before the gaps of the opening', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('notice', { text: 'new' });
    const tap = await open('/events?topic=notice&topic=tick%3Fkey%3Da&last_event_id=oldepoch.zz');
    await clock.settle();
    const events = tap.frames.map(({ event }) => event);
    expect(events.indexOf('linefeed.gap')).toBeLessThan(events.indexOf('tick~a'));
    expect(tap.of('tick~a')).toHaveLength(1);
  });

  it('an EventSource that repeats its URL resumes a single stream by its id, and reruns none of several', async () => {
    const runs: Array<string | undefined> = [];
    const { open, clock } = createBench({
      streams: {
        *report({ lastEventId }) {
          runs.push(lastEventId);
          yield message({ step: 1 }, { id: 'one' });
        },
        *tick() {
          yield 1;
        },
      },
    });
    const url = '/events?topic=notice&topic=report%3Fyear%3D1%26key%3Da';
    const first = await open(url);
    await clock.settle();
    const mark = first.of('report~a')[0]!.id!;
    const second = await open(url, { headers: { 'last-event-id': mark } });
    await clock.settle();
    expect(runs).toEqual([undefined, 'one']);
    const two = await open(`${url}&topic=tick%3Fkey%3Db`, { headers: { 'last-event-id': mark } });
    expect(two.of('linefeed.error').map(({ data }) => (data as { code: string }).code)).toEqual([
      'not_resumable',
      'not_resumable',
    ]);
    expect(runs).toHaveLength(2);
    second.leave();
  });

  it('a stream among other subscriptions needs a key, and its ids contain the connection cursor', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('notice', { text: 'a' });
    const tap = await open('/events?topic=notice&topic=tick&topic=tick%3Fkey%3Db');
    await clock.settle();
    expect(tap.of('linefeed.error')[0]!.data).toMatchObject({ address: 'tick', code: 'key_required' });
    expect(tap.of('tick~b')[0]!.id).toBe(`${feed.cursor()}~`);
    expect(tap.of('linefeed.end')[0]).toMatchObject({
      id: `${feed.cursor()}~!`,
      data: { address: 'tick~b', key: 'b' },
    });
    expect(tap.ended).toBe(false);
  });

  it('a source that throws sends linefeed.error without its message, and onError receives the error', async () => {
    const boom = new Error('password=hunter2');
    const { open, errors, clock } = createBench({
      streams: {
        async *report() {
          yield message({ step: 1 }, { id: 'a~!b' });
          throw boom;
        },
        *tick() {},
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    expect(tap.of('report')[0]!.id).toBe('~a%7E%21b');
    expect(tap.of('linefeed.error')[0]).toEqual({
      event: 'linefeed.error',
      id: '~!',
      data: {
        address: 'report',
        code: 'source_failed',
        message: 'The source of "report" failed.',
        retryable: false,
      },
    });
    expect(tap.text).not.toContain('hunter2');
    expect(errors).toEqual([boom]);
  });

  it('a source is aborted and returned when its client leaves', async () => {
    const seen: string[] = [];
    const { open, clock } = createBench({
      streams: {
        async *report({ signal }) {
          try {
            yield { step: 1 };
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            seen.push('aborted');
          } finally {
            seen.push('returned');
          }
        },
        *tick() {},
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    tap.leave();
    await clock.settle();
    expect(seen).toEqual(['aborted', 'returned']);
  });

  it('a yield that its schema refuses ends the stream with source_failed', async () => {
    const { open, errors, clock } = createBench({
      streams: {
        *report() {
          yield { step: 'x' } as never;
        },
        *tick() {},
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    expect(tap.of('report')).toEqual([]);
    expect(tap.of('linefeed.error')[0]!.data).toMatchObject({ code: 'source_failed' });
    expect(errors).toMatchObject([{ code: 'invalid_payload' }]);
  });
});

describe('liveness', () => {
  it('an idle connection gets a ping, or a bookmark if its cursor moved without a matching event', async () => {
    const { feed, open, clock } = createBench({ pingMs: 1_000 });
    const tap = await open('/events/notice');
    await clock.advance(900);
    expect(tap.of('linefeed.ping')).toEqual([]);
    await clock.advance(300);
    expect(tap.of('linefeed.ping')).toEqual([{ event: 'linefeed.ping', id: undefined, data: {} }]);
    await clock.advance(600);
    await feed.publish('notice', { text: 'speaks' });
    await clock.advance(900);
    expect(tap.of('linefeed.ping')).toHaveLength(1);
    await feed.publish('other', { n: 1 });
    await clock.advance(400);
    expect(tap.of('linefeed.bookmark')).toEqual([
      { event: 'linefeed.bookmark', id: feed.cursor(), data: {} },
    ]);
    await clock.advance(1_200);
    expect(tap.of('linefeed.bookmark')).toHaveLength(1);
    expect(tap.of('linefeed.ping')).toHaveLength(2);
  });

  it('a connection gets linefeed.reconnect at 80 to 100 % of its lifetime, and when its context expires', async () => {
    const { open, clock } = createBench({ maxDurationMs: 100_000, pingMs: 10_000 });
    const tap = await open('/events/notice');
    await clock.advance(79_000);
    expect(tap.ended).toBe(false);
    await clock.advance(22_000);
    expect(tap.of('linefeed.reconnect')[0]!.data).toEqual({ afterMs: 0, reason: 'lifetime' });
    expect(tap.ended).toBe(true);

    const expiring = createBench({ context: () => ({ expiresAt: Date.UTC(2026, 0, 1) + 5_000 }) });
    const short = await expiring.open('/events/notice');
    await expiring.clock.advance(4_000);
    expect(short.ended).toBe(false);
    await expiring.clock.advance(2_000);
    expect(short.of('linefeed.reconnect')[0]!.data).toMatchObject({ reason: 'expired' });
  });

  it('a connection stays open without limit with maxDurationMs 0', async () => {
    const { open, clock } = createBench({ maxDurationMs: 0, pingMs: 3_600_000, timeoutMs: 7_200_000 });
    const tap = await open('/events/notice');
    await clock.advance(7_200_000);
    expect(tap.ended).toBe(false);
  });

  it('a reader that never takes the last bytes of an ended connection is cut off', async () => {
    const { feed, open, clock } = createBench({ stallTimeoutMs: 5_000 });
    const tap = await open('/events/notice', {}, { roomBytes: 10, endsWhenDrained: true });
    expect(feed.disconnect(() => true)).toBe(1);
    await clock.advance(4_000);
    expect(tap.closed).toBe(false);
    await clock.advance(3_000);
    expect(tap.destroyed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it('no timer remains after the last connection closes', async () => {
    const { open, clock } = createBench();
    const tap = await open('/events/notice');
    expect(clock.pendingTimers).toBe(1);
    tap.leave();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('slow readers', () => {
  it('a slow reader over maxBufferedBytes falls back to a replay and gets every event in order', async () => {
    const { feed, open, clock } = createBench({ maxBufferedBytes: 2_000 });
    const slow = await open('/events/other', {}, { roomBytes: 500 });
    const quick = await open('/events/other');
    for (let n = 1; n <= 300; n += 1) {
      await feed.publish('other', { n });
      await clock.settle();
    }
    expect(quick.payloads).toHaveLength(300);
    expect(slow.payloads.length).toBeLessThan(60);
    expect(feed.stats().fallbacks).toBe(1);
    for (let round = 0; round < 50; round += 1) {
      slow.drain();
      await clock.settle();
    }
    expect(slow.payloads).toEqual(Array.from({ length: 300 }, (_, index) => ({ n: index + 1 })));
  });

  it('a slow reader of keep: latest skips superseded values without a gap and gets the newest', async () => {
    const { feed, open, clock } = createBench({ maxBufferedBytes: 1_000 });
    const slow = await open('/events/price?symbol=A', {}, { roomBytes: 200 });
    for (let bid = 1; bid <= 100; bid += 1) {
      await feed.publish('price', { symbol: 'A' }, { bid });
      await clock.settle();
    }
    slow.drain();
    await clock.settle();
    const bids = slow.payloads.map((payload) => (payload as { bid: number }).bid);
    expect(bids.at(-1)).toBe(100);
    expect(bids.length).toBeLessThan(30);
    expect(bids).toEqual(bids.toSorted((a, b) => a - b));
    expect(slow.of('linefeed.gap')).toEqual([]);
  });

  it('a reader without progress for stallTimeoutMs is cut off, and gets no pings before that', async () => {
    const { feed, open, clock } = createBench({ stallTimeoutMs: 5_000, pingMs: 1_000 });
    const slow = await open('/events/notice', {}, { roomBytes: 10 });
    await feed.publish('notice', { text: 'a' });
    await clock.advance(4_000);
    expect(slow.closed).toBe(false);
    expect(slow.of('linefeed.ping')).toEqual([]);
    await clock.advance(3_000);
    expect(slow.destroyed).toBe(true);
    expect(feed.stats()).toMatchObject({ stalled: 1, connections: 0 });
  });

  it('a slow reader gets one event that is larger than maxBufferedBytes', async () => {
    const { feed, open, clock } = createBench({ maxBufferedBytes: 1_000 });
    const tap = await open('/events/notice', {}, { roomBytes: 100 });
    tap.drain();
    await feed.publish('notice', { text: 'x'.repeat(5_000) });
    await clock.settle();
    tap.drain();
    await clock.settle();
    expect(tap.payloads).toHaveLength(1);
  });
});

describe('refused requests', () => {
  it.each([
    ['a request for an unknown topic', '/events/nope', {}, 404, 'unknown_topic'],
    ['a request with invalid params', '/events/report?year=x', {}, 400, 'invalid_params'],
    ['a request without a topic', '/events', {}, 400, 'bad_request'],
    ['a request for another path', '/eventsource', {}, 404, undefined],
    [
      'a request that accepts an event stream with quality 0',
      '/events/notice',
      { headers: { accept: 'application/json, text/event-stream;q=0' } },
      406,
      'not_acceptable',
    ],
    [
      'a request with an unsupported method',
      '/events/notice',
      { method: 'DELETE' },
      405,
      'method_not_allowed',
    ],
    [
      'a request from a page of another site',
      '/events/notice',
      { headers: { 'sec-fetch-site': 'cross-site' } },
      403,
      'forbidden_origin',
    ],
    [
      'a request from a foreign origin',
      '/events/notice',
      { headers: { origin: 'https://evil.test' } },
      403,
      'forbidden_origin',
    ],
    ['a body that is not JSON', '/events', { method: 'POST', body: 'x' }, 400, 'bad_request'],
    [
      'a body with malformed entries',
      '/events',
      { method: 'POST', body: '{"topics":[1]}' },
      400,
      'bad_request',
    ],
  ] as const)('%s is refused with a status and a code', async (_name, target, init, status, code) => {
    const { ask } = createBench();
    const answer = await ask(target, init);
    expect(answer.status).toBe(status);
    if (code !== undefined) expect(JSON.parse(answer.body as string)).toMatchObject({ status, code });
  });

  it('an error of context sets the status, and its message is sent only for an exposed 4xx', async () => {
    const failing = (error: unknown) =>
      createBench({
        context: () => {
          throw error;
        },
      });
    const denied = await failing(
      Object.assign(new Error('Log in first.'), { status: 401, expose: true }),
    ).ask('/events/notice');
    expect([denied.status, JSON.parse(denied.body as string).title]).toEqual([401, 'Log in first.']);
    const foreign = await failing(Object.assign(new Error('key sk-123 is wrong'), { status: 401 })).ask(
      '/events/notice',
    );
    expect([foreign.status, JSON.parse(foreign.body as string).title]).toEqual([
      401,
      'Refused with status 401.',
    ]);
    const down = await failing(Object.assign(new Error('db-3 is down'), { status: 503, expose: true })).ask(
      '/events/notice',
    );
    expect([down.status, JSON.parse(down.body as string).title]).toEqual([503, 'Refused with status 503.']);
    const broken = failing(new Error('db password'));
    const answer = await broken.ask('/events/notice');
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('password');
    expect(broken.errors).toHaveLength(1);
  });

  it('context may set headers and cookies, but not content-type', async () => {
    const { ask } = createBench({
      context: (_request, { headers }) => {
        headers.append('set-cookie', 'a=1');
        headers.append('set-cookie', 'b=2');
        headers.set('x-served-by', 'one');
      },
    });
    const { headers } = await ask('/events/notice', { method: 'HEAD' });
    expect(headers.filter(([name]) => name === 'set-cookie')).toEqual([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]);
    expect(Object.fromEntries(headers)['x-served-by']).toBe('one');
    const wrong = createBench({
      context: (_request, reply) => reply.headers.set('content-type', 'text/plain'),
    });
    expect((await wrong.ask('/events/notice')).status).toBe(500);
    expect(wrong.errors).toMatchObject([{ code: 'invalid_option' }]);
  });

  it.each([
    ['first', '/events?topic=other&topic=notice'],
    ['last', '/events?topic=notice&topic=other'],
  ])('a list of refused entries gets 503 when its %s entry is retryable', async (_, target) => {
    const { ask } = createBench({
      onError: () => undefined,
      authorize({ topic }) {
        if (topic === 'other') throw Object.assign(new Error('The database is away.'), { status: 503 });
        return false;
      },
    });
    expect((await ask(target)).status).toBe(503);
  });

  it('an address that authorize denies gets 403, also when it resumes from a cursor', async () => {
    const { ask } = createBench({ authorize: ({ address }) => address !== 'notice' });
    expect((await ask('/events/notice')).status).toBe(403);
    expect((await ask('/events/notice', { headers: { 'last-event-id': 'a.1' } })).status).toBe(403);
  });

  it('a HEAD request for a stream starts no source', async () => {
    let started = 0;
    const { ask } = createBench({
      streams: {
        *report() {
          yield { step: (started += 1) };
        },
        *tick() {
          yield (started += 1);
        },
      },
    });
    const answer = await ask('/events/tick', { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, body: undefined });
    expect(Object.fromEntries(answer.headers)['content-type']).toBe('text/event-stream; charset=utf-8');
    expect((await ask('/events/tick', { method: 'HEAD', headers: { 'last-event-id': '~!' } })).status).toBe(
      204,
    );
    expect(started).toBe(0);
  });

  it('an origin in cors.origins is accepted, with credentials and a preflight', async () => {
    const { ask } = createBench({ cors: { origins: ['https://app.test'], credentials: true } });
    const headers = { origin: 'https://app.test', 'sec-fetch-site': 'cross-site' };
    const answer = await ask('/events/notice', { method: 'HEAD', headers });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': 'https://app.test',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'Retry-After, linefeed-code',
      vary: 'Origin',
    });
    expect((await ask('/events/notice', { method: 'OPTIONS', headers })).status).toBe(204);
    expect((await ask('/events/notice', { headers: { origin: 'https://app.test.evil' } })).status).toBe(403);
    expect(() => createBench({ cors: { origins: ['https://app.test/'] } })).toThrow(
      /did you mean "https:\/\/app.test"/,
    );
  });

  it('a feed at maxConnections answers a GET with linefeed.reconnect and a POST with 503', async () => {
    const { open, ask } = createBench({ maxConnections: 1 });
    await open('/events/notice');
    const second = await open('/events/notice');
    expect(second.ended).toBe(true);
    expect(second.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'busy' } }]);
    expect(second.text).toMatch(/^retry: \d+\n/);
    const post = await ask('/events', { method: 'POST', body: '{"topics":[{"address":"notice"}]}' });
    expect(post.status).toBe(503);
    expect(Number(Object.fromEntries(post.headers)['retry-after'])).toBeGreaterThanOrEqual(5);
  });

  it('the connections of one principal and the subscriptions of one connection are limited', async () => {
    const { open } = createBench({
      context: (request: Request) => ({ principal: request.headers.get('user')! }),
      maxConnectionsPerPrincipal: 1,
      maxSubscriptions: 2,
    });
    const first = await open('/events/notice', { headers: { user: 'ann' } });
    expect((await open('/events/notice', { headers: { user: 'ann' } })).ended).toBe(true);
    expect((await open('/events/notice', { headers: { user: 'bob' } })).ended).toBe(false);
    first.leave();
    expect((await open('/events/notice', { headers: { user: 'ann' } })).ended).toBe(false);
    const crowded = await open('/events?topic=notice&topic=other&topic=tick%3Fkey%3Dk', {
      headers: { user: 'cy' },
    });
    expect(crowded.of('linefeed.subscribed')).toHaveLength(2);
    expect(crowded.of('linefeed.error')).toMatchObject([
      { data: { address: 'tick~k', key: 'k', code: 'too_many_subscriptions', retryable: false } },
    ]);
  });

  it('a GET gets linefeed.reconnect when context does not settle within requestTimeoutMs', async () => {
    const { feed, clock } = createBench({
      context: () => new Promise<never>(() => {}),
      requestTimeoutMs: 1_000,
    });
    const answering = feed.handle(new Request('http://feed.test/events/notice'));
    await clock.advance(1_001);
    const response = await answering;
    // A 503 would end a plain EventSource permanently.
    expect(response.status).toBe(200);
    expect(await response.text()).toMatch(/event: linefeed.reconnect/);
  });
});

describe('closing and disconnecting', () => {
  it('close() ends connections spread over graceMs, refuses new ones, and then rejects publishes', async () => {
    const { feed, open, clock } = createBench();
    const taps = [await open('/events/notice'), await open('/events/notice'), await open('/events/notice')];
    const closed = feed.close({ graceMs: 3_000 });
    await clock.settle();
    expect(taps.map(({ ended }) => ended)).toEqual([true, false, false]);
    expect((await open('/events/notice')).of('linefeed.reconnect')[0]!.data).toMatchObject({
      reason: 'drain',
    });
    await clock.advance(1_500);
    expect(taps.map(({ ended }) => ended)).toEqual([true, true, false]);
    await clock.advance(1_500);
    await closed;
    expect(taps.map(({ ended }) => ended)).toEqual([true, true, true]);
    await expect(feed.publish('notice', { text: 'late' })).rejects.toMatchObject({ code: 'closed' });
  });

  it('close() ends sources and waits for pending publishes', async () => {
    const seen: string[] = [];
    const held = memoryLog();
    let letGo: () => void = () => undefined;
    const { feed, open, clock } = createBench({
      log: {
        epoch: held.epoch,
        append: async (entries) => {
          await new Promise<void>((resolve) => (letGo = resolve));
          return await held.append(entries);
        },
        read: (query) => held.read(query),
        position: () => held.position(),
        tail: (listener) => held.tail(listener),
      },
      streams: {
        async *report({ signal }) {
          try {
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            yield { step: 1 };
          } finally {
            seen.push('source ended');
          }
        },
        *tick() {
          yield 1;
        },
      },
    });
    await open('/events/report?year=1');
    const publishing = feed.publish('notice', { text: 'in flight' }).then(() => seen.push('published'));
    const closing = feed.close().then(() => seen.push('closed'));
    await clock.settle();
    expect(seen).toEqual(['source ended']);
    letGo();
    await Promise.all([publishing, closing]);
    expect(seen).toEqual(['source ended', 'published', 'closed']);
  });

  it('disconnect() closes the connections that match its predicate', async () => {
    const context = (request: Request) => ({ user: request.headers.get('user') });
    const { feed, open } = createBench({ context });
    const ann = await open('/events/notice', { headers: { user: 'ann' } });
    const bob = await open('/events/notice', { headers: { user: 'bob' } });
    expect(feed.disconnect(({ context }) => context.user === 'ann')).toBe(1);
    expect([ann.ended, bob.ended]).toEqual([true, false]);
  });
});

describe('hooks, stats and feed.subscribe()', () => {
  it('feed.subscribe() yields history from its cursor before live events', async () => {
    const { feed, clock } = createBench();
    await feed.publish('other', { n: 1 });
    const cursor = feed.cursor();
    await feed.publish('other', { n: 2 });
    const stop = new AbortController();
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const { data } of feed.subscribe('other', { from: cursor, signal: stop.signal }))
        seen.push(data);
    })();
    await clock.settle();
    await feed.publish('other', { n: 3 });
    await clock.settle();
    stop.abort();
    await following;
    expect(seen).toEqual([{ n: 2 }, { n: 3 }]);
  });

  it('hooks are called in order, and one that throws does not break the feed', async () => {
    const told: unknown[] = [];
    const failure = new Error('a hook that throws');
    const { feed, open, errors, clock } = createBench({
      context: () => ({ principal: 'ann' }),
      log: memoryLog({ maxEvents: 1 }),
      onOpen: ({ principal, events }) => told.push(['open', principal, events]),
      onSubscribe: (_connection, address) => told.push(['subscribe', address]),
      onGap: (_connection, gap) => told.push(['gap', gap.address, gap.reason]),
      onClose: (_connection, reason) => {
        told.push(['close', reason]);
        throw failure;
      },
    });
    const start = feed.cursor();
    await feed.publish('other', { n: 1 });
    await feed.publish('other', { n: 2 });
    const tap = await open(`/events/other?from=${start}`);
    tap.leave();
    await clock.settle();
    expect(told).toEqual([
      ['open', 'ann', ['other']],
      ['subscribe', 'other'],
      ['gap', 'other', 'trimmed'],
      ['close', 'client'],
    ]);
    expect(errors).toEqual([failure]);
  });

  it('stats() counts replays and the high-water mark of buffered bytes', async () => {
    const { feed, open } = createBench();
    for (let n = 1; n <= 700; n += 1) await feed.publish('other', { n });
    await open(`/events/other?from=earliest`, {}, { roomBytes: 100_000 });
    await open(`/events/other?from=${at(feed.cursor(), 690)}`);
    expect(feed.stats()).toMatchObject({ replayed: 710, replays: 2, largestReplay: 700 });
    expect(feed.stats().bufferedHighWaterBytes).toBeGreaterThan(20_000);
  });

  it('stats() counts connections, subscriptions and events', async () => {
    const { feed, open, clock } = createBench();
    await open('/events?topic=notice&topic=room%3Fname%3Da');
    await open('/events/notice');
    await feed.publish('notice', { text: 'a' });
    await clock.settle();
    expect(feed.stats()).toMatchObject({
      connections: 2,
      connectionsHighWater: 2,
      subscriptions: { notice: 2, room: 1 },
      eventsIn: 1,
      eventsOut: 2,
    });
  });
});
