/** Who may ask from a browser: the origin check of every request, and the CORS headers of those allowed. */
import { CODE_HEADER, LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Answer, HeaderList, IncomingRequest } from './exchange.ts';
import { isProduction, warn } from './report.ts';

export interface CorsOptions {
  /**
   * Exact origins besides the server's own: `https://app.example.com`, or of another scheme, such as
   * `capacitor://localhost` or `chrome-extension://<id>`.
   */
  readonly origins: readonly string[];
  /**
   * Request headers that their pages may send, besides `authorization`, `content-type` and `last-event-id`. Exact
   * names. A browser does not send a request with any other header, and does not tell the page why.
   */
  readonly headers?: readonly string[] | undefined;
  /** Whether they may send cookies. Default false. */
  readonly credentials?: boolean | undefined;
}

/** Response headers that scripts of other origins may read. */
const EXPOSED = `Retry-After, ${CODE_HEADER}`;
const PREFLIGHT_MAX_AGE_S = 600;
const ALLOWED_HEADERS = ['authorization', 'content-type', 'last-event-id'];
/** A crowd of foreign pages must not fill the console or the memory. */
const MAX_NAMED_ORIGINS = 20;
const MAX_NAMED_LENGTH = 200;

/** Throws `forbidden_origin`, or gives the CORS headers of the answer to this request. */
export type OriginCheck = (request: IncomingRequest) => HeaderList;

/**
 * The check of one feed.
 *
 * A GET counts too: one from a foreign page would start a paid run, though the page never reads the answer.
 */
export function createOriginCheck(cors: CorsOptions | undefined): OriginCheck {
  const named = new Set<string>();
  return (request) => {
    // <img>, <script>, <iframe> and links send the visitor's cookies, and need no permission of the server.
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

/** A browser that sends Sec-Fetch-Site knows more than hosts tell: a proxy may have changed the Host. */
function isForeign(site: string | undefined, origin: string | undefined, request: IncomingRequest): boolean {
  if (site === 'same-origin') return false;
  // A sibling subdomain is another origin. An <img> of it has the cookies of this one, and no Origin.
  if (site !== undefined && site !== 'none') return true;
  return origin !== undefined && !isOwnOrigin(origin, request);
}

// By host, not by origin: behind a proxy that ends TLS this server sees http.
function isOwnOrigin(origin: string, { url }: IncomingRequest): boolean {
  const asked = URL.parse(origin);
  if (asked === null || !/^https?:$/.test(asked.protocol)) return false;
  // In the scheme of the origin, so that its default port may be written out in Host.
  return URL.parse(`${asked.protocol}//${url.host}`)?.host === asked.host;
}

/** The page learns nothing of a failed preflight, so the server tells its developer. */
function nameOnce(origin: string | undefined, named: Set<string>): void {
  if (origin === undefined || named.has(origin) || named.size >= MAX_NAMED_ORIGINS || isProduction()) return;
  if (origin.length > MAX_NAMED_LENGTH || toOrigin(origin) !== origin) return;
  named.add(origin);
  warn(
    `a page of the origin ${quote(origin)} was refused. If it should be served, list it: cors: { origins: [${quote(origin)}] }.`,
  );
}

/** Answers the preflight of an allowed origin. */
export function answerPreflight(headers: HeaderList, cors: CorsOptions | undefined): Answer {
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

/** As a browser sends it. `undefined`: it has no host, so none does. */
function toOrigin(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || url.host === '') return undefined;
  // Of a scheme that is not of the web, `origin` is "null"; apps and extensions send scheme and host all the same.
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
