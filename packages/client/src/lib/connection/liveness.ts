/** Decides whether a silent connection is dead. Pure. It uses the wall clock, because a late timer proves nothing. */

/** The liveness of a connection. */
export interface Liveness {
  /** The server sends something at least this often, in milliseconds. */
  readonly pingMs: number;
  /** Silence after which the connection is dead, in milliseconds. */
  readonly timeoutMs: number;
  readonly lastBytesAt: number;
  /** When to check next. */
  readonly checkAt: number;
  /** The timeout has passed. One grace period follows, so that data that already arrived can be read. */
  readonly isInGrace: boolean;
}

// A frozen page or a long task delays network reads as well as timers. So the grace period is as long as the check is
// late, at least MIN_GRACE_MS. If it is later than MAX_GRACE_MS, the machine slept or its clock was set forward: wait
// for the next ping.
const MIN_GRACE_MS = 50;
const MAX_GRACE_MS = 2_000;
// Allowance for network delay. The server's announced timeout includes the same.
const NETWORK_DELAY_MS = 5_000;

/** Data arrived: restarts the timeout. */
export function restartTimeout(liveness: Pick<Liveness, 'pingMs' | 'timeoutMs'>, nowMs: number): Liveness {
  const checkAt = nowMs + liveness.timeoutMs - MIN_GRACE_MS;
  return { ...liveness, lastBytesAt: nowMs, checkAt, isInGrace: false };
}

/** The network may have changed. Expects the next ping when it is due, instead of allowing a missed one. */
export function expectNextPing(liveness: Liveness, nowMs: number): Liveness {
  const { pingMs, lastBytesAt, checkAt, isInGrace } = liveness;
  if (isInGrace) return liveness;
  const pingAt = Math.max(nowMs, lastBytesAt + pingMs) + NETWORK_DELAY_MS;
  return { ...liveness, checkAt: Math.min(checkAt, pingAt) };
}

/** Checks at `nowMs`. Returns the next liveness, or `undefined` if the connection is dead. */
export function checkTimeout(liveness: Liveness, nowMs: number): Liveness | undefined {
  const { pingMs, timeoutMs, checkAt, isInGrace } = liveness;
  const lateMs = nowMs - checkAt;
  if (lateMs < 0) {
    // If the wall clock was set back, the check must not move further away than the timeout.
    return { ...liveness, checkAt: Math.min(checkAt, nowMs + timeoutMs) };
  }
  if (/* seam: silence-ends-connection */ isInGrace) return undefined;
  const graceMs = lateMs > MAX_GRACE_MS ? pingMs + MAX_GRACE_MS : Math.max(lateMs, MIN_GRACE_MS);
  return { ...liveness, isInGrace: true, checkAt: nowMs + graceMs };
}
