/** Addresses: a topic and its params as one string, which is URL path, routing key and SSE event name at once. */

/** Query keys of an opening request, which therefore cannot name a param. */
export const RESERVED_PARAMS: readonly string[] = ['from', 'key', 'last_event_id', 'topic'];

/** An address taken apart. Param values are still the text that stood in the address. */
export interface ParsedAddress {
  readonly topic: string;
  readonly params: ReadonlyArray<readonly [name: string, text: string]>;
}

/**
 * Writes an address: the topic, and behind `?` the params sorted by code unit, strings bare, everything else as JSON
 * with its keys sorted at every depth. `undefined` is left out.
 *
 * @throws URIError if a param has a lone surrogate in it, TypeError if it is a value that JSON does not know.
 */
export function encodeAddress(topic: string, params?: object): string {
  const query = sortedEntries(params ?? {}).map(([name, value]) => {
    // It leaves !'()* as they are. Of these a URL parser writes ' as %27 in a query, which reads the same.
    const text = encodeURIComponent(typeof value === 'string' ? value : canonicalJson(value));
    return `${encodeURIComponent(name)}=${text}`;
  });
  return query.length > 0 ? `${topic}?${query.join('&')}` : topic;
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
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

// `+` stands for a space in what URLSearchParams and HTML forms write; encodeAddress itself writes %20 and %2B.
function decodeComponent(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}
