/** Whether a silent connection is dead. Pure, on the wall clock: a timer that comes late proves nothing. */

/** What is known of the life of a connection. */
export interface Pulse {
  /** The server breaks its silence at least this often. */
  readonly pingMs: number;
  /** Silence that means death; 0: none does. */
  readonly timeoutMs: number;
  readonly heardAt: number;
  /** When to judge next. */
  readonly dueAt: number;
  /** Silent for too long; what has arrived meanwhile still gets its chance to be read. */
  readonly suspect: boolean;
}

// A frozen page or a long task hold back the network as well as timers: the later the judge, the longer it waits for
// what has already arrived. Later than this, the machine slept or its clock was set forward: the next ping tells which.
const MIN_GRACE_MS = 50;
const MAX_GRACE_MS = 2_000;
// The same allowance for the way that the announced timeout makes.
const PROBE_MS = 5_000;

/** Something arrived. */
export function hear(pulse: Pick<Pulse, 'pingMs' | 'timeoutMs'>, nowMs: number): Pulse {
  const { pingMs, timeoutMs } = pulse;
  return { pingMs, timeoutMs, heardAt: nowMs, dueAt: nowMs + timeoutMs - MIN_GRACE_MS, suspect: false };
}

/** The network may have changed under us: the next ping must come when it is due, not after two of them. */
export function probe(pulse: Pulse, nowMs: number): Pulse {
  if (pulse.suspect) return pulse;
  const dueAt = Math.max(nowMs, pulse.heardAt + pulse.pingMs) + PROBE_MS;
  return { ...pulse, dueAt: Math.min(pulse.dueAt, dueAt) };
}

/** Judges at `nowMs`: the pulse to go on with, or `undefined` where the connection is dead. */
export function judge(pulse: Pulse, nowMs: number): Pulse | undefined {
  const lateMs = nowMs - pulse.dueAt;
  if (lateMs < 0) {
    // A wall clock that was set back must not put off the judgement for longer than the timeout.
    return { ...pulse, dueAt: Math.min(pulse.dueAt, nowMs + pulse.timeoutMs) };
  }
  if (pulse.suspect) return undefined;
  return {
    ...pulse,
    suspect: true,
    dueAt: nowMs + (lateMs > MAX_GRACE_MS ? pulse.pingMs + MAX_GRACE_MS : Math.max(lateMs, MIN_GRACE_MS)),
  };
}
