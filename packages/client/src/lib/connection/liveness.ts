/** Decides whether a silent connection is dead. Pure. It uses the wall clock, because a late timer proves nothing. */

/** The liveness state of a connection. */
export interface Pulse {
  /** The server sends something at least this often, in milliseconds. */
  readonly pingMs: number;
  /** Silence after which the connection is dead, in milliseconds. 0: never. */
  readonly timeoutMs: number;
  readonly heardAt: number;
  /** When to check next. */
  readonly dueAt: number;
  /** The timeout has passed. One grace period follows, so that data that already arrived can be read. */
  readonly suspect: boolean;
}

// A frozen page or a long task delays network reads as well as timers. So the grace period is as long as the check is
// late, at least MIN_GRACE_MS. If it is later than MAX_GRACE_MS, the machine slept or its clock was set forward: wait
// for the next ping.
const MIN_GRACE_MS = 50;
const MAX_GRACE_MS = 2_000;
// Allowance for network delay. The server's announced timeout includes the same.
const PROBE_MS = 5_000;

/** Data arrived: restarts the timeout. */
export function hear(pulse: Pick<Pulse, 'pingMs' | 'timeoutMs'>, nowMs: number): Pulse {
  const { pingMs, timeoutMs } = pulse;
  return { pingMs, timeoutMs, heardAt: nowMs, dueAt: nowMs + timeoutMs - MIN_GRACE_MS, suspect: false };
}

/** The network may have changed. Expects the next ping when it is due, instead of allowing a missed one. */
export function probe(pulse: Pulse, nowMs: number): Pulse {
  if (pulse.suspect) return pulse;
  const dueAt = Math.max(nowMs, pulse.heardAt + pulse.pingMs) + PROBE_MS;
  return { ...pulse, dueAt: Math.min(pulse.dueAt, dueAt) };
}

/** Checks at `nowMs`. Returns the next state, or `undefined` if the connection is dead. */
export function judge(pulse: Pulse, nowMs: number): Pulse | undefined {
  const lateMs = nowMs - pulse.dueAt;
  if (lateMs < 0) {
    // If the wall clock was set back, the check must not move further away than the timeout.
    return { ...pulse, dueAt: Math.min(pulse.dueAt, nowMs + pulse.timeoutMs) };
  }
  if (pulse.suspect) return undefined;
  return {
    ...pulse,
    suspect: true,
    dueAt: nowMs + (lateMs > MAX_GRACE_MS ? pulse.pingMs + MAX_GRACE_MS : Math.max(lateMs, MIN_GRACE_MS)),
  };
}
