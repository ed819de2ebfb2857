/** Changes of the subscription list over an open connection: one request in flight, the rest gathered behind it. */
import type { ControlRequest } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import { send as sendRequest } from './request.ts';
import type { RequestOptions } from './transport.ts';

/** What a control request asks for. */
export type Change = Required<Pick<ControlRequest, 'add' | 'remove'>>;

export interface ControlOptions {
  readonly clock: Clock;
  /** Takes what is to be changed; nothing of it is handed out again. */
  readonly take: () => Change;
  /** Sends a request and gives the status of its answer; `signal`: nobody waits for it any more. */
  readonly send: (request: ControlRequest, signal: AbortSignal) => Promise<number>;
  /** It did not work out: another connection, opened with the new list, will. */
  readonly onFailure: () => void;
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

export function createControl({ clock, take, send, onFailure }: ControlOptions): Control {
  let connection: string | undefined;
  let n = 0;
  /** Answers that the request in flight still waits for. */
  let open = 0;
  let cancelTimer = () => {};
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
    const fail = () => signal.aborted || onFailure();
    cancelTimer = clock.after(OUTCOME_TIMEOUT_MS, fail);
    send({ connection, n, ...change }, signal).then(
      (status) => (status === 202 ? signal.aborted || outcome(sent) : fail()),
      fail,
    );
  };

  const outcome = (of: number | undefined) => {
    if (of === n && open > 0) {
      open -= 1;
      if (open === 0) cancelTimer();
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

/** Sends a control request by HTTP. */
export async function sendChange(
  options: RequestOptions,
  request: ControlRequest,
  signal: AbortSignal | null = null,
): Promise<number> {
  const { status, body } = await sendRequest(options, options.url, request, signal);
  body?.cancel().catch(() => {});
  return status;
}
