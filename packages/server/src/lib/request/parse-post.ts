/** Parses the body of a POST: subscriptions and cursor, a control request, or a request to stop a run. */
import { parseAddress, refusal } from '@linefeed/shared/wire';
import {
  checkCount,
  toEntry,
  toFaulty,
  toTooLong,
  type AskedEntry,
  type ControlRequest,
  type ReadBounds,
  type StopRequest,
  type SubscribeRequest,
} from './subscribe-request.ts';

/** Values of a body per allowed list entry. One entry has four: its object, two commas inside, and its own comma. */
const VALUES_PER_ENTRY = 8;

/** Longest reason of a stop: each reader of the run gets it. Characters. */
const MAX_REASON_LENGTH = 256;

/** The request in the body of a POST. */
export type PostRequest = SubscribeRequest | ControlRequest | StopRequest;

/**
 * Reads the body of a POST: a subscribe request, a change of an open connection, or a request to stop a run.
 *
 * @throws LinefeedError `bad_request`; `too_many_subscriptions` for a list that is too long; `payload_too_large` for one
 * that is far too long to be parsed
 */
export function readPost(body: string, bounds: ReadBounds): PostRequest {
  const maxValues = VALUES_PER_ENTRY * bounds.maxNames;
  if (hasMoreValues(body, maxValues)) {
    throw refusal('payload_too_large', `The body has more than ${maxValues} values; send a shorter list.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw refusal('bad_request', 'The body of a POST must be JSON.');
  }
  if (!isRecord(value)) throw refusal('bad_request', 'The body of a POST must be a JSON object.');
  if ('connection' in value) return readControl(value, bounds);
  if ('stop' in value) return readStop(value['stop'], bounds);
  const lastEventId = value['last_event_id'];
  if (lastEventId !== undefined && typeof lastEventId !== 'string') {
    throw refusal('bad_request', '"last_event_id" must be a string.');
  }
  return {
    isNativeReturn: false,
    entries: readEntries(value['topics'], 'topics', bounds),
    lastEventId: lastEventId === '' ? undefined : lastEventId,
  };
}

/**
 * Whether a JSON text has more than `max` commas and opening brackets outside of its strings. Parsing a megabyte of them
 * takes up to 200 ms.
 */
function hasMoreValues(json: string, max: number): boolean {
  let left = max;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === '"') at = endOfString(json, at);
    else if (character === ',' || character === '[' || character === '{') {
      left -= 1;
      if (left < 0) return true;
    }
  }
  return false;
}

/** The index of the closing quote of the string that begins at `start`, or the end of the text. */
function endOfString(json: string, start: number): number {
  for (let end = start; ;) {
    end = json.indexOf('"', end + 1);
    if (end === -1) return json.length;
    let slashes = 0;
    while (json[end - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return end;
  }
}

function readControl(value: Record<string, unknown>, bounds: ReadBounds): ControlRequest {
  const { connection, n, add = [], remove = [] } = value;
  if (typeof connection !== 'string') throw refusal('bad_request', '"connection" must be a string.');
  if (!Number.isSafeInteger(n) || (n as number) < 1) {
    throw refusal('bad_request', '"n" must be a whole number from 1.');
  }
  if (!Array.isArray(remove) || remove.some((name) => typeof name !== 'string')) {
    throw refusal('bad_request', '"remove" must be a list of event names.');
  }
  checkCount(remove.length, 'remove', bounds.maxNames);
  return {
    connection,
    n: n as number,
    add: readEntries(add, 'add', bounds),
    remove: remove as string[],
  };
}

function readStop(stop: unknown, bounds: ReadBounds): StopRequest {
  if (!isRecord(stop) || typeof stop['address'] !== 'string' || !isOptionalString(stop['run'])) {
    throw refusal('bad_request', '"stop" must be { address, run?, reason? }, all strings.');
  }
  const { address, run, reason } = stop;
  if (!isOptionalString(reason) || (reason?.length ?? 0) > MAX_REASON_LENGTH) {
    throw refusal('bad_request', `"reason" must be a string of at most ${MAX_REASON_LENGTH} characters.`);
  }
  return { stop: { entry: readAddress(address, undefined, undefined, bounds), run, reason } };
}

function readEntries(value: unknown, field: string, bounds: ReadBounds): AskedEntry[] {
  if (!Array.isArray(value))
    throw refusal('bad_request', `"${field}" must be a list of { address, from?, key? }.`);
  checkCount(value.length, field, bounds.maxNames);
  return value.map((entry: unknown, index) => {
    if (
      !isRecord(entry) ||
      typeof entry['address'] !== 'string' ||
      !isOptionalString(entry['from']) ||
      !isOptionalString(entry['key'])
    ) {
      throw refusal('bad_request', `"${field}[${index}]" must be { address, from?, key? }, all strings.`);
    }
    const { address, from, key } = entry;
    return readAddress(address, from, key, bounds);
  });
}

function readAddress(
  address: string,
  from: string | undefined,
  key: string | undefined,
  { maxTextLength }: ReadBounds,
): AskedEntry {
  if (address.length > maxTextLength) return toTooLong(address, from, key, maxTextLength);
  const parsed = parseAddress(address);
  return parsed === undefined
    ? toFaulty(address, from, key)
    : toEntry({ ...parsed, address, from, key }, maxTextLength);
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
