import { describe, expect, it } from 'vitest';
import type { Hello, Reconnect } from '@linefeed/shared/wire';
import { createBench, post, problemOf } from '../../../test-kit/feed-bench.ts';
import { createGate } from '../../../test-kit/gate.ts';
import { ScriptedLog } from '../../../test-kit/scripted-log.ts';
import { connect } from '../../../test-kit/tap.ts';
import type { HttpResponse } from '../http/http.ts';
import type { ManualClock } from '@linefeed/shared/testing';

const STARTED_AT = Date.UTC(2026, 0, 1);

/** The body of a POST arrives in real event-loop ticks. */
async function arrive(clock: { settle(): Promise<void> }): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await clock.settle();
}

it('a connection has a unique id of 128 bits', async () => {
  const { open, feed } = createBench();
  const taps = await Promise.all(Array.from({ length: 200 }, () => open('/events/notice')));
  const ids = taps.flatMap((tap) => tap.of('linefeed.hello').map(({ data }) => (data as Hello).connection));
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(ids).size).toBe(200);
  await feed.close();
});

describe('a context that expires', () => {
  it('a context that expires ends its connection on time, even after a slow authorize', async () => {
    const gate = createGate();
    const { ask, clock } = createBench({
      context: () => ({ expiresAt: STARTED_AT + 5_000 }),
      authorize: gate.wait,
    });
    const asking = ask('/events/notice');
    await clock.settle();
    await clock.advance(4_000);
    gate.open();
    const tap = connect(await asking);
    await clock.settle();
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
    await clock.advance(2_000);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
  });

  it.each([new Date(STARTED_AT), STARTED_AT - 1])(
    'a context that expires before the first byte opens no connection: %o',
    async (expiresAt) => {
      const { feed, open, clock } = createBench({ context: () => ({ expiresAt }) });
      await feed.publish('notice', { text: 'secret' });
      const tap = await open('/events/notice?from=earliest');
      await clock.settle();
      expect(tap.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'expired' } }]);
      expect([tap.ended, feed.stats().connectionsHighWater]).toEqual([true, 0]);
    },
  );
});

describe('the expiry of an open connection', () => {
  const session = { context: () => ({ expiresAt: STARTED_AT + 3_600_000 }) };

  it('a connection ends at the expiry of its context, not at the next heartbeat step', async () => {
    const { open, clock } = createBench({ context: () => ({ expiresAt: STARTED_AT + 2_345 }) });
    const tap = await open('/events/notice');
    await clock.advance(2_344);
    expect(tap.ended).toBe(false);
    await clock.advance(1);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
    expect(clock.pending).toBe(0);
  });

  it('a connection whose context has less than a second left ends on time', async () => {
    const { open, clock } = createBench({ context: () => ({ expiresAt: STARTED_AT + 60 }) });
    const tap = await open('/events/notice');
    await clock.advance(60);
    expect(tap.ended).toBe(true);
  });

  it('the expiry of a context is not delayed by a suspended machine, whose monotonic clock stops', async () => {
    const { open, clock } = createBench(session);
    const tap = await open('/events/notice');
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 3_600_000;
    await clock.advance(1_000);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
  });

  it('the expiry of a context is not delayed by a wall clock that is set back', async () => {
    const { open, clock } = createBench(session);
    const tap = await open('/events/notice');
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() - 3_600_000;
    await clock.advance(3_600_000);
    expect(tap.ended).toBe(true);
  });

  it.each<[string, (clock: ManualClock) => void]>([
    [
      'after a suspend',
      (clock) => {
        const { wallNow } = clock;
        clock.wallNow = () => wallNow() + 3_600_000;
      },
    ],
    [
      'after the event loop was blocked',
      (clock) => {
        const { now, wallNow } = clock;
        clock.now = () => now() + 3_600_000;
        clock.wallNow = () => wallNow() + 3_600_000;
      },
    ],
  ])('a connection with an expired context gets no event before its timer fires: %s', async (_name, pass) => {
    const { feed, open, clock } = createBench(session);
    const tap = await open('/events/notice');
    const other = await open(new Request('http://feed.test/events/notice'));
    pass(clock);
    await feed.publish('notice', { text: 'secret' });
    await clock.settle();
    expect([tap.payloads, other.payloads]).toEqual([[], []]);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
  });

  it('a connection gets no event when its context expires while the event loop is blocked for 101 ms', async () => {
    const { feed, open, clock } = createBench({ context: () => ({ expiresAt: STARTED_AT + 3_100 }) });
    const tap = await open('/events/notice');
    await clock.advance(3_000);
    const { now, wallNow } = clock;
    clock.now = () => now() + 101;
    clock.wallNow = () => wallNow() + 101;
    await feed.publish('notice', { text: 'secret' });
    await clock.settle();
    expect(tap.payloads).toEqual([]);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
  });

  it('a connection with an expired context gets no stream event before its timer fires', async () => {
    let tick: () => void = () => undefined;
    async function* source(): AsyncGenerator<number> {
      for (let n = 1; ; n += 1) {
        await new Promise<void>((resolve) => (tick = resolve));
        yield n;
      }
    }
    const { open, clock } = createBench({ ...session, streams: { tick: source } });
    const tap = await open('/events/tick');
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 3_600_000;
    tick();
    await clock.settle();
    expect(tap.payloads).toEqual([]);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
  });

  it('a connection gets no event of a page when its context expires during the read', async () => {
    const gate = createGate();
    const log = new ScriptedLog();
    const { feed, open, clock } = createBench({ ...session, log });
    await feed.publish('notice', { text: 'secret' });
    log.beforeAnswer = async () => void (await gate.wait());
    const tap = await open('/events/notice?from=earliest');
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 3_600_000;
    gate.open();
    await clock.settle();
    expect(tap.payloads).toEqual([]);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
  });

  it('a control request adds nothing to an open connection whose context has expired', async () => {
    const { feed, open, ask, clock, errors } = createBench({ ...session, pingMs: 60_000 });
    await feed.publish('other', { n: 1 });
    const tap = await open('/events/notice');
    const { connection } = tap;
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 3_600_000;
    const add = [{ address: 'other', from: 'earliest' }];
    const answer = await ask('/events', post({ connection, n: 1, add }));
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
    expect([answer.status, tap.payloads, errors.length]).toEqual([503, [], 1]);
  });

  it('a control request with a valid context adds nothing when the context of its connection has expired', async () => {
    let expiresAt = STARTED_AT + 60_000;
    const { open, ask, clock } = createBench({
      context: () => ({ expiresAt }),
      pingMs: 60_000,
    });
    const tap = await open('/events/notice');
    const { connection } = tap;
    expiresAt = STARTED_AT + 3_600_000;
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 60_000;
    await ask('/events', post({ connection, n: 1, add: [{ address: 'other' }] }));
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
    expect(tap.of('linefeed.reconnect')).toMatchObject([{ data: { reason: 'expired' } }]);
  });

  it('a control request adds nothing when the context of its connection expires during authorize', async () => {
    const gate = createGate();
    const { open, ask, clock } = createBench({
      ...session,
      authorize: ({ topic }) => topic === 'notice' || gate.wait(),
    });
    const tap = await open('/events/notice');
    const { connection } = tap;
    const asking = ask('/events', post({ connection, n: 1, add: [{ address: 'other' }] }));
    await arrive(clock);
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 3_600_000;
    gate.open();
    expect((await asking).status).toBe(503);
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
  });

  it('a request opens no connection when its context expires during authorize, also after a suspend', async () => {
    const gate = createGate();
    const { ask, clock, feed } = createBench({ ...session, authorize: gate.wait });
    const asking = ask('/events/notice');
    await clock.settle();
    const { wallNow } = clock;
    clock.wallNow = () => wallNow() + 3_600_000;
    gate.open();
    expect(connect(await asking).frames).toMatchObject([{ data: { reason: 'expired' } }]);
    expect(feed.stats().connectionsHighWater).toBe(0);
  });
});

describe('a context that has expired on arrival', () => {
  it.each([
    [
      'seconds in place of milliseconds',
      (STARTED_AT + 3_600_000) / 1_000,
      /1767229200 is 1970-01-21.*seconds.*exp \* 1000/,
    ],
    ['a clock that is ahead', STARTED_AT - 2_000, /2025-12-31T23:59:58.*clocks.*401/],
    ['a session that ended long ago', STARTED_AT - 86_400_000, /2025-12-31T00:00:00.*401/],
  ])(
    'a context that has expired on arrival is reported once with the likely cause: %s',
    async (_name, expiresAt, message) => {
      const { open, errors, clock } = createBench({ context: () => ({ expiresAt }) });
      for (let count = 0; count < 5; count += 1) {
        await open('/events/notice');
        await clock.advance(1_000);
      }
      expect(errors).toMatchObject([{ code: 'invalid_option', message: expect.stringMatching(message) }]);
    },
  );

  it('a context that has expired on arrival gets linefeed.reconnect with a delay of at least 5 seconds', async () => {
    const { open } = createBench({ context: () => ({ expiresAt: STARTED_AT - 1 }) });
    const tap = await open('/events/notice');
    const { afterMs } = tap.of('linefeed.reconnect')[0]!.data as Reconnect;
    expect(afterMs).toBeGreaterThanOrEqual(5_000);
  });
});

describe('context fields of the wrong type', () => {
  it.each([
    ['principal', 42, /principal.*number/],
    ['principal', null, /principal.*null/],
    ['principal', { id: 'ann' }, /principal.*object/],
    ['expiresAt', '2026-01-01T00:00:05Z', /expiresAt.*string.*Date/],
    ['expiresAt', Number.NaN, /expiresAt.*NaN/],
    ['expiresAt', new Date('never'), /expiresAt.*Invalid Date/],
    ['expiresAt', null, /expiresAt.*null/],
    ['expiresAt', 5n, /expiresAt.*bigint/],
  ])('a context with the wrong type of %s gets 500: %o', async (field, value, message) => {
    const { ask, errors } = createBench({ context: () => ({ [field]: value }) as object });
    const answer = await ask('/events/notice');
    expect([answer.status, problemOf(answer).code]).toEqual([500, 'server_failed']);
    expect(errors).toMatchObject([{ code: 'invalid_option', message: expect.stringMatching(message) }]);
  });

  it('a context with an undefined principal and an infinite expiresAt is accepted', async () => {
    const { open } = createBench({
      context: () => ({ principal: undefined, expiresAt: Infinity }),
    });
    expect((await open('/events/notice')).of('linefeed.hello')).toHaveLength(1);
  });
});

describe('disconnect() for a pending request', () => {
  const ann = { context: () => ({ principal: 'ann' }) };
  const isAnn = ({ principal }: { principal: string | undefined }): boolean => principal === 'ann';

  it('a GET that is disconnected during authorize gets linefeed.reconnect', async () => {
    const gate = createGate();
    const { feed, ask, clock } = createBench({ ...ann, authorize: gate.wait });
    const asking = ask('/events/notice');
    await clock.settle();
    expect([feed.disconnect(() => false), feed.disconnect(isAnn), feed.disconnect(isAnn)]).toEqual([0, 1, 0]);
    gate.open();
    const tap = connect(await asking);
    expect(tap.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'disconnected' } }]);
    expect([tap.ended, feed.stats().connectionsHighWater]).toEqual([true, 0]);
  });

  it('a POST that is disconnected during authorize gets 503', async () => {
    const gate = createGate();
    const { feed, ask, clock } = createBench({ ...ann, authorize: gate.wait });
    const asking = ask('/events', post({ topics: [{ address: 'notice' }] }));
    await arrive(clock);
    expect(feed.disconnect(isAnn)).toBe(1);
    gate.open();
    const answer = await asking;
    expect([answer.status, problemOf(answer).code]).toEqual([503, 'disconnected']);
  });

  it('a POST that is disconnected while its body arrives does not run authorize', async () => {
    let decided = 0;
    const { feed, clock } = createBench({ ...ann, authorize: () => (decided += 1) > 0 });
    let send!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (send = controller) });
    const request = new Request('http://feed.test/events', {
      method: 'POST',
      body,
      duplex: 'half',
    } as object);
    const answering = feed.handle(request);
    await arrive(clock);
    expect(feed.disconnect(isAnn)).toBe(1);
    send.enqueue(new TextEncoder().encode('{"topics":[{"address":"notice"}]}'));
    send.close();
    expect([(await answering).status, decided]).toEqual([503, 0]);
  });

  it('the predicate of disconnect() receives a pending request with the id of its future connection', async () => {
    const { feed, ask, clock } = createBench(ann);
    const answer = await ask('/events/notice');
    const seen: unknown[] = [];
    feed.disconnect((info) => seen.push(info) > 1);
    const tap = connect(answer);
    await clock.settle();
    const { connection } = tap;
    expect(seen).toEqual([{ id: connection, context: { principal: 'ann' }, principal: 'ann', events: [] }]);
  });

  it('a request that is disconnected between its head and its body opens no connection', async () => {
    const { feed, ask } = createBench(ann);
    const answer = await ask('/events/notice');
    expect(feed.disconnect(isAnn)).toBe(1);
    const tap = connect(answer);
    expect(tap.frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'disconnected' } }]);
    expect(feed.stats().connectionsHighWater).toBe(0);
  });

  /** A connection with a control request that waits for authorize. */
  async function startControl() {
    const gate = createGate();
    const bench = createBench({ ...ann, authorize: ({ topic }) => topic === 'notice' || gate.wait() });
    const tap = await bench.open('/events/notice');
    const asking = bench.control(tap, { add: [{ address: 'other' }] });
    await arrive(bench.clock);
    return { ...bench, tap, asking, allow: gate.open };
  }

  it('a control request that is disconnected during authorize adds nothing', async () => {
    const { feed, tap, asking, allow } = await startControl();
    expect(feed.disconnect(isAnn)).toBe(2);
    allow();
    expect((await asking).status).toBe(503);
    expect(tap.of('linefeed.subscribed')).toHaveLength(1);
  });

  it('a control request that is disconnected alone adds nothing, and its connection stays open', async () => {
    const { feed, tap, asking, allow } = await startControl();
    expect(feed.disconnect(({ events }) => events.length === 0)).toBe(1);
    allow();
    expect((await asking).status).toBe(503);
    expect([tap.ended, tap.of('linefeed.subscribed').length]).toEqual([false, 1]);
  });

  it.each<[string, (ask: ReturnType<typeof createBench>['ask']) => Promise<HttpResponse>]>([
    ['was refused', (ask) => ask('/events/nonsense')],
    ['was a HEAD request', (ask) => ask('/events/notice', { method: 'HEAD' })],
    ['resumed a finished stream', (ask) => ask('/events/tick', { headers: { 'last-event-id': '~' } })],
    ['had an invalid body', (ask) => ask('/events', { method: 'POST', body: 'x' })],
    ['named an unknown connection', (ask) => ask('/events', post({ connection: 'x', n: 1 }))],
  ])('disconnect() does not count a request that %s', async (_name, request) => {
    const { feed, ask, clock } = createBench(ann);
    await request(ask);
    expect(feed.disconnect(isAnn)).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('a response that is not opened within requestTimeoutMs sends linefeed.reconnect when it opens later', async () => {
    const { feed, ask, clock } = createBench({ ...ann, requestTimeoutMs: 1_000 });
    const answer = await ask('/events/notice');
    await clock.advance(1_001);
    expect([feed.disconnect(isAnn), clock.pending]).toEqual([0, 0]);
    expect(connect(answer).frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'busy' } }]);
  });

  it('a request leaves no timer after its connection has opened and closed', async () => {
    const { open, clock } = createBench(ann);
    (await open('/events/notice')).leave();
    expect(clock.pending).toBe(0);
  });
});

it('a refusal keeps the headers that context set before it threw', async () => {
  const { ask } = createBench({
    context: (_request, { headers }) => {
      headers.set('www-authenticate', 'Bearer');
      throw Object.assign(new Error('Log in.'), { status: 401 });
    },
  });
  const answer = await ask('/events/notice');
  expect([answer.status, Object.fromEntries(answer.headers)['www-authenticate']]).toEqual([401, 'Bearer']);
});

it.each([
  ['content-length', '5'],
  ['content-type', 'text/plain'],
  ['connection', 'close'],
  ['proxy-connection', 'close'],
  ['x-user', 'ann\u0001'],
])('context may not set the header %s: %j', async (name, value) => {
  for (const status of [undefined, 401]) {
    const { ask, errors } = createBench({
      context: (_request, { headers }) => {
        headers.set(name, value);
        if (status !== undefined) throw Object.assign(new Error('Log in.'), { status });
      },
    });
    const answer = await ask('/events/notice');
    expect(answer.status).toBe(status ?? 500);
    expect(answer.headers.find((header) => header[0] === name && header[1] === value)).toBeUndefined();
    expect(errors).toMatchObject(status === undefined ? [{ code: 'invalid_option' }] : []);
  }
});
