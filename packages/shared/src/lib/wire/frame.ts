/** Frames: one event-stream block as text. No field value can add a line or a field to it. */
import { LinefeedError } from '../base/error.ts';

/** The fields of one block (WHATWG HTML §9.2.5). `undefined` omits a field; an empty string is a value. */
export interface FrameFields {
  /** Lines for a reader of the raw stream. No browser passes them to a page. */
  comment?: string | undefined;
  /** Reconnection time in milliseconds; a whole number from 0. */
  retryMs?: number | undefined;
  /** Last event id; `''` resets it. */
  id?: string | undefined;
  /** Event type; `''` is the same as none: `message`. */
  event?: string | undefined;
  /** Payload. `''` is dispatched. Without data, no browser dispatches the block. */
  data?: string | undefined;
}

// Every browser ignores an id with U+0000 in it. CR and LF end the line. UTF-8 encoding turns a lone surrogate into
// U+FFFD, so two different ids would become equal.
const FORBIDDEN = /[\0\r\n]|\p{Surrogate}/u;
const LINE_BREAK = /\r\n|\r|\n/;

/**
 * Writes one whole block, including the blank line. Line breaks split `data` and `comment` into lines. `id` and
 * `event` must not contain line breaks, U+0000 or lone surrogates.
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

/** Writes a block from an event name and a JSON text that are already checked. This is the hot path of a feed. */
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
