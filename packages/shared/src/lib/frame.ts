/** Frames: one event-stream block as text, with nothing in it that its fields did not say. */
import { LinefeedError } from './error.ts';

/**
 * The fields of one block (WHATWG HTML §9.2.5). `undefined` leaves a field out; an empty string is a value.
 */
export interface FrameFields {
  /** Lines for whoever reads the raw stream; no browser shows them to a page. */
  comment?: string | undefined;
  /** Reconnection time in milliseconds; a whole number from 0. */
  retryMs?: number | undefined;
  /** Last event id; `''` resets it. */
  id?: string | undefined;
  /** Event type; `''` is the same as none: `message`. */
  event?: string | undefined;
  /** Payload; `''` is dispatched, `undefined` makes a block that no browser dispatches. */
  data?: string | undefined;
}

// U+0000 in an id makes every browser ignore it; CR and LF end the line. A lone surrogate becomes U+FFFD in UTF-8,
// and two different ids would be one.
const FORBIDDEN = /[\0\r\n]|\p{Surrogate}/u;
const LINE_BREAK = /\r\n|\r|\n/;

/**
 * Writes one whole block, blank line included. Line breaks split `data` and `comment` into lines; in `id` and `event`
 * they are refused, as are U+0000 and lone surrogates.
 *
 * @throws LinefeedError `invalid_frame`
 */
export function encodeFrame({ comment, retryMs, id, event, data }: FrameFields): string {
  let block = '';
  if (comment !== undefined) block += encodeLines(':', comment);
  if (retryMs !== undefined) block += `retry: ${checkedRetryMs(retryMs)}\n`;
  if (id !== undefined) block += `id: ${checkedField('id', id)}\n`;
  if (event !== undefined && event !== '') block += `event: ${checkedField('event', event)}\n`;
  if (data !== undefined) block += encodeLines('data:', data);
  return `${block}\n`;
}

/** A block of a name and a JSON text, both already known to be clean: the hot path of a feed. */
export function encodeCleanFrame(event: string, json: string, id?: string): string {
  return id === undefined
    ? `event: ${event}\ndata: ${json}\n\n`
    : `id: ${id}\nevent: ${event}\ndata: ${json}\n\n`;
}

function encodeLines(field: string, text: string): string {
  if (!text.includes('\n') && !text.includes('\r')) return `${field} ${text}\n`;
  let lines = '';
  for (const line of text.split(LINE_BREAK)) lines += `${field} ${line}\n`;
  return lines;
}

function checkedField(field: 'id' | 'event', value: string): string {
  if (typeof value !== 'string') {
    throw new LinefeedError(
      'invalid_frame',
      `The ${field} of a message must be a string, not ${typeof value}.`,
    );
  }
  if (FORBIDDEN.test(value)) {
    throw new LinefeedError(
      'invalid_frame',
      `The ${field} ${JSON.stringify(value)} has a line break, a U+0000 or a lone surrogate in it; encode it first, for example with encodeURIComponent.`,
    );
  }
  return value;
}

function checkedRetryMs(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new LinefeedError(
      'invalid_frame',
      `retryMs must be a whole number of milliseconds from 0, not ${String(value)}.`,
    );
  }
  return value;
}
