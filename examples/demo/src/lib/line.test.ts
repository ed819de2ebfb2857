/** Tests of the line's history: spans, and the recovery after a fault. */
import { describe, expect, it } from 'vitest';
import { addSpan, toDrill, toStretches, type Span } from './line.ts';

const up: Span = { at: 1_000, state: 'connected', why: 'hello' };
const down: Span = { at: 5_000, state: 'reconnecting', why: 'broken' };
const trying: Span = { at: 5_500, state: 'reconnecting', why: 'attempt' };
const back: Span = { at: 6_000, state: 'connected', why: 'hello again' };

describe('history of the connection states', () => {
  it('toStretches ends each stretch at the start of the next one and cuts it to the window', () => {
    expect(toStretches([up, down, back], 4_000, 9_000)).toEqual([
      { ...up, at: 4_000, until: 5_000 },
      { ...down, until: 6_000 },
      { ...back, until: 9_000 },
    ]);
  });

  it('toStretches omits spans that end before the window', () => {
    expect(toStretches([up, down, back], 6_500, 9_000)).toEqual([{ ...back, at: 6_500, until: 9_000 }]);
  });

  it('addSpan ignores a repeated state with the same cause', () => {
    expect(addSpan([up], { ...up, at: 2_000 })).toEqual([up]);
    expect(addSpan([down], trying)).toEqual([down, trying]);
  });

  it('toDrill returns when a fault was noticed and when the connection was back', () => {
    const mark = { at: 4_900, name: 'cut' };
    expect(toDrill([mark], [up])).toEqual({ ...mark, noticedAfterMs: undefined, backAfterMs: undefined });
    expect(toDrill([mark], [up, down])).toEqual({ ...mark, noticedAfterMs: 100, backAfterMs: undefined });
    expect(toDrill([mark], [up, down, trying, back])).toEqual({
      ...mark,
      noticedAfterMs: 100,
      backAfterMs: 1_100,
    });
  });
});
