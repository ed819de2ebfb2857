import { describe, expect, it } from 'vitest';
import { createBench } from '../../test-kit/feed-bench.ts';
import { Tap } from '../../test-kit/tap.ts';
import type { Answer } from './exchange.ts';
import { memoryLog } from './logs/memory.ts';
import { Places } from './places.ts';

const principal = (request: Request) => ({ principal: request.headers.get('user') ?? 'ann' });

function connect(answer: Answer, tap = new Tap()): Tap {
  if (typeof answer.body !== 'function') throw new Error(`Not opened: ${answer.status}`);
  answer.body(tap);
  return tap;
}

it('forgets a principal with its last connection', () => {
  const places = new Places({ maxConnections: Infinity, maxConnectionsPerPrincipal: 2 });
  const taken = ['ann', 'ann', 'bob', undefined].map((who) => places.take(who)!);
  expect([places.principals, places.take('ann')]).toEqual([2, undefined]);
  for (const place of taken) place.leave();
  expect(places.principals).toBe(0);
});

describe('the limit of connections', () => {
  it.each([{ maxConnections: 1 }, { maxConnectionsPerPrincipal: 1 }])(
    'holds for requests that come together: %o',
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

  it('lets nobody be decided on beyond it', async () => {
    let decided = 0;
    const { ask } = createBench({ maxConnections: 2, authorize: async () => (decided += 1) > 0 });
    await Promise.all([1, 2, 3, 4].map(() => ask('/events/notice')));
    expect(decided).toBe(2);
  });

  it('holds where the head was answered long before the body is opened', async () => {
    const { feed, ask, open } = createBench({ maxConnections: 1 });
    const late = await ask('/events/notice');
    await open('/events/notice');
    expect(connect(late).frames).toMatchObject([{ event: 'linefeed.reconnect', data: { reason: 'busy' } }]);
    expect(feed.stats().connections).toBe(1);
  });

  it.each<[string, (bench: ReturnType<typeof limited>) => Promise<unknown>]>([
    ['is refused', ({ ask }) => ask('/events/other')],
    ['is a HEAD', ({ ask }) => ask('/events/notice', { method: 'HEAD' })],
    ['is over', ({ ask }) => ask('/events/tick', { headers: { 'last-event-id': '~' } })],
    ['is never opened by its adapter', ({ ask }) => ask('/events/notice')],
    [
      'is left before it is opened',
      async ({ ask }) => {
        const tap = new Tap();
        tap.leave();
        connect(await ask('/events/notice'), tap);
      },
    ],
    [
      'is not decided on in time',
      async ({ ask, clock }) => {
        const asking = ask('/events/report?year=1');
        await clock.settle();
        await clock.advance(1_001);
        connect(await asking);
      },
    ],
  ])('takes no place for a request that %s', async (_name, spend) => {
    const bench = limited();
    await spend(bench);
    const tap = await bench.open('/events/notice');
    expect(tap.of('linefeed.hello')).toHaveLength(1);
    tap.leave();
    expect((await bench.open('/events/notice')).of('linefeed.hello')).toHaveLength(1);
  });

  it('takes no place for a request whose start the log never tells', async () => {
    const log = memoryLog();
    const { ask, open, clock } = createBench({
      maxConnections: 1,
      authorizeTimeoutMs: 1_000,
      log: {
        epoch: log.epoch,
        append: (entries) => log.append(entries),
        read: (query) => log.read(query),
        position: () => new Promise<never>(() => {}),
        tail: (listener) => log.tail(listener),
      },
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
      authorizeTimeoutMs: 1_000,
      context: principal,
      authorize: ({ topic }) => (topic === 'report' ? new Promise<never>(() => {}) : topic !== 'other'),
    });
  }
});
