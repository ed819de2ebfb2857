/** What a source may yield: a payload as it is, or one with fields of its frame. */

export interface MessageFields {
  /** Last event id. In a stream of a feed: where the source goes on when the client comes back. */
  readonly id?: string | number | undefined;
  /** Event type. Not in a feed, where the address names the event. */
  readonly event?: string | undefined;
  /** Reconnection time in milliseconds. Not in a feed. */
  readonly retryMs?: number | undefined;
  /** A comment line. Not in a feed. */
  readonly comment?: string | undefined;
}

const BRAND = Symbol.for('linefeed.message');

/** A payload with frame fields; made by `message()`, told from a payload by its brand and never by its shape. */
export interface Message<T> extends MessageFields {
  readonly data: T;
  /** @internal */
  readonly [BRAND]: true;
}

/** What a source may yield for payload `T`: the payload itself, or `message(payload, { id, … })`. */
export type SSEData<T> = T | Message<T>;

/** Gives a payload an id or other fields of its frame. */
export function message<T>(data: T, fields: MessageFields = {}): Message<T> {
  return { ...fields, data, [BRAND]: true };
}

/**
 * A payload with an id as tRPC's `tracked(id, payload)` makes it. No JSON has a symbol in it, so no payload looks like
 * this.
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
