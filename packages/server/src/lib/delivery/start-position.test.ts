import { describe, expect, it } from 'vitest';
import { createBench, range, type Bench } from '../../../test-kit/feed-bench.ts';
import { memoryLog } from '../log/memory-log.ts';
import { ScriptedLog } from '../../../test-kit/scripted-log.ts';
import { connect, type Tap } from '../../../test-kit/tap.ts';

/** A log whose last events this process has not seen, and a cursor among those events. */
async function createLate(): Promise<{ log: ScriptedLog; bench: Bench<undefined>; ahead: string }> {
  const log = new ScriptedLog();
  const bench = createBench({ log });
  await bench.publishNumbers(1, 10);
  log.holdTails();
  await bench.publishNumbers(11, 80);
  return { log, bench, ahead: `${log.epoch}.${(70).toString(36)}` };
}

/** Resets the log during a call of `newest()`, before it answers. */
function resetWhileAsked(log: ScriptedLog): void {
  log.beforeAnswer = async (asked) => {
    if (asked !== 'newest') return;
    log.beforeAnswer = () => undefined;
    // The call started in the old numbering, and the answer arrives in the new one.
    await Promise.resolve();
    log.startAnew();
    log.releaseTails();
  };
}

/** Publishes to the new log: after a gap from the cursor, a connection gets every event. */
async function expectNewEpoch(bench: Bench<undefined>, tap: Tap, ahead: string): Promise<void> {
  await bench.publishNumbers(1, 75);
  await bench.clock.settle();
  expect(tap.of('linefeed.gap')).toMatchObject([{ data: { from: ahead, reason: 'epoch' } }]);
  expect(tap.numbers()).toEqual(range(1, 75));
}

describe('a cursor past the tail of this process', () => {
  it('delivery continues after a cursor past the tail of this process when the log has reached it', async () => {
    const { log, bench, ahead } = await createLate();
    const tap = await bench.open(`/events/other?last_event_id=${ahead}`);
    log.releaseTails();
    await bench.clock.settle();
    expect(tap.numbers()).toEqual([71, 72, 73, 74, 75, 76, 77, 78, 79, 80]);
    expect(tap.of('linefeed.gap')).toEqual([]);
  });

  it.each(['last_event_id', 'from'])(
    'a cursor past the tail in %s causes a gap when the log resets during log.newest()',
    async (name) => {
      const { log, bench, ahead } = await createLate();
      resetWhileAsked(log);
      const tap = await bench.open(`/events/other?${name}=${ahead}`);
      await expectNewEpoch(bench, tap, ahead);
    },
  );

  it('a cursor past the tail causes a gap when the log resets before the response opens', async () => {
    const { log, bench, ahead } = await createLate();
    const answer = await bench.ask(`/events/other?last_event_id=${ahead}`);
    log.startAnew();
    log.releaseTails();
    const tap = connect(answer);
    await expectNewEpoch(bench, tap, ahead);
  });

  it('a cursor past the tail in a control request causes a gap when the log resets during log.newest()', async () => {
    const { log, bench, ahead } = await createLate();
    const tap = await bench.open('/events/notice');
    resetWhileAsked(log);
    await bench.control(tap, { add: [{ address: 'other', from: ahead, key: 'o' }] });
    await bench.publishNumbers(1, 75);
    await bench.clock.settle();
    const gaps = tap.of('linefeed.gap').map(({ data }) => data as { address: string });
    expect(gaps.filter(({ address }) => address === 'other')).toMatchObject([
      { from: ahead, reason: 'epoch' },
    ]);
    expect(tap.numbers()).toEqual(range(1, 75));
  });

  it('a cursor past the tail in feed.subscribe() causes a gap when the log resets during log.newest()', async () => {
    const { log, bench, ahead } = await createLate();
    resetWhileAsked(log);
    const gaps: unknown[] = [];
    const events = bench.feed.subscribe('other', { from: ahead, onGap: (gap) => gaps.push(gap) });
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const { data } of events) {
        seen.push(data.n);
        if (seen.length === 75) break;
      }
    })();
    await bench.clock.settle();
    await bench.publishNumbers(1, 75);
    await following;
    expect(gaps).toMatchObject([{ from: ahead, reason: 'epoch' }]);
    expect(seen).toEqual(range(1, 75));
  });
});

describe('a cursor of an epoch that this process has not seen', () => {
  it('a cursor of an epoch that this process has not seen waits for the tail and causes no gap', async () => {
    const log = new ScriptedLog();
    const bench = createBench({ log });
    await bench.publishNumbers(1, 10);
    log.holdTails();
    log.startAnew();
    await bench.publishNumbers(1, 5);
    const opening = bench.open(`/events/other?last_event_id=${log.epoch}.3`);
    await new Promise((resolve) => setImmediate(resolve));
    log.releaseTails();
    await bench.clock.advance(50);
    const tap = await opening;
    expect(tap.of('linefeed.gap')).toEqual([]);
    expect(tap.numbers()).toEqual([4, 5]);
  });
});

it('a subscription from earliest gets the gap of evicted events before its first event', async () => {
  const { open, publishNumbers } = createBench({ log: memoryLog({ maxEvents: 2 }) });
  await publishNumbers(1, 5);
  const tap = await open('/events/other?from=earliest');
  const frames = tap.frames.slice(1).map(({ event }) => event);
  expect(frames.filter((event) => event !== 'linefeed.bookmark')).toEqual([
    'linefeed.subscribed',
    'linefeed.gap',
    'other',
    'other',
  ]);
  expect(tap.of('linefeed.gap')).toMatchObject([{ data: { address: 'other', reason: 'trimmed' } }]);
  expect(tap.numbers()).toEqual([4, 5]);
});
