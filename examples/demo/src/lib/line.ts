/** The line's history: the states of the connection, with their start and cause. */
import type { ConnectionSnapshot } from './link.ts';

export type LineState = ConnectionSnapshot['state'];

export interface Span {
  readonly at: number;
  readonly state: LineState;
  readonly why: string;
}

/** A fault requested on this page. */
export interface Mark {
  readonly at: number;
  readonly name: string;
}

const keptSpans = 200;

export function addSpan(spans: readonly Span[], span: Span): readonly Span[] {
  const last = spans.at(-1);
  if (last?.state === span.state && last.why === span.why) return spans;
  return [...spans.slice(-keptSpans), span];
}

export interface Stretch extends Span {
  readonly until: number;
}

/** Spans with their ends, cut to a window. */
export function toStretches(spans: readonly Span[], from: number, now: number): readonly Stretch[] {
  return spans.flatMap((span, i) => {
    const until = spans[i + 1]?.at ?? now;
    return until < from ? [] : [{ ...span, at: Math.max(span.at, from), until }];
  });
}

export interface Drill {
  readonly name: string;
  readonly at: number;
  readonly noticedAfterMs: number | undefined;
  readonly backAfterMs: number | undefined;
}

/** Course of the newest fault: when the line left `connected`, and when it was back. */
export function toDrill(marks: readonly Mark[], spans: readonly Span[]): Drill | undefined {
  const mark = marks.at(-1);
  if (mark === undefined) return undefined;
  const lost = spans.find(({ at, state }) => at >= mark.at && state !== 'connected');
  const back = lost && spans.find(({ at, state }) => at >= lost.at && state === 'connected');
  return {
    ...mark,
    noticedAfterMs: lost && lost.at - mark.at,
    backAfterMs: back && back.at - mark.at,
  };
}
