/**
 * Changes the subscription list of an open connection. One request is in flight; later changes wait and share the next
 * one.
 */
import { LinefeedError } from '@linefeed/shared';
import type { ControlRequest } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { send as sendRequest, toError } from '../transport/request.ts';
import { NO_FAILURES, planRetry, type RetryHistory } from '../connection/retry-policy.ts';
import type { RequestOptions } from '../transport/transport.ts';

/** The changes in one control request. */
export type Change = Required<Pick<ControlRequest, 'add' | 'remove'>>;

/**
 * Called when a request failed. `error` is set if the server refused it. Returns true to send it again, false to drop it
 * and keep this connection, `undefined` if a new connection opens with the new list.
 */
type OnFailure = (change: Change, error: LinefeedError | undefined) => boolean | undefined;

export interface Control {
  /** A connection is open, or (`undefined`) has ended. */
  readonly reset: (connection?: string) => void;
  /** Sends pending changes, if any. */
  readonly flush: () => void;
  /** The server answered; `n` is the number of the request that the answer belongs to, if any. */
  readonly outcome: (n: number | undefined) => void;
}

const OUTCOME_TIMEOUT_MS = 5_000;

// These codes mean another server process or another user. A new connection fixes both, so the first failure is not
// reported.
const MENDED = ['unknown_connection', 'forbidden'];

/**
 * - `take` returns the pending changes and marks them as sent.
 * - `send` sends a request and resolves with the response's status. It throws the refusal. `signal` aborts when the
 *   connection has ended.
 * - `onRefused` is called for a refusal that a new connection does not fix; at most once until a request succeeds.
 */
export function createControl(
  clock: Clock,
  take: () => Change,
  send: (request: ControlRequest, signal: AbortSignal) => Promise<number>,
  onFailure: OnFailure,
  onRefused?: (error: LinefeedError) => void,
): Control {
  let connection: string | undefined;
  let n = 0;
  /** Number of outstanding answers to the request in flight. */
  let open = 0;
  let cancelTimer = () => {};
  /** Consecutive failures, across connections. */
  let history: RetryHistory = NO_FAILURES;
  let reported = false;
  // Aborts the requests of this connection: a hanging request occupies one of the browser's six connections per origin.
  let controller = new AbortController();

  const flush = () => {
    if (connection === undefined || open > 0) return;
    const change = take();
    open = change.add.length + change.remove.length;
    if (open === 0) return;
    // One answer per change, and one for the status.
    open += 1;
    attempt({ connection, n: (n += 1), ...change });
  };

  const attempt = (request: ControlRequest & Change) => {
    controller = new AbortController();
    const { signal } = controller;
    let isTaken = false;
    const fail = (cause?: unknown) => {
      if (signal.aborted) return;
      controller.abort();
      const error = LinefeedError.is(cause) && cause.status !== undefined ? cause : undefined;
      const plan = planRetry(history, {}, undefined, clock.now(), clock.random());
      history = plan;
      if (error && !error.retryable && !reported && (plan.failures > 1 || !MENDED.includes(error.code))) {
        reported = true;
        onRefused?.(error);
      }
      const goOn = () => {
        const isAgain = onFailure(request, error);
        // The server may have applied this request. A second attempt is safe: the server applies each number once.
        if (isAgain && !isTaken) attempt(request);
        else if (isAgain !== undefined) {
          open = 0;
          flush();
        }
      };
      cancelTimer();
      // After the second failure in a row, gather changes during a wait. Otherwise each change would cost a new
      // connection.
      if (plan.failures > 1) cancelTimer = clock.after(plan.delayMs, goOn);
      else goOn();
    };
    cancelTimer = clock.after(OUTCOME_TIMEOUT_MS, fail);
    send(request, signal).then((status) => {
      isTaken = status === 202;
      if (!isTaken) fail();
      else if (!signal.aborted) outcome(request.n);
    }, fail);
  };

  const outcome = (of: number | undefined) => {
    if (of === n && open > 0) {
      open -= 1;
      if (open === 0) {
        cancelTimer();
        history = NO_FAILURES;
        reported = false;
      }
    }
    flush();
  };

  return {
    reset(next) {
      cancelTimer();
      controller.abort();
      connection = next;
      n = open = 0;
      flush();
    },
    flush,
    outcome,
  };
}

/** Sends a control request over HTTP. Throws the refusal. */
export async function sendChange(
  options: RequestOptions,
  request: ControlRequest,
  signal: AbortSignal | null = null,
): Promise<number> {
  const response = await sendRequest(options, options.url, request, signal);
  const { status, body } = response;
  if (status !== 202) throw await toError(response);
  body?.cancel().catch(() => {});
  return status;
}

/** The report of a refused control request. The message of a feed's own code already has the cause. */
export function toRefusedPost({ code, message, status }: LinefeedError): LinefeedError {
  const advice = /^(http_|wrong)/.test(code) ? 'Check routes, redirects, CSRF and firewalls: ' : '';
  const text = `POST is refused: each change opens a connection. ${advice}${message}`;
  return new LinefeedError(code, text, { status });
}
