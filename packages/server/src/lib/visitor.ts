/** Who asks: runs `context`, and reads from its result what concerns the feed. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import { createExpiredReporter, createExpiry, NEVER, type Expiry } from './expiry.ts';
import { whyNoHeader } from './head.ts';
import { isThenable } from './source.ts';
import { toReportedRefusal, type HeaderList, type IncomingRequest } from './exchange.ts';

/** `context` as the core calls it. */
export type Identify = (
  request: Request,
  reply: { readonly headers: Headers },
  runtime: { readonly req: unknown },
) => unknown;

/** What is known of a connection by who opened it. */
export interface Identified {
  readonly id: string;
  readonly context: unknown;
  readonly principal: string | undefined;
  /** Event names of its subscriptions; a visitor has none yet. */
  events?(): Iterable<string>;
}

export interface Visitor extends Identified {
  /** Of the connection that it may come to. */
  readonly id: string;
  readonly context: unknown;
  readonly principal: string | undefined;
  /** When the context expires: deciding takes time, too. */
  readonly expiry: Expiry;
  /** What the answer must bear: CORS, and what `context` set. */
  readonly headers: HeaderList;
}

export interface IdentifyOptions {
  readonly readSession: ReadSession;
  readonly onError: (error: unknown) => void;
}

type MaybeRefused = Visitor & { readonly error?: unknown };

/**
 * `error` is set where `context` refused; the headers it set before count all the same (a challenge, a cookie). A promise
 * only where `context` returns one.
 */
export function identify(
  request: IncomingRequest,
  cors: HeaderList,
  run: Identify | undefined,
  { readSession, onError }: IdentifyOptions,
): MaybeRefused | Promise<MaybeRefused> {
  const nobody: Visitor = {
    id: randomId(),
    context: undefined,
    principal: undefined,
    expiry: NEVER,
    headers: cors,
  };
  if (run === undefined) return nobody;
  const reply = { headers: new Headers() };
  const admit = (context: unknown): Visitor => {
    checkHeaders(reply.headers);
    return {
      id: nobody.id,
      context,
      ...readSession(context),
      headers: [...cors, ...reply.headers],
    };
  };
  const refuse = (error: unknown): MaybeRefused => ({
    ...nobody,
    // One that cannot be sent would take the refusal with it.
    headers: [
      ...cors,
      ...[...reply.headers].filter(([name, value]) => whyNoHeader(name, value) === undefined),
    ],
    error: toReportedRefusal(error, onError),
  });
  try {
    const context = run(request.toRequest(), reply, { req: request.req });
    return isThenable(context) ? Promise.resolve(context).then(admit).catch(refuse) : admit(context);
  } catch (error) {
    return refuse(error);
  }
}

/** Reads what a context says of who it is, and until when. @throws LinefeedError `invalid_option` */
export type ReadSession = (context: unknown) => Session;

interface Session {
  readonly principal: string | undefined;
  readonly expiry: Expiry;
}

/** `onError` is told of contexts that are over when they arrive. */
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

/** Taken for none, a wrong one would share connections and lift the limit of each principal. */
function readPrincipal(principal: unknown): string | undefined {
  if (principal === undefined || typeof principal === 'string') return principal;
  throw new LinefeedError(
    'invalid_option',
    `context returned a principal that is ${describe(principal)}; it must be a string (String(user.id)), or be left out.`,
  );
}

/** Taken for none, a wrong one would let a session live on. */
function readExpiry(expiresAt: unknown = Infinity): number {
  const expiry = expiresAt instanceof Date ? expiresAt.getTime() : expiresAt;
  if (typeof expiry === 'number' && !Number.isNaN(expiry)) return expiry;
  throw new LinefeedError(
    'invalid_option',
    `context returned an expiresAt that is ${describe(expiresAt)}; it must be a number (milliseconds since 1970) or a Date: new Date(session.expiresAt), or be left out.`,
  );
}

/** By its kind: a value may be a secret. */
function describe(value: unknown): string {
  if (value instanceof Date) return 'an Invalid Date';
  return value === null || Number.isNaN(value) ? String(value) : `of the type ${typeof value}`;
}

const HEX_DIGITS = new TextEncoder().encode('0123456789abcdef');
const ID_BYTES = 16;
/** Drawing random bytes takes 2 to 5 µs, however few they are: they are drawn for so many ids at once. */
const IDS_PER_DRAW = 64;
const drawn = new Uint8Array(IDS_PER_DRAW * ID_BYTES);
let used = drawn.byteLength;

/** 128 random bits: whoever has the id of a connection may change what is subscribed on it. */
export function randomId(): string {
  if (used === drawn.byteLength) {
    crypto.getRandomValues(drawn);
    used = 0;
  }
  const digits: number[] = [];
  for (const end = used + ID_BYTES; used < end; used += 1) {
    const byte = drawn[used]!;
    digits.push(HEX_DIGITS[byte >> 4]!, HEX_DIGITS[byte & 15]!);
  }
  // In one piece: a string put together from pieces keeps them, 800 bytes of them.
  return String.fromCharCode(...digits);
}

function checkHeaders(headers: Headers): void {
  for (const [name, value] of headers) {
    const refused = whyNoHeader(name, value);
    if (refused === undefined) continue;
    throw new LinefeedError('invalid_option', `context set a header that cannot be sent: ${refused}.`);
  }
}
