/** Who may ask from a browser: the origin check of every request, and the CORS headers of those allowed. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Answer, HeaderList, IncomingRequest } from './exchange.ts';

export interface CorsOptions {
  /** Exact origins (`https://app.example.com`) besides the server's own. */
  readonly origins: readonly string[];
  /** Whether they may send cookies. Default false. */
  readonly credentials?: boolean | undefined;
}

/** Response headers that scripts of other origins may read. */
const EXPOSED = 'Retry-After';
const PREFLIGHT_MAX_AGE_S = 600;

/**
 * The CORS headers of the answer to this request.
 *
 * A GET counts too: one from a foreign page would start a paid run, though the page never reads the answer.
 *
 * @throws LinefeedError `forbidden_origin`
 */
export function checkOrigin(request: IncomingRequest, cors: CorsOptions | undefined): HeaderList {
  const origin = request.header('origin');
  if (origin !== undefined && cors?.origins.includes(origin) === true) return corsHeaders(origin, cors);
  const site = request.header('sec-fetch-site');
  const foreign =
    site === undefined
      ? origin !== undefined && !isOwnOrigin(origin, request)
      : site === 'cross-site' ||
        (origin !== undefined && site !== 'same-origin' && !isOwnOrigin(origin, request));
  if (foreign) {
    throw refusal(
      'forbidden_origin',
      `The origin ${origin ?? `of a ${site ?? 'foreign'} page`} is not allowed; name it in the option cors.origins if it should be.`,
    );
  }
  return cors === undefined ? [] : [['vary', 'Origin']];
}

/** Answers the preflight of an allowed origin. */
export function answerPreflight(headers: HeaderList): Answer {
  return {
    status: 204,
    headers: [
      ...headers,
      ['access-control-allow-methods', 'GET, HEAD, POST'],
      ['access-control-allow-headers', 'authorization, content-type, last-event-id'],
      ['access-control-max-age', String(PREFLIGHT_MAX_AGE_S)],
    ],
    body: undefined,
  };
}

/** @throws LinefeedError `invalid_option` */
export function checkCorsOptions(cors: CorsOptions | undefined): void {
  for (const origin of cors?.origins ?? []) {
    const parsed = URL.canParse(origin) ? new URL(origin).origin : undefined;
    if (parsed === origin) continue;
    throw new LinefeedError(
      'invalid_option',
      `cors.origins must be exact origins such as "https://app.example.com", not ${JSON.stringify(origin)}${parsed === undefined || parsed === 'null' ? '' : ` (did you mean ${JSON.stringify(parsed)}?)`}.`,
    );
  }
}

function corsHeaders(origin: string, { credentials }: CorsOptions): HeaderList {
  return [
    ['access-control-allow-origin', origin],
    ['vary', 'Origin'],
    ['access-control-expose-headers', EXPOSED],
    ...(credentials === true ? ([['access-control-allow-credentials', 'true']] as const) : []),
  ];
}

// By host, not by origin: behind a proxy that ends TLS this server sees http.
function isOwnOrigin(origin: string, request: IncomingRequest): boolean {
  return URL.canParse(origin) && new URL(origin).host === request.url.host;
}
