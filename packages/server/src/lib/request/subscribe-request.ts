/** The subscriptions that a request names, and the checks that all of its forms share (PROTOCOL §1). */
import { refusal, RESERVED_PARAMS, type LinefeedError, type ParsedEntry } from '@linefeed/shared/wire';
import { tooLong } from '../publish/address.ts';

/** One requested subscription, parsed but not validated. */
export interface AskedEntry {
  /**
   * The address as the client wrote it. Absent in the path form, where the query may contain other keys besides the
   * params.
   */
  readonly address?: string | undefined;
  readonly topic: string;
  readonly params: ReadonlyArray<readonly [name: string, text: string]>;
  readonly from?: string | undefined;
  readonly key?: string | undefined;
  /** Refuse the entry with this error before any other check. */
  readonly fault?: LinefeedError | undefined;
}

/** The subscriptions of a new connection. */
export interface SubscribeRequest {
  readonly entries: readonly AskedEntry[];
  /** Last event id, as received. */
  readonly lastEventId: string | undefined;
  /** The id came as a header: a native EventSource reconnects with the URL that it was opened with. */
  readonly isNativeReturn: boolean;
}

/** A change of an open connection. */
export interface ControlRequest {
  readonly connection: string;
  readonly n: number;
  readonly add: readonly AskedEntry[];
  readonly remove: readonly string[];
}

/** A request to stop a run. */
export interface StopRequest {
  readonly stop: {
    readonly entry: AskedEntry;
    /** Stops this run only. */
    readonly run: string | undefined;
    readonly reason: string | undefined;
  };
}

/**
 * Cap on the names of one request: this many times `maxSubscriptions`. Up to it, surplus entries are refused one by
 * one.
 */
export const MAX_NAMES_FACTOR = 4;

/** Bounds for the parsing of a request. */
export interface ReadBounds {
  /** Entries of a list. */
  readonly maxNames: number;
  /** Characters of an address in the request. */
  readonly maxTextLength: number;
}

export function toEntry(parsed: ParsedEntry, maxTextLength: number): AskedEntry {
  const { address, from, key } = parsed;
  if (address.length > maxTextLength) return toTooLong(address, from, key, maxTextLength);
  const surplus = parsed.params.find(([name]) => RESERVED_PARAMS.includes(name))?.[0];
  if (surplus === undefined) return parsed;
  const fault = refusal('bad_request', `"${surplus}" is not a param: in an address it has no meaning here.`);
  return { ...parsed, fault };
}

export function toFaulty(address: string, from?: string, key?: string): AskedEntry {
  return { address, topic: topicOf(address), params: [], from, key, fault: malformed(address) };
}

/** The answer repeats at most as many characters as an address may have. */
export function toTooLong(
  address: string,
  from: string | undefined,
  key: string | undefined,
  maxTextLength: number,
): AskedEntry {
  const fault = tooLong(address, address.length, maxTextLength);
  const start = address.slice(0, maxTextLength);
  return { address: start, topic: topicOf(start), params: [], from, key, fault };
}

function topicOf(address: string): string {
  const [name = ''] = address.split('?', 1);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** The message omits the params: those of a stream are for its source only. */
export function malformed(address: string): LinefeedError {
  return refusal(
    'bad_request',
    `The address of ${topicOf(address).slice(0, 64)} is malformed: it is not percent-encoded as UTF-8, or names something twice.`,
  );
}

/** Each name gets an answer. Without this bound one request could block the event loop and fill the memory. */
export function checkCount(count: number, field: string, maxNames: number): void {
  if (count <= maxNames) return;
  throw refusal(
    'too_many_subscriptions',
    `"${field}" has ${count} entries, more than the ${maxNames} that one request may have (${MAX_NAMES_FACTOR} times maxSubscriptions).`,
  );
}
