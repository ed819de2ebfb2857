/** Identifies a request: runs `context`, and reads the fields of its result that concern the feed. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { randomId } from '../base/random-id.ts';
import { createExpiredReporter, createExpiry, NEVER, type Expiry } from '../base/expiry.ts';
import { whyNoHeader } from '../http/head.ts';
import { isThenable } from '../base/promise.ts';
import { toReportedRefusal, type HeaderList, type HttpRequest } from '../http/http.ts';

/** `context` as the core calls it. */
export type Identify = (
  request: Request,
  reply: { readonly headers: Headers },
  runtime: { readonly req: unknown },
) => unknown;

/** The identity of a connection or request: its id, context and principal. */
export interface Identity {
  readonly id: string;
  readonly context: unknown;
  readonly principal: string | undefined;
  /** Event names of its subscriptions. A request without a connection has none. */
  eventNames?(): Iterable<string>;
}

export interface RequestIdentity extends Identity {
  /** The id of the connection that it may open. */
  readonly id: string;
  readonly context: unknown;
  readonly principal: string | undefined;
  /** When the context expires. It may expire while the request is decided on. */
  readonly expiry: Expiry;
  /** Headers that the answer must have: CORS, and those set by `context`. */
  readonly headers: HeaderList;
}

type MaybeRejected = RequestIdentity & { readonly error?: unknown };

/**
 * `error` is set if `context` refused. The headers that it set before are still sent (a challenge, a cookie). Returns a
 * promise only if `context` does.
 */
export function identify(
  request: HttpRequest,
  cors: HeaderList,
  run: Identify | undefined,
  readSession: ReadSession,
  onError: (error: unknown) => void,
): MaybeRejected | Promise<MaybeRejected> {
  const anonymous: RequestIdentity = {
    id: randomId(),
    context: undefined,
    principal: undefined,
    expiry: NEVER,
    headers: cors,
  };
  if (run === undefined) return anonymous;
  const reply = { headers: new Headers() };
  const accept = (context: unknown): RequestIdentity => {
    checkHeaders(reply.headers);
    return {
      id: anonymous.id,
      context,
      ...readSession(context),
      headers: [...cors, ...reply.headers],
    };
  };
  const refuse = (error: unknown): MaybeRejected => ({
    ...anonymous,
    // Omit headers that cannot be sent: they would make the refusal itself fail.
    headers: [
      ...cors,
      ...[...reply.headers].filter(([name, value]) => whyNoHeader(name, value) === undefined),
    ],
    error: toReportedRefusal(error, onError),
  });
  try {
    const context = run(request.toRequest(), reply, { req: request.req });
    return isThenable(context) ? Promise.resolve(context).then(accept).catch(refuse) : accept(context);
  } catch (error) {
    return refuse(error);
  }
}

/** Reads the principal and the expiry of a context. @throws LinefeedError `invalid_option` */
export type ReadSession = (context: unknown) => Session;

interface Session {
  readonly principal: string | undefined;
  readonly expiry: Expiry;
}

/** Calls `onError` for a context that had expired when it arrived. */
export function createSessionReader({
  clock,
  onError,
}: {
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): ReadSession {
  const reportExpired = createExpiredReporter(clock, onError);
  return (context) => {
    const { principal, expiresAt } = (typeof context === 'object' && context !== null ? context : {}) as {
      principal?: unknown;
      expiresAt?: unknown;
    };
    const wallMs = readExpiry(expiresAt);
    const session = { principal: readPrincipal(principal), expiry: createExpiry(clock, wallMs) };
    if (session.expiry.wasOver) reportExpired(wallMs);
    return session;
  };
}

/**
 * Reject a non-string principal: treating it as undefined would merge users and bypass `maxConnectionsPerPrincipal`.
 */
function readPrincipal(principal: unknown): string | undefined {
  if (principal === undefined || typeof principal === 'string') return principal;
  throw new LinefeedError(
    'invalid_option',
    `context returned a principal that is ${describe(principal)}; it must be a string (String(user.id)), or be left out.`,
  );
}

/** Reject an invalid expiry: treating it as undefined would keep the session alive without limit. */
function readExpiry(expiresAt: unknown = Infinity): number {
  const expiry = expiresAt instanceof Date ? expiresAt.getTime() : expiresAt;
  if (typeof expiry === 'number' && !Number.isNaN(expiry)) return expiry;
  throw new LinefeedError(
    'invalid_option',
    `context returned an expiresAt that is ${describe(expiresAt)}; it must be a number (milliseconds since 1970) or a Date: new Date(session.expiresAt), or be left out.`,
  );
}

/** Describes only the type: the value may be a secret. */
function describe(value: unknown): string {
  if (value instanceof Date) return 'an Invalid Date';
  return value === null || Number.isNaN(value) ? String(value) : `of the type ${typeof value}`;
}

function checkHeaders(headers: Headers): void {
  for (const [name, value] of headers) {
    const refused = whyNoHeader(name, value);
    if (refused === undefined) continue;
    throw new LinefeedError('invalid_option', `context set a header that cannot be sent: ${refused}.`);
  }
}
