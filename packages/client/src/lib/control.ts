/** Changes of the subscription list over an open connection: one request in flight, the rest gathered behind it. */
import { LinefeedError } from '@linefeed/shared';
import type { ControlRequest } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import { send as sendRequest, toError } from './request.ts';
import { NO_FAILURES, planRetry, type RetryHistory } from './retry-policy.ts';
import type { RequestOptions } from './transport.ts';

/** What a control request asks for. */
export type Change = Required<Pick<ControlRequest, 'add' | 'remove'>>;

export interface ControlOptions {
  readonly clock: Clock;
  /** Takes what is to be changed; nothing of it is handed out again. */
  readonly take: () => Change;
  /** Sends a request and gives the status of its answer; `signal`: nobody waits for it any more. Throws what refuses. */
  readonly send: (request: ControlRequest, signal: AbortSignal) => Promise<number>;
  /** Told of refusals that another connection does not mend: once until a request works. */
  readonly onRefused?: (error: LinefeedError) => void;
  /**
   * It did not work out: another connection, opened with the new list, will. `error`: the server has refused `change`,
   * and applied nothing of it. True: this connection goes on.
   */
  readonly onFailure: (change: Change, error: LinefeedError | undefined) => boolean;
}

export interface Control {
  /** A connection is open, or (`undefined`) is gone. */
  readonly reset: (connection?: string) => void;
  /** There may be something to change. */
  readonly flush: () => void;
  /** The server said something; `n` is the number of the request that asked for it, if one did. */
  readonly outcome: (n: number | undefined) => void;
}

const OUTCOME_TIMEOUT_MS = 5_000;

// Another server, or another visitor: a new connection is of both.
const MENDED = ['unknown_connection', 'forbidden'];

export function createControl({ clock, take, send, onRefused, onFailure }: ControlOptions): Control {
  let connection: string | undefined;
  let n = 0;
  /** Answers that the request in flight still waits for. */
  let open = 0;
  let cancelTimer = () => {};
  /** Failures in a row, over any number of connections. */
  let history: RetryHistory = NO_FAILURES;
  let reported = false;
  // Of this connection: a request that hangs would keep one of the six places that a browser has for an origin.
  let controller = new AbortController();

  const flush = () => {
    if (connection === undefined || open > 0) return;
    const change = take();
    const outcomes = change.add.length + change.remove.length;
    if (outcomes === 0) return;
    // Its status is one more.
    open = outcomes + 1;
    n += 1;
    const sent = n;
    const { signal } = controller;
    let failed = false;
    const fail = (cause?: unknown) => {
      if (signal.aborted || failed) return;
      failed = true;
      const error = LinefeedError.is(cause) && cause.status !== undefined ? cause : undefined;
      const plan = planRetry(history, { connectedMs: undefined }, undefined, clock.now(), clock.random());
      history = plan;
      if (error && !error.retryable && !reported && (plan.failures > 1 || !MENDED.includes(error.code))) {
        reported = true;
        onRefused?.(error);
      }
      const goOn = () => {
        if (!onFailure(change, error)) return;
        open = 0;
        flush();
      };
      cancelTimer();
      // Where it fails each time, changes are gathered: a connection for each would cost more than it waits.
      if (plan.failures > 1) cancelTimer = clock.after(plan.delayMs, goOn);
      else goOn();
    };
    cancelTimer = clock.after(OUTCOME_TIMEOUT_MS, fail);
    send({ connection, n, ...change }, signal).then(
      (status) => (status === 202 ? signal.aborted || outcome(sent) : fail()),
      fail,
    );
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
      controller = new AbortController();
      connection = next;
      n = open = 0;
      flush();
    },
    flush,
    outcome,
  };
}

/** Sends a control request by HTTP. Throws what refuses it. */
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
