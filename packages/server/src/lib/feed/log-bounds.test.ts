import { describe, expect, it, vi } from 'vitest';
import { createBench, post, problemOf } from '../../../test-kit/feed-bench.ts';

describe('limits on the values of a request', () => {
  const list = <T>(count: number, entry: T): T[] => Array.from({ length: count }, () => entry);
  const address = 'notice';

  it.each<[string, (count: number, connection: string) => object]>([
    ['topics', (count) => ({ topics: list(count, { address }) })],
    ['add', (count, connection) => ({ connection, n: 1, add: list(count, { address }) })],
    ['remove', (count, connection) => ({ connection, n: 1, remove: list(count, address) })],
  ])(
    'a request with over four times maxSubscriptions entries in %s is refused with 400',
    async (field, bodyOf) => {
      const { open, ask } = createBench({ maxSubscriptions: 2 });
      const tap = await open('/events/other');
      const before = tap.writes.length;
      const flood = await ask('/events', post(bodyOf(9, tap.connection)));
      expect([flood.status, problemOf(flood)]).toMatchObject([
        400,
        {
          code: 'too_many_subscriptions',
          title: expect.stringContaining(`"${field}" has 9 entries`) as string,
        },
      ]);
      expect(tap.writes).toHaveLength(before);
      expect((await ask('/events', post(bodyOf(8, tap.connection)))).status).toBeLessThan(300);
    },
  );

  it.each<[string, string]>([
    ['entries', `{"topics":[${'{"address":"notice"},'.repeat(20_000)}{"address":"notice"}]}`],
    ['nested lists', `{"topics":[],"more":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['members', `{"topics":[{"address":"notice"}],${'"a":1,'.repeat(20_000)}"b":1}`],
  ])('a body with over 8,192 values is refused with 413 before it is parsed: %s', async (_, body) => {
    const { ask } = createBench();
    const parse = vi.spyOn(JSON, 'parse');
    const answer = await ask('/events', { method: 'POST', body });
    const parsed = parse.mock.calls.length;
    parse.mockRestore();
    expect([answer.status, parsed]).toEqual([413, 0]);
    expect(problemOf(answer)).toMatchObject({
      code: 'payload_too_large',
      title: 'The body has more than 8192 values; send a shorter list.',
    });
  });

  it('brackets and commas inside strings do not count as values of a body', async () => {
    const { ask } = createBench();
    const more = `${'[{,'.repeat(20_000)}"\\`;
    expect((await ask('/events', post({ topics: [{ address: 'notice' }], more }))).status).toBe(200);
  });

  it('a GET with over four times maxSubscriptions topics is refused', async () => {
    const { ask } = createBench({ maxSubscriptions: 1 });
    const query = (count: number): string => Array(count).fill('topic=notice').join('&');
    expect((await ask(`/events?${query(4)}`)).status).toBe(200);
    expect(problemOf(await ask(`/events?${query(5)}`)).code).toBe('too_many_subscriptions');
  });

  it('a control request gets 503 busy while its connection is over maxBufferedBytes, and succeeds after it drains', async () => {
    const { open, control, errors } = createBench({ maxBufferedBytes: 2_000 });
    const tap = await open('/events/notice', {}, { roomBytes: 10 });
    const remove = Array(100).fill('x'.repeat(20));
    expect((await control(tap, { n: 1, remove })).status).toBe(202);
    const waiting = tap.bufferedBytes;
    expect(waiting).toBeGreaterThan(2_000);
    const refused = await control(tap, { n: 2, remove });
    expect([refused.status, problemOf(refused).code, tap.bufferedBytes]).toEqual([503, 'busy', waiting]);
    // `onError` is not called: this is not a failure.
    expect(errors).toEqual([]);
    tap.drain();
    expect((await control(tap, { n: 2, remove })).status).toBe(202);
    expect(tap.of('linefeed.end')).toHaveLength(200);
  });
});

describe('control requests of one connection', () => {
  const ticks = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  it('a fifth pending control request of a connection gets 503 busy, and succeeds when it is sent again later', async () => {
    const decisions: Array<(allowed: boolean) => void> = [];
    const { open, feed, ask, clock, errors } = createBench({
      authorize: ({ topic }) =>
        topic === 'notice' ? true : new Promise<boolean>((resolve) => decisions.push(resolve)),
    });
    const tap = await open('/events/notice');
    const add = [{ address: 'other' }];
    const ofNumber = (n: number): Request =>
      new Request('http://feed.test/events', post({ connection: tap.connection, n, add }));
    const waiting = [1, 2, 3, 4].map((n) => feed.handle(ofNumber(n)));
    await ticks();
    const refused = await feed.handle(ofNumber(5));
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await refused.json()).toMatchObject({ code: 'busy' });
    // One is being decided on, and the others wait for it.
    expect(decisions).toHaveLength(1);
    for (let decided = 0; decided < 4; decided += 1) {
      decisions[decided]!(true);
      await ticks();
      await clock.settle();
    }
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    const later = ask(ofNumber(5));
    await ticks();
    decisions[4]!(true);
    expect((await later).status).toBe(202);
    await clock.settle();
    expect(tap.of('linefeed.subscribed').map(({ data }) => (data as { n?: number }).n)).toEqual([
      undefined,
      1,
      2,
      3,
      4,
      5,
    ]);
    expect(errors).toEqual([]);
  });
});

describe('back-pressure of the streams of one connection', () => {
  const step = 'x'.repeat(90);
  const keyed = (count: number): string =>
    Array.from({ length: count }, (_, index) => `topic=tick%3Fkey%3D${index}`).join('&');

  it('streams of a slow connection wait for room and write in turn, and none starves', async () => {
    let yielded = 0;
    let ended = 0;
    const { open, clock, take } = createBench({
      streams: {
        *tick() {
          try {
            for (;;) yield (yielded += 1);
          } finally {
            ended += 1;
          }
        },
      },
    });
    const tap = await open(`/events?${keyed(20)}`, {}, { roomBytes: 4_000 });
    await clock.settle();
    for (let round = 0; round < 50; round += 1) {
      await take(tap);
      expect(tap.bufferedBytes).toBeLessThan(4_000 + 100);
    }
    const counts = Array.from({ length: 20 }, (_, index) => tap.of(`tick~${index}`).length);
    expect(Math.min(...counts)).toBeGreaterThan(40);
    tap.leave();
    await clock.settle();
    expect(ended).toBe(20);
    // Each source has made at most one value that could not be written.
    expect(yielded - tap.payloads.length).toBeLessThanOrEqual(20);
  });

  it('a stream event larger than the room is written alone, when nothing else is buffered', async () => {
    const { open, clock, take } = createBench({
      maxBufferedBytes: 1_000,
      streams: {
        async *report() {
          for (;;) yield { step: 1, padding: step } as { step: number };
        },
        async *tick() {},
      },
    });
    const list = Array.from({ length: 10 }, (_, key) => `topic=report%3Fyear%3D1%26key%3D${key}`).join('&');
    const tap = await open(`/events?${list}`, {}, { roomBytes: 1 });
    const opened = tap.bufferedBytes;
    await clock.settle();
    expect(tap.bufferedBytes).toBe(opened);
    for (let round = 1; round <= 30; round += 1) {
      await take(tap);
      expect([tap.payloads.length, tap.bufferedBytes < 100]).toEqual([round, true]);
    }
  });

  it('a source is not pulled while its connection has no room', async () => {
    let made = 0;
    const { open, clock } = createBench({
      streams: {
        *tick() {
          for (;;) yield (made += 1);
        },
      },
    });
    const tap = await open('/events/tick', {}, { roomBytes: 1 });
    const seen: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      await clock.settle();
      seen.push(made);
      tap.drain();
    }
    // The first value is made before the lack of room is known. The next one is made after the first was written.
    expect([seen, tap.payloads]).toEqual([
      [1, 1, 2],
      [1, 2],
    ]);
  });

  it('a removed stream drops its waiting event and ends its source', async () => {
    const ended: string[] = [];
    const { open, control, clock, take } = createBench({
      streams: {
        async *tick({ signal }) {
          try {
            for (;;) yield 1;
          } finally {
            ended.push(String(signal.aborted));
          }
        },
      },
    });
    const tap = await open('/events?topic=notice&topic=tick%3Fkey%3Da', {}, { roomBytes: 1 });
    await clock.settle();
    await control(tap, { remove: ['tick~a'] });
    expect(ended).toEqual(['true']);
    await take(tap);
    expect(tap.of('tick~a')).toEqual([]);
  });

  it('a replay and the streams of a slow connection take turns, and neither starves the other', async () => {
    const { open, publishNumbers, take } = createBench({
      streams: {
        *tick() {
          for (;;) yield 1;
        },
      },
    });
    await publishNumbers(1, 1_000);
    const tap = await open(`/events?topic=other%3Ffrom%3Dearliest&${keyed(10)}`, {}, { roomBytes: 1 });
    const drain = async (): Promise<void> => {
      await take(tap);
    };
    // Two pages, while each stream waits for nine others.
    for (let round = 0; round < 4; round += 1) await drain();
    expect(tap.of('other')).toHaveLength(1_000);
    for (let round = 0; round < 40; round += 1) await drain();
    for (let key = 0; key < 10; key += 1) expect(tap.of(`tick~${key}`).length).toBeGreaterThan(2);
  });
});
