/** Parses the subscriptions and the cursor of a request (PROTOCOL §1). */
import {
  parseAddress,
  parseEntry,
  refusal,
  RESERVED_PARAMS,
  type LinefeedError,
  type ParsedEntry,
} from '@linefeed/shared/wire';
import type { HttpRequest } from '../http/http.ts';
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

export interface SubscribeRequest {
  readonly entries: readonly AskedEntry[];
  /** Last event id, as received. */
  readonly lastEventId: string | undefined;
  /** The id came as a header: a native EventSource reconnects with the URL that it was opened with. */
  readonly isNativeReturn: boolean;
}

export interface Control {
  readonly connection: string;
  readonly n: number;
  readonly add: readonly AskedEntry[];
  readonly remove: readonly string[];
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

/**
 * A query up to this length is always read. Node accepts a head of 16 KiB; other runtimes accept more, and decoding
 * takes time.
 */
const MIN_QUERY_LENGTH = 65_536;

/** Values of a body per allowed list entry. One entry has four: its object, two commas inside, and its own comma. */
const VALUES_PER_ENTRY = 8;

/** Most requests have no query, and a look-up in it costs more than the rest of the parsing. */
const NO_QUERY = new URLSearchParams();

/**
 * Reads a GET or HEAD. `rest`: the path after the feed's path, without its slash and percent-encoded.
 *
 * @throws LinefeedError `bad_request`
 */
export function readGet(request: HttpRequest, rest: string, bounds: ReadBounds): SubscribeRequest {
  checkQuery(request.url, bounds);
  const query = request.url.search === '' ? NO_QUERY : request.url.searchParams;
  const header = request.header('last-event-id');
  const given = takeOnce(query, 'last_event_id');
  const lastEventId = header !== undefined && header !== '' ? header : given;
  const entries = rest === '' ? readTopicList(query, bounds) : [readPath(rest, query, bounds)];
  // A native EventSource reconnects with its first URL, so its `from` is older than its Last-Event-ID.
  const ownFrom = header === undefined || header === '';
  return {
    entries: ownFrom ? entries : entries.map((entry) => ({ ...entry, from: undefined })),
    lastEventId: lastEventId === '' ? undefined : lastEventId,
    isNativeReturn: !ownFrom,
  };
}

/** Reads a GET of an endpoint with one topic: the params are in the query, whatever the path is. */
export function readEndpointGet(request: HttpRequest, topic: string, bounds: ReadBounds): SubscribeRequest {
  checkQuery(request.url, bounds);
  return readGet(request, request.url.searchParams.has('topic') ? '' : encodeURIComponent(topic), bounds);
}

/** Checks the length before the query is decoded. @throws LinefeedError `bad_request` */
function checkQuery({ search }: URL, { maxTextLength }: ReadBounds): void {
  const longest = Math.max(MIN_QUERY_LENGTH, 2 * maxTextLength);
  if (search.length <= longest) return;
  throw refusal(
    'bad_request',
    `The query has ${search.length} characters, more than the ${longest} allowed; send a long list by POST.`,
  );
}

/** The value of a query key of the request. @throws LinefeedError `bad_request` if there are two. */
function takeOnce(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name);
  if (values.length > 1)
    throw refusal('bad_request', `The query has ${values.length} values for "${name}"; give one.`);
  return values[0];
}

function readPath(rest: string, query: URLSearchParams, { maxTextLength }: ReadBounds): AskedEntry {
  if (query.has('topic')) {
    throw refusal(
      'bad_request',
      'The path names a topic already; a list of "topic" goes to the path of the feed itself.',
    );
  }
  if (rest.length > maxTextLength) throw tooLong(rest, rest.length, maxTextLength);
  const entry = {
    params: [...query].filter(([name]) => !RESERVED_PARAMS.includes(name)),
    from: takeOnce(query, 'from'),
    key: takeOnce(query, 'key'),
  };
  try {
    return { ...entry, topic: decodeURIComponent(rest) };
  } catch {
    return { ...entry, topic: rest, fault: malformed(rest) };
  }
}

function readTopicList(query: URLSearchParams, { maxNames, maxTextLength }: ReadBounds): AskedEntry[] {
  for (const name of ['from', 'key']) {
    // It would belong to the entry before it, and proxies reorder queries.
    if (!query.has(name)) continue;
    throw refusal(
      'bad_request',
      `In a list "${name}" stands inside the value of its topic: ?topic=price%3Fsymbol%3DACME%26from%3Dearliest%26key%3D1, or curl -G --data-urlencode 'topic=price?symbol=ACME&from=earliest&key=1'.`,
    );
  }
  const texts = query.getAll('topic');
  checkCount(texts.length, 'topic', maxNames);
  return /* seam: from-of-every-entry */ texts.map((text) => {
    const parsed = parseEntry(text);
    return parsed === undefined ? toFaulty(text) : toEntry(parsed, maxTextLength);
  });
}

function toEntry(parsed: ParsedEntry, maxTextLength: number): AskedEntry {
  const { address, from, key } = parsed;
  if (address.length > maxTextLength) return toTooLong(address, from, key, maxTextLength);
  const surplus = parsed.params.find(([name]) => RESERVED_PARAMS.includes(name))?.[0];
  if (surplus === undefined) return parsed;
  const fault = refusal('bad_request', `"${surplus}" is no param: in an address it has no meaning here.`);
  return { ...parsed, fault };
}

function toFaulty(address: string, from?: string, key?: string): AskedEntry {
  return { address, topic: topicOf(address), params: [], from, key, fault: malformed(address) };
}

/** The answer repeats at most as many characters as an address may have. */
function toTooLong(
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
function malformed(address: string): LinefeedError {
  return refusal(
    'bad_request',
    `The address of ${topicOf(address).slice(0, 64)} is malformed: it is not percent-encoded as UTF-8, or names something twice.`,
  );
}

/**
 * Reads the body of a POST: a subscribe request, or a change of an open connection.
 *
 * @throws LinefeedError `bad_request`; `too_many_subscriptions` for a list that is too long; `payload_too_large` for one
 * that is far too long to be parsed
 */
export function readPost(body: string, bounds: ReadBounds): SubscribeRequest | Control {
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

function readControl(value: Record<string, unknown>, bounds: ReadBounds): Control {
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

/** Each name gets an answer. Without this bound one request could block the event loop and fill the memory. */
function checkCount(count: number, field: string, maxNames: number): void {
  if (count <= maxNames) return;
  throw refusal(
    'too_many_subscriptions',
    `"${field}" has ${count} entries, more than the ${maxNames} that one request may have (${MAX_NAMES_FACTOR} times maxSubscriptions).`,
  );
}

function readEntries(value: unknown, field: string, { maxNames, maxTextLength }: ReadBounds): AskedEntry[] {
  if (!Array.isArray(value))
    throw refusal('bad_request', `"${field}" must be a list of { address, from?, key? }.`);
  checkCount(value.length, field, maxNames);
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
    if (address.length > maxTextLength) return toTooLong(address, from, key, maxTextLength);
    const parsed = parseAddress(address);
    return parsed === undefined
      ? toFaulty(address, from, key)
      : toEntry({ ...parsed, address, from, key }, maxTextLength);
  });
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
