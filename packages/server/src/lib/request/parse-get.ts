/** Parses the subscriptions and the cursor of a GET or HEAD. */
import { parseEntry, refusal, RESERVED_PARAMS } from '@linefeed/shared/wire';
import type { HttpRequest } from '../http/http.ts';
import { tooLong } from '../publish/address.ts';
import {
  checkCount,
  malformed,
  toEntry,
  toFaulty,
  type AskedEntry,
  type ReadBounds,
  type SubscribeRequest,
} from './subscribe-request.ts';

/**
 * A query up to this length is always read. Node accepts a head of 16 KiB; other runtimes accept more, and decoding
 * takes time.
 */
const MIN_QUERY_LENGTH = 65_536;

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
      `In a list "${name}" belongs inside the value of its topic: ?topic=price%3Fsymbol%3DACME%26from%3Dearliest%26key%3D1, or curl -G --data-urlencode 'topic=price?symbol=ACME&from=earliest&key=1'.`,
    );
  }
  const texts = query.getAll('topic');
  checkCount(texts.length, 'topic', maxNames);
  return /* seam: from-of-every-entry */ texts.map((text) => {
    const parsed = parseEntry(text);
    return parsed === undefined ? toFaulty(text) : toEntry(parsed, maxTextLength);
  });
}
