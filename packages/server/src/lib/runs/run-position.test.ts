import { describe, expect, it } from 'vitest';
import type { RunView } from './record-state.ts';
import {
  BEFORE_ALL_RUNS,
  compareRunPositions,
  formatRunPosition,
  laterViews,
  nextRunStep,
  readRunFrom,
  startOfRuns,
  type RunPosition,
} from './run-position.ts';

const FIRST = 'aaaaaaaaa00000001';
const SECOND = 'aaaaaaaab00000001';
const OLDER = '99999999900000001';

const view = (run: string, count: number, isOver = false, attempt = 1): RunView => ({
  run,
  key: undefined,
  epoch: attempt,
  attempt,
  leaseMs: 10_000,
  startedAt: 0,
  count,
  stop: undefined,
  end: isOver ? { outcome: 'done', at: 0, count } : undefined,
});

describe('the from of a run', () => {
  it.each([
    [undefined, 'start'],
    ['start', 'start'],
    ['earliest', 'start'],
    ['now', 'now'],
    [`~${FIRST}.3`, { run: FIRST, n: 3 }],
    [`${FIRST}.3`, { run: FIRST, n: 3 }],
    [`epoch.7~${FIRST}.3`, { run: FIRST, n: 3 }],
    [`~${FIRST}.0`, { run: FIRST, n: 0 }],
    [`~${FIRST}.4.end`, { run: FIRST, n: Infinity, end: 4 }],
    ['~', 'start'],
    ['~!', 'start'],
    ['~%', 'start'],
    ['epoch.7', 'start'],
    [`~${FIRST}`, 'start'],
    [`~${FIRST}.a`, 'start'],
    [`~${FIRST}.1234567890123456`, 'start'],
    [`~${FIRST}x.3`, 'start'],
    [`~${FIRST.toUpperCase()}.3`, 'start'],
  ] as const)('%s is read as %j', (from, expected) => {
    expect(readRunFrom(from)).toEqual(expected);
  });
});

describe('the start of a subscription to runs', () => {
  const running = [view(FIRST, 2, true), view(SECOND, 3)];
  const over = [view(FIRST, 2, true), view(SECOND, 3, true)];

  it.each([
    ['start', running, { run: SECOND, n: 0 }],
    ['start', over, { run: SECOND, n: 0 }],
    ['start', [], BEFORE_ALL_RUNS],
    ['now', running, { run: SECOND, n: 3 }],
    ['now', over, { run: SECOND, n: Infinity, end: 4 }],
    ['now', [], BEFORE_ALL_RUNS],
    [{ run: FIRST, n: 1 }, over, { run: FIRST, n: 1 }],
    [{ run: FIRST, n: 2 }, over, { run: FIRST, n: 2 }],
    [{ run: FIRST, n: 3 }, over, { run: FIRST, n: Infinity, end: 3 }],
    [{ run: SECOND, n: 9 }, running, { run: SECOND, n: 9 }],
    [{ run: OLDER, n: 9 }, running, { run: OLDER, n: 9 }],
  ] as const)('%j with runs is at the expected position (%#)', (from, views, expected) => {
    expect(startOfRuns(from, views)).toEqual(expected);
  });

  it('a position is written as a cursor that is read as the same position', () => {
    const positions = [
      { run: FIRST, n: 0 },
      { run: SECOND, n: 3 },
      { run: FIRST, n: Infinity, end: 3 },
      BEFORE_ALL_RUNS,
    ];
    const texts = positions.map(formatRunPosition);
    expect(texts).toEqual([`${FIRST}.0`, `${SECOND}.3`, `${FIRST}.3.end`, `${'0'.repeat(17)}.0.end`]);
    expect(texts.map(readRunFrom)).toEqual(positions);
  });
});

describe('the next step of a reader of runs', () => {
  const views = [view(FIRST, 2, true), view(SECOND, 3)];

  it.each([
    [{ run: FIRST, n: 0 }, 'events'],
    [{ run: FIRST, n: 1 }, 'events'],
    [{ run: FIRST, n: 2 }, 'end'],
    [{ run: FIRST, n: Infinity }, 'next'],
    [{ run: SECOND, n: 2 }, 'events'],
    [{ run: SECOND, n: 3 }, 'wait'],
    [{ run: SECOND, n: 4 }, 'wait'],
    [{ run: SECOND, n: Infinity }, 'wait'],
    [{ run: OLDER, n: 1 }, 'gone'],
    [{ run: OLDER, n: Infinity }, 'next'],
    [BEFORE_ALL_RUNS, 'next'],
  ] as const)('at %j it is %s', (position: RunPosition, type) => {
    expect(nextRunStep(position, views).type).toBe(type);
  });

  it('every position leads to the tail in finite steps, through each later run once', () => {
    let position: RunPosition = BEFORE_ALL_RUNS;
    const entered: string[] = [];
    for (let steps = 0; steps < 10; steps += 1) {
      const before = position;
      const step = nextRunStep(position, views);
      if (step.type === 'next') entered.push(step.view.run);
      if (step.type === 'next') position = { run: step.view.run, n: 0 };
      if (step.type === 'end') position = { run: position.run, n: Infinity };
      if (step.type === 'events') position = { run: position.run, n: position.n + 1 };
      if (step.type !== 'wait') expect(compareRunPositions(before, position)).toBeLessThan(0);
    }
    expect([entered, position]).toEqual([[FIRST, SECOND], { run: SECOND, n: 3 }]);
  });
});

describe('two states of a record', () => {
  it.each([
    ['a later run', [view(FIRST, 9, true)], [view(FIRST, 9, true), view(SECOND, 0)]],
    ['a further event', [view(FIRST, 1)], [view(FIRST, 2)]],
    ['the end', [view(FIRST, 2)], [view(FIRST, 2, true)]],
    ['another attempt', [view(FIRST, 2, false, 1)], [view(FIRST, 2, false, 2)]],
    ['a first run', [], [view(FIRST, 0)]],
  ])('the state with %s is the later one', (_, earlier, later) => {
    expect(laterViews(earlier, later)).toBe(later);
    expect(laterViews(later, earlier)).toBe(later);
  });

  it('of equal states the first one is kept', () => {
    const state = [view(FIRST, 1)];
    expect(laterViews(state, [view(FIRST, 1)])).toBe(state);
  });
});
