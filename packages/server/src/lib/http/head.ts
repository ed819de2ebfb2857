/** Reads the status, headers and cookies of an event stream from its options. */
import { LinefeedError } from '@linefeed/shared/wire';
import { formatCookies, type Cookies } from './cookie.ts';
import { eventStreamHeaders, type HeaderList } from './http.ts';

/** The value of a header. `undefined` omits it; several values are joined by commas. */
export type HeaderValue = string | number | readonly string[] | undefined;

/** Headers in any of the usual forms. `undefined` omits one; values of one name are joined by commas. */
export type HeaderOptions =
  | Headers
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, HeaderValue>>;

/** The head of a response. */
export interface HeadOptions {
  /**
   * The status of the response. A browser's EventSource accepts only 200 (WHATWG HTML §9.2.3).
   *
   * @default 200
   */
  readonly status?: number | undefined;
  /** They replace the headers of an event stream and those already on the response. Names are case-insensitive. */
  readonly headers?: HeaderOptions | undefined;
  /**
   * Each cookie becomes a `Set-Cookie` header (RFC 6265 §4.1).
   *
   * @default none
   */
  readonly cookies?: Cookies | undefined;
}

/** Headers that an event stream cannot have, with the reason. */
const REFUSED = new Map([
  ['content-type', 'an event stream is text/event-stream; charset=utf-8, or no client reads it'],
  ['content-length', 'the length of an event stream is not known before its end'],
  ['connection', 'HTTP/2 forbids it, and HTTP/1.1 keeps connections by itself'],
  ['keep-alive', 'HTTP/2 forbids it, and HTTP/1.1 keeps connections by itself'],
  ['transfer-encoding', 'the server frames the body, and HTTP/2 forbids it'],
  ['upgrade', 'an event stream is an ordinary response'],
  ['proxy-connection', 'HTTP/2 forbids it, and no standard defines it'],
  ['http2-settings', 'HTTP/2 forbids it, and only a request has it'],
  ['te', 'HTTP/2 forbids it in a response'],
]);

/** The characters that Node accepts (RFC 9110 §5.5). The class Headers accepts more control characters. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Why an event stream cannot have this header; `undefined` if it can. */
export function whyNoHeader(name: string, value: string): string | undefined {
  const why = REFUSED.get(name.toLowerCase());
  if (why !== undefined) return `${name} cannot be set: ${why}`;
  if (VALUE.test(value)) return undefined;
  return `the value of ${name} has a character that no header can have (a control character, or one beyond U+00FF)`;
}

/** Statuses whose responses have no body (WHATWG Fetch §2.2.3). */
const BODILESS = new Set([204, 205, 304]);

/** @throws LinefeedError `invalid_option` */
export function readHead({ status = 200, headers = {}, cookies = [] }: HeadOptions): {
  status: number;
  headers: HeaderList;
} {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new LinefeedError(
      'invalid_option',
      `status must be a whole number from 200 to 599, not ${String(status)}.`,
    );
  }
  if (BODILESS.has(status)) {
    throw new LinefeedError(
      'invalid_option',
      `status ${status} has no body, so the content cannot be sent; answer it without an event stream: new Response(null, { status: ${status} }).`,
    );
  }
  const own = [...pairs(headers)].map(([name, value]) => checked(name, value));
  const set = formatCookies(cookies).map((value) => ['set-cookie', value] as const);
  return { status, headers: eventStreamHeaders([...own, ...set]) };
}

function* pairs(headers: HeaderOptions): Generator<readonly [string, string]> {
  if (Symbol.iterator in headers) return yield* headers as Iterable<readonly [string, string]>;
  for (const [name, value] of Object.entries<HeaderValue>(headers)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) yield [name, String(one)];
  }
}

/** Checks a header with the Headers class, so that no adapter throws while it writes the head. */
function checked(name: string, value: string): readonly [string, string] {
  const refused = whyNoHeader(name, value);
  if (refused !== undefined) throw new LinefeedError('invalid_option', `headers: ${refused}.`);
  try {
    const [pair] = new Headers([[name, value]]);
    return pair!;
  } catch (error) {
    throw new LinefeedError(
      'invalid_option',
      `headers: ${JSON.stringify(name)} is not the name of a header.`,
      {
        cause: error,
      },
    );
  }
}
