import { createManualClock } from '@linefeed/shared/testing';
import { describe, expect, it } from 'vitest';
import { createBench, problemOf, type Bench } from '../../../test-kit/feed-bench.ts';
import { MemoryServer } from '../../../test-kit/memory-server.ts';
import { MemoryStore } from '../../../test-kit/memory-store.ts';
import type { Log } from '../log/log.ts';
import { openRemoteLog } from '../log/remote/remote-log.ts';

interface LostBench {
  readonly server: MemoryServer;
  readonly store: MemoryStore;
  readonly log: Log;
  readonly bench: Bench<undefined>;
  /** The cursor of event 5. It was lost, and other events have its place and later ones. */
  readonly lost: string;
}

/** Publishes 1 to 5, loses 4 and 5, and appends 6 to 9. Then a process opens the log: it has not seen the loss. */
async function createLost(): Promise<LostBench> {
  const clock = createManualClock();
  const server = new MemoryServer({ random: clock.random });
  const open = () => openRemoteLog(new MemoryStore(server, clock), { clock });
  const first = await open();
  const earlier = createBench({ log: first, clock });
  await publish(earlier, [1, 2, 3]);
  const backup = server.backUp();
  await publish(earlier, [4, 5]);
  const lost = earlier.feed.cursor();
  await first.close!();
  server.restore(backup);
  const second = await open();
  await publish(createBench({ log: second, clock }), [6, 7, 8, 9]);
  await second.close!();
  const store = new MemoryStore(server, clock);
  const log = await openRemoteLog(store, { clock });
  return { server, store, log, bench: createBench({ log, clock }), lost };
}

async function publish({ feed, clock }: Bench<undefined>, numbers: readonly number[]): Promise<void> {
  for (const n of numbers) {
    const published = feed.publish('other', { n });
    await clock.settle();
    await published;
  }
  await clock.settle();
}

describe('a cursor of a lost event', () => {
  it.each(['last_event_id', 'from'])(
    'a lost cursor in %s causes a gap and a start from the beginning, although the epoch is the same',
    async (name) => {
      const { bench, lost } = await createLost();
      const tap = await bench.open(`/events/other?${name}=${lost}`);
      await bench.clock.settle();
      expect(lost.split('.')[0]).toBe(bench.feed.cursor().split('.')[0]);
      expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: lost, reason: 'rollback' } }]);
      expect(tap.numbers()).toEqual([1, 2, 3, 6, 7, 8, 9]);
    },
  );

  it('the gap of a lost cursor hides that of another entry of its address', async () => {
    const { bench, lost } = await createLost();
    const other = encodeURIComponent('other?from=anotherepoch.1&key=b');
    const tap = await bench.open(
      `/events?topic=${encodeURIComponent(`other?from=${lost}&key=a`)}&topic=${other}`,
    );
    await bench.clock.settle();
    // A client at the lost event would drop a gap with the reason `epoch`, and the events after it.
    expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: lost, reason: 'rollback' } }]);
    expect(tap.numbers()).toEqual([1, 2, 3, 6, 7, 8, 9]);
  });

  it('a lost cursor in a control request causes a gap', async () => {
    const { bench, lost } = await createLost();
    const tap = await bench.open('/events/notice');
    await bench.control(tap, { add: [{ address: 'other', from: lost, key: 'o' }] });
    await bench.clock.settle();
    expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: lost, reason: 'rollback' } }]);
    expect(tap.numbers()).toEqual([1, 2, 3, 6, 7, 8, 9]);
  });

  it('a lost cursor in feed.subscribe() causes a gap', async () => {
    const { bench, lost } = await createLost();
    const gaps: unknown[] = [];
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const { data } of bench.feed.subscribe('other', {
        from: lost,
        onGap: (gap) => gaps.push(gap),
      })) {
        seen.push(data.n);
        if (seen.length === 7) break;
      }
    })();
    await bench.clock.advance(100);
    await following;
    expect(gaps).toMatchObject([{ from: lost, reason: 'rollback' }]);
    expect(seen).toEqual([1, 2, 3, 6, 7, 8, 9]);
  });

  it('a cursor of an event that the log still contains causes no gap after a loss', async () => {
    const { bench, log } = await createLost();
    const [, second] = await positionsOf(log);
    const tap = await bench.open(`/events/other?last_event_id=${log.epoch}.${second!}`);
    await bench.clock.settle();
    expect(tap.of('linefeed.gap')).toEqual([]);
    expect(tap.numbers()).toEqual([3, 6, 7, 8, 9]);
  });

  it('a cursor causes a gap when the log is rolled back while it is checked', async () => {
    const { bench, server, store, log } = await createLost();
    const [first, second] = await positionsOf(log);
    const cursor = `${log.epoch}.${second!}`;
    store.after = async (call) => {
      if (call !== 'contains') return;
      store.after = () => undefined;
      server.rollBack(first!);
      await Promise.resolve();
    };
    const tap = await bench.open(`/events/other?last_event_id=${cursor}`);
    await bench.clock.advance(4_000);
    expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: cursor, reason: 'epoch' } }]);
    expect(tap.numbers()).toEqual([1]);
  });
});

async function positionsOf(log: Log): Promise<string[]> {
  const addresses = new Map([['other', '0']]);
  const { events } = await log.read({ after: '0', addresses, limit: 100, maxBytes: 10_000 });
  return events.map(({ position }) => position);
}

describe('a log whose server is away', () => {
  it('a GET is told to reconnect, and a POST is answered with 503, when a cursor cannot be checked', async () => {
    const { bench, server, lost } = await createLost();
    const open = await bench.open('/events/notice');
    server.stop();
    const answers: unknown[] = [];
    const asking = [
      bench
        .open(`/events/other?last_event_id=${lost}`)
        .then((tap) => answers.push(tap.of('linefeed.reconnect'))),
      bench
        .control(open, { add: [{ address: 'other', from: lost, key: 'o' }] })
        .then((answer) => answers.push([answer.status, problemOf(answer).code])),
    ];
    for (let round = 0; round < 40 && answers.length < 2; round += 1) {
      await bench.clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(asking);
    expect(answers).toContainEqual([503, 'timeout']);
    expect(answers).toContainEqual([
      expect.objectContaining({ data: expect.objectContaining({ reason: 'busy' }) }),
    ]);
    expect(open.closed).toBe(false);
    // Reported once by the tail, not by each request.
    expect(bench.errors).toMatchObject([{ code: 'log_failed', retryable: true }]);
  });

  it('stats() has logAvailable: false while the server of the log is away', async () => {
    const { bench, server } = await createLost();
    expect(bench.feed.stats().logAvailable).toBe(true);
    server.stop();
    await bench.clock.advance(100);
    expect(bench.feed.stats().logAvailable).toBe(false);
    server.start();
    await bench.clock.advance(5_000);
    expect(bench.feed.stats().logAvailable).toBe(true);
    expect(createBench().feed.stats().logAvailable).toBe(true);
  });
});
