import { describe, expect, test } from 'vitest';
import { decideProduction, type Production } from './produce.ts';
import { NO_RECORD, type PresentRecord, type RunState } from './record-state.ts';

const RUN: RunState = {
  run: '0aaaaaaaabbbbbbbb',
  epoch: 3,
  claim: 'bbbbbbbb',
  attempt: 1,
  attempts: 1,
  startedAt: 5,
  leaseMs: 1_000,
  keepMs: 60_000,
};

function recordOf(run: Partial<RunState> | undefined, count = 2): PresentRecord {
  const state = run === undefined ? NO_RECORD : { ...NO_RECORD, epoch: 3, runs: [{ ...RUN, ...run }] };
  return { state, count, leaseLeftMs: 1_000, now: 100 };
}

const append: Production = { run: RUN.run, epoch: 3, after: 2, events: ['"c"'], leaseMs: 1_000 };
const end: Production = { ...append, end: { outcome: 'done', result: 7 } };

describe('a commit of a producer', () => {
  test.each([
    ['a later claim of the run', { epoch: 4, attempt: 2 }],
    [
      'a claim with the same epoch of another run, after the record was deleted',
      { run: '0aaaaaaaacccccccc' },
    ],
    ['no run', undefined],
  ])('is fenced by %s', (_, run) => {
    for (const production of [append, end, { ...append, events: [] }]) {
      expect(decideProduction(production, recordOf(run))).toEqual({ result: { type: 'fenced' } });
    }
  });

  test('appends after the recorded events, and renews the lease', () => {
    const { result, write } = decideProduction(append, recordOf({}));
    expect(result).toMatchObject({ type: 'recorded', view: { count: 3, end: undefined } });
    expect(write).toMatchObject({
      record: { count: 3 },
      sameState: true,
      leaseMs: 1_000,
      append: { run: RUN.run, after: 2, events: ['"c"'] },
    });
  });

  test('appends nothing if its events are recorded already', () => {
    const appended = decideProduction(append, recordOf({}, 3));
    expect(appended.result).toMatchObject({ type: 'recorded', view: { count: 3 } });
    expect(appended.write).toMatchObject({ record: { count: 3 }, append: undefined });
    const ended = decideProduction(end, recordOf({}, 3));
    expect(ended.write).toMatchObject({ record: { count: 3 }, append: undefined });
  });

  test('records the end after its events, by the clock of the store', () => {
    const { result, write } = decideProduction(end, recordOf({}));
    const recorded = { outcome: 'done', result: 7, at: 100, count: 3 };
    expect(result).toMatchObject({ type: 'recorded', view: { count: 3, end: recorded } });
    expect(write).toMatchObject({ leaseMs: 0, append: { events: ['"c"'] } });
    expect(write!.record.state.runs[0]!.end).toEqual(recorded);
  });

  test('changes nothing after an end, and recognises its own', () => {
    const own = { outcome: 'done', at: 90, count: 3, result: 7 } as const;
    expect(decideProduction(end, recordOf({ end: own }, 3))).toMatchObject({ result: { type: 'recorded' } });
    for (const [production, other] of [
      [append, own],
      [end, { outcome: 'lost', at: 90, count: 2 }],
      [end, { outcome: 'done', at: 90, count: 2 }],
    ] as const) {
      const decision = decideProduction(production, recordOf({ end: other }, other.count));
      expect(decision).toMatchObject({ result: { type: 'ended', view: { end: other } } });
      expect(decision.write).toBeUndefined();
    }
  });
});
