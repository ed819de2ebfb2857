/** The faults of a server and of its connections that the cases of a contract suite can cause. */
import type { Awaitable } from '@linefeed/shared/wire';

/** Ends a fault that lasts. */
export type EndFault = () => Awaitable<void>;

/**
 * The faults of a server that every suite knows. Each is optional. Give those that can happen, and name them in the
 * trait `faults`. Cause them by real means where possible: signals to the server, and a proxy between it and the
 * handles.
 */
export interface ServerFaults {
  /**
   * Deletes all data on the server, while handles are open. What does not create itself is created again, empty.
   */
  recreate?(): Awaitable<void>;
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
}

/** The name of a fault of a server. */
export type ServerFault = keyof ServerFaults;

/** Traits of the time that a subject needs. */
export interface TimeTraits {
  /**
   * The subject waits for a server. The clock of the setup then advances no faster than real time, so that no deadline
   * passes before the server can answer. Without it, the clock advances as fast as the machine can.
   */
  readonly realTime?: boolean | undefined;
  /**
   * Duration of the fault `pause`, in milliseconds. Choose more than each deadline of the subject.
   *
   * @default 10_000
   */
  readonly pauseMs?: number | undefined;
  /**
   * Longest wait of a case for one condition, in milliseconds of real time. Choose more than the subject needs to
   * notice a half-open connection.
   *
   * @default 10_000
   */
  readonly patienceMs?: number | undefined;
}

/** Every fault of a server. */
export const SERVER_FAULTS: readonly ServerFault[] = [
  'recreate',
  'stop',
  'pause',
  'resetConnections',
  'halfOpen',
  'loseAnswers',
];
