/** Retry policy. Pure: time and random number are arguments. */

/** The waits between attempts to connect. Each wait is random, between `floorMs` and its upper bound. */
export interface RetryOptions {
  /**
   * Upper bound of the first wait, in milliseconds. It doubles with each failure.
   *
   * @default the server's `retry:`, else 1,000
   */
  baseMs?: number | undefined;
  /**
   * Lower bound of every wait, in milliseconds, except the first one after a connection that worked.
   *
   * @default 500
   */
  floorMs?: number | undefined;
  /**
   * Upper bound of every wait, in milliseconds, except one that the server requests.
   *
   * @default 30,000
   */
  capMs?: number | undefined;
  /**
   * Consecutive failures after which the connection is `failed`.
   *
   * @default `false`: no limit
   */
  maxAttempts?: number | false | undefined;
}

/** The state that the policy keeps between attempts. */
export interface RetryHistory {
  /** Failures since the last stable connection. */
  readonly failures: number;
  /** When the last quick reconnect was granted, in milliseconds since 1970. */
  readonly quickAt: number;
}

export const NO_FAILURES: RetryHistory = { failures: 0, quickAt: -Infinity };

/** How an attempt ended. */
export interface Loss {
  /** How long the connection was `connected`, in milliseconds. `undefined`: never. */
  readonly connectedMs?: number | undefined;
  /**
   * A planned end and its wait in milliseconds: requested by the server, or 0 for a reopen by the client. Not a
   * failure.
   */
  readonly afterMs?: number | undefined;
  /**
   * The server ended the connection of this user. If that happens again soon after connecting, it counts as a failure and
   * the wait grows.
   */
  readonly isDismissal?: boolean | undefined;
  /** `Retry-After`, in seconds. */
  readonly retryAfter?: string | undefined;
  /** The server's `retry:`, in milliseconds. */
  readonly retryMs?: number | undefined;
}

/** The decision, and the history to keep. */
export interface Retry extends RetryHistory {
  readonly delayMs: number;
  /** The wait that the server requested, in milliseconds. No page hint shortens it. */
  readonly askedMs: number;
  /** `maxAttempts` is reached. */
  readonly exhausted: boolean;
}

export const STABLE_MS = 5_000;
const QUICK_EVERY_MS = 5_000;
const QUICK_MS = 500;
// A longer requested wait is treated as a server's mistake.
const MAX_ASKED_MS = 86_400_000;

/**
 * Full jitter between the floor and a doubling bound. A connection that reached `hello` reconnects within 500 ms, so
 * that a deploy is not noticed. That happens at most once in 5 s: a server that accepts and drops must not be flooded.
 */
export function planRetry(
  { failures, quickAt }: RetryHistory,
  { connectedMs, afterMs, isDismissal, retryAfter = '', retryMs }: Loss,
  { baseMs = retryMs ?? 1_000, floorMs = 500, capMs = 30_000, maxAttempts }: RetryOptions = {},
  nowMs: number,
  chance: number,
): Retry {
  const isStable = connectedMs! >= STABLE_MS;
  const planned = afterMs !== undefined && (isStable || !isDismissal);
  if (isStable) failures = 0;
  if (!planned) failures += 1;
  const quick = (planned || (connectedMs !== undefined && !isDismissal)) && nowMs - quickAt >= QUICK_EVERY_MS;
  const boundMs = Math.min(capMs, Math.max(floorMs, baseMs) * 2 ** (failures - 1));
  const askedMs = Math.min(MAX_ASKED_MS, Math.max(afterMs ?? 0, Number(retryAfter) * 1_000 || 0));
  const jitterMs = planned ? 0 : chance * (quick ? QUICK_MS : boundMs);
  return {
    failures,
    quickAt: quick ? nowMs : quickAt,
    exhausted: failures >= (maxAttempts || Infinity),
    askedMs,
    delayMs: Math.max(askedMs, jitterMs, quick ? 0 : floorMs),
  };
}
