import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { logWith } from '../../../test-kit/scripted-log.ts';
import { Tap, connect } from '../../../test-kit/tap.ts';
import { memoryLog } from '../log/memory-log.ts';
import { ConnectionSlots } from './connection-slots.ts';

const principal = (request: Request) => ({ principal: request.headers.get('user') ?? 'ann' });

it('a principal is forgotten when its last connection closes', () => {
  const slots = new ConnectionSlots({ maxConnections: Infinity, maxConnectionsPerPrincipal: 2 });
  const taken = ['ann', 'ann', 'bob', undefined].map((who) => slots.take(who)!);
  expect([slots.principals, slots.take('ann')]).toEqual([2, undefined]);
  for (const place of taken) place.release();
  expect(slots.principals).toBe(0);
});

describe('the connection limit', () => {
  it.each([{ maxConnections: 1 }, { maxConnectionsPerPrincipal: 1 }])(
    'the connection limit holds for concurrent requests: %o',
    async (limit) => {
      const { feed, ask, clock } = createBench({ ...limit, context: principal, authorize: async () => true });
      const answers = await Promise.all([1, 2, 3, 4].map(() => ask('/events/notice')));
      const taps = answers.map((answer) => connect(answer));
      await clock.settle();
      expect(taps.filter((tap) => tap.of('linefeed.hello').length === 1)).toHaveLength(1);
      expect(taps.filter((tap) => tap.of('linefeed.reconnect').length === 1)).toHaveLength(3);
      expect(feed.stats()).toMatchObject({ connections: 1, connectionsHighWater: 1 });
    },
  );

  it('authorize does not run for requests over maxConnections', async () => {
    let decided = 0;
    const { ask } = createBench({ maxConnections: 2, authorize: async () => (decided += 1) > 0 });
    await Promise.all([1, 2, 3, 4].map(() => ask('/events/notice')));
    expect(decided).toBe(2);
  });

  it('the connection limit holds for a response whose body opens long after its head', async () => {
    const { feed, ask, open } = createBench({ maxConnections: 1 });
    const late = await ask('/events/notice');
    await open('/events/notice');
    expect(connect(late).frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'busy' } }]);
    expect(feed.stats().connections).toBe(1);
  });

  it.each<[string, (bench: ReturnType<typeof limited>) => Promise<unknown>]>([
    ['is refused', ({ ask }) => ask('/events/other')],
    ['is a HEAD request', ({ ask }) => ask('/events/notice', { method: 'HEAD' })],
    ['resumes a finished stream', ({ ask }) => ask('/events/tick', { headers: { 'last-event-id': '~' } })],
    ['is never opened by its adapter', ({ ask }) => ask('/events/notice')],
    [
      'is aborted before its body opens',
      async ({ ask }) => {
        const tap = new Tap();
        tap.leave();
        connect(await ask('/events/notice'), tap);
      },
    ],
    [
      'is not authorized in time',
      async ({ ask, clock }) => {
        const asking = ask('/events/report?year=1');
        await clock.settle();
        await clock.advance(1_001);
        connect(await asking);
      },
    ],
  ])('a request that %s keeps no connection slot', async (_name, spend) => {
    const bench = limited();
    await spend(bench);
    const tap = await bench.open('/events/notice');
    expect(tap.of('linefeed.hello')).toHaveLength(1);
    tap.leave();
    expect((await bench.open('/events/notice')).of('linefeed.hello')).toHaveLength(1);
  });

  it('a request keeps no connection slot when log.newest() never settles', async () => {
    const log = memoryLog();
    const { ask, open, clock } = createBench({
      maxConnections: 1,
      requestTimeoutMs: 1_000,
      log: logWith(log, {
        newest: () => new Promise<never>(() => {}),
      }),
    });
    const asking = ask(`/events/notice?last_event_id=${log.epoch}.9`);
    await clock.settle();
    await clock.advance(1_001);
    expect(connect(await asking).frames).toMatchObject([{ event: 'linefeed.reconnect' }]);
    expect((await open('/events/notice')).of('linefeed.hello')).toHaveLength(1);
  });

  function limited() {
    return createBench({
      maxConnections: 1,
      maxConnectionsPerPrincipal: 1,
      requestTimeoutMs: 1_000,
      context: principal,
      authorize: ({ topic }) => (topic === 'report' ? new Promise<never>(() => {}) : topic !== 'other'),
    });
  }
});
