/** Who asks: runs `context`, and reads from its result what concerns the feed. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import { toReportedRefusal, type HeaderList, type IncomingRequest } from './exchange.ts';

/** `context` as the core calls it. */
export type Identify = (request: Request, reply: { readonly headers: Headers }) => unknown;

export interface Visitor {
  readonly context: unknown;
  readonly principal: string | undefined;
  /** Until `expiresAt` of the context. */
  readonly expiresInMs: number;
  /** What the answer must bear: CORS, and what `context` set. */
  readonly headers: HeaderList;
}

/** `error` is set where `context` refused; the headers it set before count all the same (a challenge, a cookie). */
export async function identify(
  request: IncomingRequest,
  cors: HeaderList,
  run: Identify | undefined,
  { clock, onError }: { readonly clock: Clock; readonly onError: (error: unknown) => void },
): Promise<Visitor & { readonly error?: unknown }> {
  const nobody: Visitor = { context: undefined, principal: undefined, expiresInMs: Infinity, headers: cors };
  if (run === undefined) return nobody;
  const reply = { headers: new Headers() };
  try {
    const context = await run(request.toRequest(), reply);
    checkHeaders(reply.headers);
    const { principal, expiresAt } = (typeof context === 'object' && context !== null ? context : {}) as {
      principal?: unknown;
      expiresAt?: unknown;
    };
    const expiry = expiresAt instanceof Date ? expiresAt.getTime() : expiresAt;
    return {
      context,
      principal: typeof principal === 'string' ? principal : undefined,
      expiresInMs: typeof expiry === 'number' ? expiry - clock.wallNow() : Infinity,
      headers: [...cors, ...reply.headers],
    };
  } catch (error) {
    return { ...nobody, headers: [...cors, ...reply.headers], error: toReportedRefusal(error, onError) };
  }
}

function checkHeaders(headers: Headers): void {
  for (const name of ['content-type', 'content-length']) {
    if (!headers.has(name)) continue;
    throw new LinefeedError(
      'invalid_option',
      `context set the header ${name}, which the feed sets by itself; remove it.`,
    );
  }
}
