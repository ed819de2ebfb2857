/** Addresses: a topic and its params as one string. The string is URL path, routing key and SSE event name at once. */

import { LinefeedError } from '../base/error.ts';
import type { SubscriptionEntry } from './protocol.ts';

/** Query keys of a request that opens a connection. A param cannot have one of these names. */
export const RESERVED_PARAMS: readonly string[] = ['from', 'key', 'last_event_id', 'topic'];

/** A parsed address. Param values are the decoded text, not yet validated. */
export interface ParsedAddress {
  readonly topic: string;
  readonly params: ReadonlyArray<readonly [name: string, text: string]>;
}

/**
 * Writes an address: the topic, and after `?` the params sorted by code unit. A string is written without quotes, and
 * every other value as JSON with its keys sorted at every depth. `undefined` is left out.
 *
 * @throws LinefeedError `invalid_params` if a param contains a lone surrogate, or is a value that JSON cannot
 * represent.
 */
export function encodeAddress(topic: string, params?: object): string {
  const query = sortedEntries(params ?? {}).map(([name, value]) => {
    try {
      // encodeURIComponent leaves !'()* unchanged. A URL parser writes ' as %27 in a query, which decodes to the same.
      const text = encodeURIComponent(typeof value === 'string' ? value : canonicalJson(value));
      return `${encodeURIComponent(name)}=${text}`;
    } catch (cause) {
      // A URIError means a lone surrogate.
      const message = `The param "${name}" of ${topic} must be JSON in valid Unicode: ${String(cause)}`;
      throw new LinefeedError('invalid_params', message, { cause });
    }
  });
  return query.length > 0 ? `${topic}?${query.join('&')}` : topic;
}

/** A parsed entry of a list in a URL. */
export interface ParsedEntry extends ParsedAddress {
  /** The address as the request wrote it, without `from` and `key`. */
  readonly address: string;
  readonly from: string | undefined;
  readonly key: string | undefined;
}

/**
 * Writes an entry of a list as one query value: its address, with `from` and `key` written like params. The position
 * of the value in the query has no meaning.
 *
 * @throws URIError if `from` or `key` contains a lone surrogate.
 */
export function encodeEntry({ address, from, key }: SubscriptionEntry): string {
  return addQuery(addQuery(address, 'from', from), 'key', key);
}

/** Adds a query parameter to a URL or an address. `undefined` is left out. */
export function addQuery(url: string, name: string, value: string | undefined): string {
  return value === undefined
    ? url
    : `${url}${url.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`;
}

/** Parses an entry. Returns `undefined` if it is malformed in the way an address can be malformed. */
export function parseEntry(text: string): ParsedEntry | undefined {
  const parsed = parseAddress(text);
  if (parsed === undefined) return undefined;
  const { topic, params } = parsed;
  const mark = text.indexOf('?');
  const isOwn = (name: string | undefined): boolean => name === 'from' || name === 'key';
  if (!params.some(([name]) => isOwn(name)))
    return { ...parsed, address: text, from: undefined, key: undefined };
  const pairs = text
    .slice(mark + 1)
    .split('&')
    .filter((pair) => pair !== '');
  const query = pairs.filter((_, index) => !isOwn(params[index]?.[0])).join('&');
  return {
    topic,
    params: params.filter(([name]) => !isOwn(name)),
    address: text.slice(0, mark) + (query === '' ? '' : `?${query}`),
    from: /* seam: from-anywhere-in-entry */ params.find(([name]) => name === 'from')?.[1],
    key: params.find(([name]) => name === 'key')?.[1],
  };
}

/** Parses an address. Returns `undefined` if it is malformed: bad percent-encoding, or a repeated key. */
export function parseAddress(address: string): ParsedAddress | undefined {
  const mark = address.indexOf('?');
  try {
    if (mark === -1) return { topic: decodeURIComponent(address), params: [] };
    const params: Array<readonly [string, string]> = [];
    const seen = new Set<string>();
    for (const pair of address.slice(mark + 1).split('&')) {
      if (pair === '') continue;
      const equals = pair.indexOf('=');
      const name = decodeComponent(equals === -1 ? pair : pair.slice(0, equals));
      if (seen.has(name)) return undefined;
      seen.add(name);
      params.push([name, equals === -1 ? '' : decodeComponent(pair.slice(equals + 1))]);
    }
    return { topic: decodeURIComponent(address.slice(0, mark)), params };
  } catch {
    return undefined;
  }
}

/**
 * JSON with the keys of every object sorted by code unit, so that equal values give equal text.
 *
 * @throws TypeError if JSON cannot represent the value.
 */
export function canonicalJson(value: unknown): string {
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`JSON has no ${typeof value}.`);
  return sortedJson(JSON.parse(json));
}

// JSON.stringify cannot write this order: a JavaScript object lists keys such as `9` and `10` numerically.
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = sortedEntries(value).map(([key, inner]) => `${JSON.stringify(key)}:${sortedJson(inner)}`);
  return `{${members.join(',')}}`;
}

function sortedEntries(object: object): Array<[string, unknown]> {
  // `<` compares code units. With localeCompare, the addresses would depend on the locale of the machine.
  return Object.entries(object)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

// URLSearchParams and HTML forms write a space as `+`. encodeAddress itself writes %20 and %2B.
function decodeComponent(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
