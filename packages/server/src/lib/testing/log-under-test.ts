/** The interface between the log contract and a log: what the implementer of a log gives to the suite. */
import type { Awaitable, Position } from '@linefeed/shared/wire';
import type { ManualClock } from '@linefeed/shared/testing';
import type { Log } from '../log/log.ts';

/** The requirements of a case for its log. Bounds that a case does not set are too large for it to reach. */
export interface LogSetup {
  /** For a log that accepts a clock. Time passes only as the case decides. */
  readonly clock: ManualClock;
  /** Bound of the log, in events. */
  readonly maxEvents: number;
  /** Bound of the log, in UTF-16 code units of payloads, addresses and idempotency keys. */
  readonly maxBytes: number;
  /** Bound of the age of an event, in milliseconds. */
  readonly maxAgeMs: number;
}

/** Ends a fault that lasts. */
export type EndFault = () => Awaitable<void>;

/**
 * The faults that a case can cause. Each is optional. Give those that can happen to the log, and name them in the trait
 * `faults`. Cause them by real means where possible: signals to the server, and a proxy between it and the handles.
 */
export interface LogFaults {
  /** Removes every event after a position without a notification, like a failover to a replica that lags. */
  rollBack?(to: Position): Awaitable<void>;
  /**
   * Deletes the log on its server, its numbering included, while handles are open. A log that does not create itself is
   * created again, empty.
   */
  recreate?(): Awaitable<void>;
  /** Removes a part of the data of the log, like a server that evicts a key when it is out of memory. */
  evictKey?(): Awaitable<void>;
  /** Stops the server. The result starts it again, with its data. */
  stop?(): Awaitable<EndFault>;
  /** Pauses the server (SIGSTOP): connections stay open, and nothing is answered. The result continues it. */
  pause?(): Awaitable<EndFault>;
  /** Resets every connection of the handles (RST). New connections work. */
  resetConnections?(): Awaitable<void>;
  /**
   * Makes every connection of the handles half-open: no byte passes in either direction any more, and neither side
   * gets a FIN or RST. New connections work.
   */
  halfOpen?(): Awaitable<void>;
  /**
   * Every connection of the handles loses the next answer of the server, and is reset then. The server has performed
   * the request. New connections work.
   */
  loseAnswers?(): Awaitable<void>;
  /** Opens a handle of a process whose clock differs from that of the setup. */
  openWithClock?(clock: ManualClock): Awaitable<Log>;
}

/** The name of a fault. */
export type LogFault = keyof LogFaults;

/** Every fault. */
export const FAULTS: readonly LogFault[] = [
  'rollBack',
  'recreate',
  'evictKey',
  'stop',
  'pause',
  'resetConnections',
  'halfOpen',
  'loseAnswers',
  'openWithClock',
];

/** A log for one case. */
export interface LogUnderTest extends LogFaults {
  /**
   * A handle on the log. The second handle represents a second process. A log in memory returns the same handle again.
   */
  open(): Awaitable<Log>;
  /** Removes the remains of the case. Every handle is closed before, and every fault is ended. */
  dispose?(): Awaitable<void>;
}

/** Makes a new, empty log for one case. */
export type CreateLogUnderTest = (setup: LogSetup) => Awaitable<LogUnderTest>;

/** Capabilities that not every log has. They decide which cases run. */
export interface LogTraits {
  /** The log outlives its handles. */
  readonly persistent?: boolean | undefined;
  /** The log ages its events by the clock of the setup. */
  readonly ages?: boolean | undefined;
  /** The log has `contains`. It recognises the cursor of a lost event, even if no handle noticed the loss. */
  readonly contains?: boolean | undefined;
  /** The faults that the log under test can have. Their functions must exist. */
  readonly faults?: readonly LogFault[] | undefined;
  /**
   * Number of events that it may hold past `maxEvents`, if its trimming is not exact.
   *
   * @default 0
   */
  readonly slack?: number | undefined;
  /**
   * The log waits for a server. The clock of the setup then advances no faster than real time, so that no deadline
   * passes before the server can answer. Without it, the clock advances as fast as the machine can.
   */
  readonly realTime?: boolean | undefined;
  /**
   * Duration of the fault `pause`, in milliseconds. Choose more than each deadline of the log.
   *
   * @default 10_000
   */
  readonly pauseMs?: number | undefined;
  /**
   * Longest wait of a case for one condition, in milliseconds of real time. Choose more than the log needs to notice
   * a half-open connection.
   *
   * @default 10_000
   */
  readonly patienceMs?: number | undefined;
}

/** Something that a case needs and not every log has: a trait or a fault. */
export type LogNeed = 'persistent' | 'ages' | 'contains' | LogFault;
