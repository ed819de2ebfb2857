/** `Set-Cookie` values (RFC 6265 §4.1), with the attributes that browsers know. */
import { LinefeedError } from '@linefeed/shared/wire';

/** A cookie and its attributes (RFC 6265 §4.1). */
export interface Cookie {
  /** A token: letters, digits and ``!#$%&'*+-.^_`|~``. */
  readonly name: string;
  /** Any text. Percent-encoded on the wire; most servers decode it. */
  readonly value: string;
  /** Seconds from now; 0 deletes the cookie. */
  readonly maxAgeSeconds?: number | undefined;
  /**
   * When the cookie expires. `maxAgeSeconds` has precedence.
   *
   * @default with the session of the browser
   */
  readonly expires?: Date | undefined;
  /**
   * The domain whose hosts get the cookie.
   *
   * @default only the host that sets it
   */
  readonly domain?: string | undefined;
  /**
   * The path below which requests have the cookie.
   *
   * @default the directory of the request's path
   */
  readonly path?: string | undefined;
  /**
   * Sent only over HTTPS.
   *
   * @default false
   */
  readonly secure?: boolean | undefined;
  /**
   * Hidden from scripts.
   *
   * @default false
   */
  readonly httpOnly?: boolean | undefined;
  /**
   * Whether requests from other sites have the cookie. `none` needs `secure`.
   *
   * @default the browser's, usually `lax`
   */
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined;
  /** Separate cookies for each top-level site (CHIPS). Needs `secure`. */
  readonly partitioned?: boolean | undefined;
}

/** A list of cookies, or names and values if no attributes are needed. */
export type Cookies = readonly Cookie[] | Readonly<Record<string, string>>;

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]*$/;
const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const;

/**
 * Formats the values of the `Set-Cookie` headers.
 *
 * @throws LinefeedError `invalid_option` for a cookie that would break the header, or that every browser drops.
 */
export function formatCookies(cookies: Cookies): string[] {
  return isList(cookies)
    ? cookies.map(formatCookie)
    : Object.entries(cookies).map(([name, value]) => formatCookie({ name, value }));
}

function isList(cookies: Cookies): cookies is readonly Cookie[] {
  return Array.isArray(cookies);
}

function formatCookie(cookie: Cookie): string {
  const { name, value, maxAgeSeconds, expires, domain, path, secure, httpOnly, sameSite, partitioned } =
    cookie;
  if (typeof name !== 'string' || !NAME.test(name)) throw refused(name, 'a cookie cannot have this name');
  if (typeof value !== 'string') throw refused(name, `its value must be a string, not ${typeof value}`);
  if (!value.isWellFormed()) throw refused(name, 'its value has a lone surrogate in it');
  let line = `${name}=${encodeURIComponent(value)}`;
  if (maxAgeSeconds !== undefined) {
    if (!Number.isSafeInteger(maxAgeSeconds))
      throw refused(name, `maxAgeSeconds must be a whole number, not ${maxAgeSeconds}`);
    line += `; Max-Age=${maxAgeSeconds}`;
  }
  if (domain !== undefined) line += `; Domain=${attribute(name, 'domain', domain)}`;
  if (path !== undefined) line += `; Path=${attribute(name, 'path', path)}`;
  if (expires !== undefined) {
    if (Number.isNaN(expires.getTime())) throw refused(name, 'expires is an invalid date');
    line += `; Expires=${expires.toUTCString()}`;
  }
  if (httpOnly === true) line += '; HttpOnly';
  if (secure === true) line += '; Secure';
  if (sameSite !== undefined) {
    const mode = Object.hasOwn(SAME_SITE, sameSite) ? SAME_SITE[sameSite] : undefined;
    if (mode === undefined)
      throw refused(name, `sameSite must be strict, lax or none, not ${JSON.stringify(sameSite)}`);
    line += `; SameSite=${mode}`;
  }
  if (partitioned === true) line += '; Partitioned';
  checkKept(cookie);
  return line;
}

/** Refuses cookies that browsers drop silently. */
function checkKept({ name, secure, domain, path, sameSite, partitioned }: Cookie): void {
  if (secure !== true) {
    if (/^__(Secure|Host)-/i.test(name)) throw refused(name, 'this prefix needs secure: true');
    if (sameSite === 'none') throw refused(name, "sameSite: 'none' needs secure: true");
    if (partitioned === true) throw refused(name, 'partitioned needs secure: true');
  }
  if (/^__Host-/i.test(name) && (path !== '/' || domain !== undefined)) {
    throw refused(name, "the prefix __Host- needs path: '/' and no domain");
  }
}

function attribute(name: string, field: string, value: string): string {
  if (typeof value !== 'string' || !ATTRIBUTE.test(value)) {
    throw refused(name, `its ${field} ${JSON.stringify(value)} has a character that a cookie cannot contain`);
  }
  return value;
}

function refused(name: string, why: string): LinefeedError {
  return new LinefeedError('invalid_option', `cookies: ${JSON.stringify(name)}: ${why}.`);
}
