/** Addresses: a topic and its params as one string, which is URL path, routing key and SSE event name at once. */

import { LinefeedError } from './error.ts';
import type { SubscriptionEntry } from './protocol.ts';

/** Query keys of an opening request, which therefore cannot name a param. */
export const RESERVED_PARAMS: readonly string[] = ['from', 'key', 'last_event_id', 'topic'];

/** What an entry of a list says beside its address. */
const ENTRY_NAMES = ['from', 'key'] as const;

/** An address taken apart. Param values are still the text that stood in the address. */
export interface ParsedAddress {
  readonly topic: string;
  readonly params: ReadonlyArray<readonly [name: string, text: string]>;
}

/**
 * Writes an address: the topic, and after `?` the params sorted by code unit, strings bare, everything else as JSON
 * with its keys sorted at every depth. `undefined` is left out.
 *
 * @throws LinefeedError `invalid_params` if a param has a lone surrogate in it, or is a value that JSON does not know.
 */
export function encodeAddress(topic: string, params?: object): string {
  const query = sortedEntries(params ?? {}).map(([name, value]) => {
    try {
      // It leaves !'()* as they are. Of these a URL parser writes ' as %27 in a query, which reads the same.
      const text = encodeURIComponent(typeof value === 'string' ? value : canonicalJson(value));
      return `${encodeURIComponent(name)}=${text}`;
    } catch (cause) {
      const what = cause instanceof URIError ? 'it has a lone surrogate' : String(cause);
      const message = `The param "${name}" of ${topic} cannot be part of an address: ${what}.`;
      throw new LinefeedError('invalid_params', message, { cause });
    }
  });
  return query.length > 0 ? `${topic}?${query.join('&')}` : topic;
}

/** An entry of a list in a URL, taken apart. */
export interface ParsedEntry extends ParsedAddress {
  /** As it was written, without `from` and `key`. */
  readonly address: string;
  readonly from: string | undefined;
  readonly key: string | undefined;
}

/**
 * Writes an entry of a list as one value: its address, and `from` and `key` as if they were params. The value means the
 * same wherever it stands in a query.
 *
 * @throws URIError if `from` or `key` has a lone surrogate in it.
 */
export function encodeEntry(entry: SubscriptionEntry): string {
  let text = entry.address;
  for (const name of ENTRY_NAMES) {
    const value = entry[name];
    if (value !== undefined) text += `${text.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`;
  }
  return text;
}

/** Takes an entry apart, or returns `undefined` where it is malformed as an address is. */
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
    from: params.find(([name]) => name === 'from')?.[1],
    key: params.find(([name]) => name === 'key')?.[1],
  };
}

/** Takes an address apart, or returns `undefined` where it is malformed: bad percent-encoding, a key named twice. */
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
 * JSON with the keys of every object sorted by code unit, so that equal values are equal text.
 *
 * @throws TypeError if JSON does not know the value.
 */
export function canonicalJson(value: unknown): string {
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`JSON does not know a ${typeof value}.`);
  return sortedJson(JSON.parse(json));
}

// Written by hand, because every object lists keys such as `10` and `9` as numbers, whatever order they were put in.
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = sortedEntries(value).map(([key, inner]) => `${JSON.stringify(key)}:${sortedJson(inner)}`);
  return `{${members.join(',')}}`;
}

function sortedEntries(object: object): Array<[string, unknown]> {
  // `<` compares code units; localeCompare would give each machine its own addresses.
  return Object.entries(object)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

// `+` stands for a space in what URLSearchParams and HTML forms write; encodeAddress itself writes %20 and %2B.
function decodeComponent(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
