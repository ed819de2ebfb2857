/** The origin check of every request from a browser, and the CORS headers for allowed origins. */
import { CODE_HEADER, LinefeedError, refusal } from '@linefeed/shared/wire';
import type { HttpResponse, HeaderList, HttpRequest } from './http.ts';
import { isProduction, warn } from '../base/report.ts';

/** Which pages of other origins may use the feed (WHATWG Fetch, CORS protocol). */
export interface CorsOptions {
  /**
   * Allowed origins besides the server's own, exact: `https://app.example.com`, or another scheme, such as
   * `capacitor://localhost` or `chrome-extension://<id>`.
   */
  readonly origins: readonly string[];
  /**
   * Request headers that pages of these origins may send, besides `authorization`, `content-type` and `last-event-id`.
   * Exact names. A browser does not send a request with any other header, and does not tell the page why.
   */
  readonly headers?: readonly string[] | undefined;
  /**
   * Whether these pages may send cookies.
   *
   * @default false
   */
  readonly credentials?: boolean | undefined;
}

/** Response headers that scripts of other origins may read. */
const EXPOSED = `Retry-After, ${CODE_HEADER}`;
const PREFLIGHT_MAX_AGE_S = 600;
const ALLOWED_HEADERS = ['authorization', 'content-type', 'last-event-id'];
/** Bounds the warnings: many foreign pages must not fill the console or the memory. */
const MAX_NAMED_ORIGINS = 20;
const MAX_NAMED_LENGTH = 200;

/** Throws `forbidden_origin`, or returns the CORS headers of the answer. */
export type OriginCheck = (request: HttpRequest) => HeaderList;

/**
 * Creates the origin check of one feed.
 *
 * A GET is checked too: one from a foreign page would start a paid run, although the page cannot read the answer.
 */
export function createOriginCheck(cors: CorsOptions | undefined): OriginCheck {
  const named = new Set<string>();
  return (request) => {
    // <img>, <script>, <iframe> and links send the user's cookies, and need no permission of the server.
    const dest = request.header('sec-fetch-dest');
    if (dest !== undefined && dest !== 'empty') {
      throw refusal(
        'forbidden_origin',
        `A browser asked for this as ${quote(dest)} (Sec-Fetch-Dest: ${dest}), which a feed does not serve; use fetch, EventSource or curl.`,
      );
    }
    const origin = request.header('origin');
    if (origin !== undefined && cors?.origins.includes(origin) === true) return corsHeaders(origin, cors);
    const site = request.header('sec-fetch-site');
    if (isForeign(site, origin, request)) {
      nameOnce(origin, named);
      throw refusal(
        'forbidden_origin',
        `The origin ${origin ?? `of a ${site ?? 'foreign'} page`} is not allowed; name it in the option cors.origins if it should be.`,
      );
    }
    return cors === undefined ? [] : [['vary', 'Origin']];
  };
}

/** Sec-Fetch-Site is more reliable than a comparison of hosts: a proxy may have changed the Host. */
function isForeign(site: string | undefined, origin: string | undefined, request: HttpRequest): boolean {
  if (site === 'same-origin') return false;
  // A sibling subdomain is another origin. Its <img> sends the cookies of this one, and no Origin.
  if (site !== undefined && site !== 'none') return true;
  return origin !== undefined && !isOwnOrigin(origin, request);
}

// Compares hosts, not origins: with a TLS-terminating proxy in front, this server receives http.
function isOwnOrigin(origin: string, { url }: HttpRequest): boolean {
  const asked = URL.parse(origin);
  if (asked === null || !/^https?:$/.test(asked.protocol)) return false;
  // Parsed with the scheme of the origin, because Host may contain that scheme's default port.
  return URL.parse(`${asked.protocol}//${url.host}`)?.host === asked.host;
}

/** A failed preflight gives the page no reason, so the server warns its developer. */
function nameOnce(origin: string | undefined, named: Set<string>): void {
  if (origin === undefined || named.has(origin) || named.size >= MAX_NAMED_ORIGINS || isProduction()) return;
  if (origin.length > MAX_NAMED_LENGTH || toOrigin(origin) !== origin) return;
  named.add(origin);
  warn(
    `a page of the origin ${quote(origin)} was refused. If it should be served, list it: cors: { origins: [${quote(origin)}] }.`,
  );
}

/** Answers the preflight of an allowed origin. */
export function respondToPreflight(headers: HeaderList, cors: CorsOptions | undefined): HttpResponse {
  const own = cors?.headers?.map((name) => name.toLowerCase()) ?? [];
  return {
    status: 204,
    headers: [
      ...headers,
      ['access-control-allow-methods', 'GET, HEAD, POST'],
      ['access-control-allow-headers', [...new Set([...ALLOWED_HEADERS, ...own])].join(', ')],
      ['access-control-max-age', String(PREFLIGHT_MAX_AGE_S)],
    ],
    body: undefined,
  };
}

const CORS_OPTIONS = ['origins', 'headers', 'credentials'] satisfies Array<keyof CorsOptions>;

/** @throws LinefeedError `invalid_option` */
export function checkCorsOptions(cors: CorsOptions | undefined): void {
  if (cors === undefined) return;
  for (const name of Object.keys(cors)) {
    if (CORS_OPTIONS.some((known) => known === name)) continue;
    throw invalid(`cors has no option ${quote(name)}; options are ${CORS_OPTIONS.join(', ')}.`);
  }
  const { origins, headers = [], credentials = false } = cors;
  if (!Array.isArray(origins)) throw invalid('cors.origins must be a list: ["https://app.example.com"].');
  if (!Array.isArray(headers)) throw invalid('cors.headers must be a list: ["x-tenant-id"].');
  if (typeof credentials !== 'boolean') throw invalid('cors.credentials must be true or false.');
  origins.forEach(checkOrigin);
  headers.forEach(checkHeader);
}

function checkOrigin(origin: unknown): void {
  const wanted = 'cors.origins must be exact origins such as "https://app.example.com"';
  if (typeof origin !== 'string') throw invalid(`${wanted}, not ${String(origin)}.`);
  if (origin.includes('*')) throw invalid(`${wanted}: it has no wildcards, and ${quote(origin)} is one.`);
  const meant = toOrigin(origin);
  if (meant === origin) return;
  const hint = meant === undefined ? '' : ` (did you mean ${quote(meant)}?)`;
  throw invalid(`${wanted}, not ${quote(origin)}${hint}.`);
}

function checkHeader(name: unknown): void {
  const wanted = 'cors.headers must be exact names of headers such as "x-tenant-id"';
  if (typeof name !== 'string') throw invalid(`${wanted}, not ${String(name)}.`);
  if (name.includes('*')) throw invalid(`${wanted}: it has no wildcards, and ${quote(name)} is one.`);
  // A token (RFC 9110 §5.6.2).
  if (!/^[\w!#$%&'+.^`|~-]+$/.test(name)) throw invalid(`${wanted}, not ${quote(name)}.`);
}

/** The origin as a browser sends it. `undefined`: the URL has no host, so no origin has this form. */
function toOrigin(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || url.host === '') return undefined;
  // For a non-web scheme, `origin` is "null". Apps and extensions send scheme and host nevertheless.
  return url.origin === 'null' ? `${url.protocol}//${url.host}` : url.origin;
}

function corsHeaders(origin: string, { credentials }: CorsOptions): HeaderList {
  return [
    ['access-control-allow-origin', origin],
    ['vary', 'Origin'],
    ['access-control-expose-headers', EXPOSED],
    ...(credentials === true ? ([['access-control-allow-credentials', 'true']] as const) : []),
  ];
}

function invalid(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
