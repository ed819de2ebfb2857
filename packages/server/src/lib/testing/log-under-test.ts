/** The interface between the log contract and a log: what the implementer of a log gives to the suite. */
import type { Awaitable, Position } from '@linefeed/shared/wire';
import type { ManualClock } from '@linefeed/shared/testing';
import type { Log } from '../log/log.ts';
import { SERVER_FAULTS, type ServerFaults, type TimeTraits } from './server-faults.ts';

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

/**
 * The faults that a case can cause. Each is optional. Give those that can happen to the log, and name them in the trait
 * `faults`. Cause them by real means where possible: signals to the server, and a proxy between it and the handles.
 */
export interface LogFaults extends ServerFaults {
  /** Removes every event after a position without a notification, like a failover to a replica that lags. */
  rollBack?(to: Position): Awaitable<void>;
  /** Removes a part of the data of the log, like a server that evicts a key when it is out of memory. */
  evictKey?(): Awaitable<void>;
  /** Opens a handle of a process whose clock differs from that of the setup. */
  openWithClock?(clock: ManualClock): Awaitable<Log>;
}

/** The name of a fault. */
export type LogFault = keyof LogFaults;

/** Every fault. */
export const FAULTS: readonly LogFault[] = [...SERVER_FAULTS, 'rollBack', 'evictKey', 'openWithClock'];

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
export interface LogTraits extends TimeTraits {
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
}

/** Something that a case needs and not every log has: a trait or a fault. */
export type LogNeed = 'persistent' | 'ages' | 'contains' | LogFault;
