/** The values that a source may yield: a plain payload, or a payload with fields of its frame. */
import { checkOptions, LinefeedError } from '@linefeed/shared/wire';

/** The fields of a frame besides its data (WHATWG HTML §9.2.6). */
export interface MessageFields {
  /** Last event id. In a stream of a feed: the source continues after it when the client reconnects. */
  readonly id?: string | number | undefined;
  /** Event type. Not in a feed, where the address names the event. */
  readonly event?: string | undefined;
  /** Reconnection time in milliseconds. Not in a feed. */
  readonly retryMs?: number | undefined;
  /** A comment line. Not in a feed. */
  readonly comment?: string | undefined;
}

/** Registered, so that two copies of the package recognise each other's messages. */
const BRAND: unique symbol = Symbol.for('linefeed.message');

/** A payload with frame fields, made by `message()`. It is recognised by its brand, never by its shape. */
export interface Message<T> extends MessageFields {
  /** The payload. */
  readonly data: T;
  /** No entry exports the symbol, so only `message()` can make one. */
  readonly [BRAND]: true;
}

/** A value that a source may yield for payload `T`: the payload itself, or `message(payload, { id, … })`. */
export type SSEData<T> = T | Message<T>;

/** The values are checked where the frame is written. */
const FIELDS = {
  id: 'any',
  event: 'any',
  retryMs: 'any',
  comment: 'any',
} satisfies Record<keyof MessageFields, string>;

/**
 * Gives a payload an id or other fields of its frame.
 *
 * @example
 *   import { eventStream, message } from '@linefeed/server';
 *
 *   export function GET(request: Request): Response {
 *     return eventStream([message({ n: 1 }, { id: '1', event: 'count' })], { request });
 *   }
 *
 * @param data The payload
 * @param fields In a stream of a feed only `id`
 * @returns A value for `yield`
 * @throws LinefeedError `invalid_option` for a field that no message has
 */
export function message<T>(data: T, fields: MessageFields = {}): Message<T> {
  checkOptions('message', fields, FIELDS);
  return { ...fields, data, [BRAND]: true };
}

/**
 * A payload with an id, as made by tRPC's `tracked(id, payload)`. JSON contains no symbols, so no payload has this
 * form.
 */
export type TrackedYield<T> = readonly [id: string, data: T, tag: symbol];

export function isTracked(value: unknown): value is TrackedYield<unknown> {
  return (
    Array.isArray(value) && value.length === 3 && typeof value[0] === 'string' && typeof value[2] === 'symbol'
  );
}

export function isMessage(value: unknown): value is Message<unknown> {
  return typeof value === 'object' && value !== null && BRAND in value;
}

/** @throws LinefeedError `invalid_frame` for an id that a client could not send back unchanged */
export function toId(id: string | number | undefined): string | undefined {
  if (id === undefined || typeof id === 'string') return id;
  if (Number.isFinite(id)) return String(id);
  const given = typeof id === 'number' ? id : id === null ? 'null' : `a value of type ${typeof id}`;
  throw new LinefeedError(
    'invalid_frame',
    `The id of a message must be a string or a finite number, not ${given}.`,
  );
}
