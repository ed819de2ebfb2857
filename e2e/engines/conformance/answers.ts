/** Answers of a server that speaks Linefeed: the parts from which the connection table is written. */
import { encodeFrame, FRAME } from '@linefeed/shared/wire';
import type { Answer } from './table.ts';

export const QUICK = { baseMs: 20, floorMs: 20, capMs: 200 };
/** Upper bound of the quick reconnect, which each client may do once in 5 s. */
export const QUICK_RETURN_MS = 500;

export function frame(event: string, payload: unknown, id?: string): string {
  return encodeFrame({ event, data: JSON.stringify(payload), id });
}

function hello(timeoutMs = 35_000, id?: string): string {
  return frame(
    FRAME.hello,
    { protocol: 1, connection: 'c', pingMs: 15_000, timeoutMs, maxDurationMs: 0 },
    id,
  );
}

export function opened(position: number, timeoutMs?: number): string {
  const cursor = `e.${position}`;
  return (
    hello(timeoutMs, cursor) + frame(FRAME.subscribed, { address: 'a', event: 'a', cursor, tail: cursor })
  );
}

/** An event of the only address, so `prev` is the position before. */
export function event(position: number, payload: unknown = position): string {
  return frame('a', payload, `e.${position}.${position - 1}`);
}

export const fine = (position: number, ...positions: number[]): Answer => ({
  body: [opened(position) + positions.map((each) => event(each)).join('')],
});

/** Refused with this status, then served. */
export const outlived = (status: number, headers: Answer['headers'] = {}): readonly Answer[] => [
  { status, headers, contentType: 'text/html', body: ['<h1>no</h1>'], after: 'end' },
  fine(0, 1),
];
