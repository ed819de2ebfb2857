/** When to try again. Pure: time and chance are arguments. */

export interface RetryOptions {
  /** Upper end of the first wait; doubles with each failure. Default: the server's `retry:`, else 1,000. */
  baseMs?: number | undefined;
  /** No wait is shorter, save the first one behind a connection that worked. Default: 500. */
  floorMs?: number | undefined;
  /** No wait is longer, save where the server asks for it. Default: 30,000. */
  capMs?: number | undefined;
  /** Failures in a row after which the connection is `failed`. Default: no limit. */
  maxAttempts?: number | undefined;
}

/** What the policy remembers between attempts. */
export interface RetryHistory {
  /** Failures since the last stable connection. */
  readonly failures: number;
  /** When a quick return was last granted. */
  readonly quickAt: number;
}

export const NO_FAILURES: RetryHistory = { failures: 0, quickAt: -Infinity };

/** How an attempt ended. */
export interface Loss {
  /** How long the connection had been `connected`; `undefined`: it never was. */
  readonly connectedMs: number | undefined;
  /** It ended as planned: the server named this wait, or we reopen (0). No failure. */
  readonly afterMs?: number | undefined;
  /** Planned, but of a visitor that is sent away: where this comes again at once, the wait grows as for failures. */
  readonly isDismissal?: boolean | undefined;
  /** `Retry-After`, in seconds. */
  readonly retryAfter?: string | undefined;
  /** The `retry:` of the server. */
  readonly retryMs?: number | undefined;
}

/** What to do, and what to remember of it. */
export interface Retry extends RetryHistory {
  readonly delayMs: number;
  /** What the server asked for: no hint makes the wait shorter. */
  readonly askedMs: number;
  /** That was the last failure that `maxAttempts` allows. */
  readonly exhausted: boolean;
}

export const STABLE_MS = 5_000;
const QUICK_EVERY_MS = 5_000;
const QUICK_MS = 500;
// A longer wait is taken for a mistake of the server.
const MAX_ASKED_MS = 86_400_000;

/**
 * Full jitter between the floor and a doubling bound. A connection that reached hello comes back within 500 ms, so that
 * a deploy stalls nobody, but at most once in 5 s, so that a server which accepts and drops is not hammered.
 */
export function planRetry(
  { failures, quickAt }: RetryHistory,
  { connectedMs, afterMs, isDismissal, retryAfter = '', retryMs }: Loss,
  { baseMs = retryMs ?? 1_000, floorMs = 500, capMs = 30_000, maxAttempts = Infinity }: RetryOptions = {},
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
  const waitMs = planned
    ? quick
      ? 0
      : floorMs
    : quick
      ? chance * QUICK_MS
      : Math.max(floorMs, chance * boundMs);
  return {
    failures,
    quickAt: quick ? nowMs : quickAt,
    exhausted: failures >= maxAttempts,
    askedMs,
    delayMs: Math.max(waitMs, askedMs),
  };
}
