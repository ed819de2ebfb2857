/** Tests of the line's history: spans, and the recovery after a fault. */
import { describe, expect, it } from 'vitest';
import { addSpan, toDrill, toStretches, type Span } from './line.ts';

const up: Span = { at: 1_000, state: 'connected', why: 'hello' };
const down: Span = { at: 5_000, state: 'reconnecting', why: 'broken' };
const trying: Span = { at: 5_500, state: 'reconnecting', why: 'attempt' };
const back: Span = { at: 6_000, state: 'connected', why: 'hello again' };

describe('line', () => {
  it('ends each stretch where the next begins, cut to the window', () => {
    expect(toStretches([up, down, back], 4_000, 9_000)).toEqual([
      { ...up, at: 4_000, until: 5_000 },
      { ...down, until: 6_000 },
      { ...back, until: 9_000 },
    ]);
  });

  it('leaves out what ended before the window', () => {
    expect(toStretches([up, down, back], 6_500, 9_000)).toEqual([{ ...back, at: 6_500, until: 9_000 }]);
  });

  it('keeps one span for a state that is told twice', () => {
    expect(addSpan([up], { ...up, at: 2_000 })).toEqual([up]);
    expect(addSpan([down], trying)).toEqual([down, trying]);
  });

  it('tells when a fault was noticed and when the line was back', () => {
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
