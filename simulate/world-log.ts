/** The interface of a simulated log for the checkers and the world: its real history, and its faults. */
import type { Log } from '@linefeed/server';

/** A published event, for the checker. */
export interface Published {
  readonly address: string;
  readonly position: number;
  readonly data: string;
  readonly at: number;
}

/** A position in the history of one address. */
export interface Place {
  readonly epoch: string;
  readonly position: number;
}

/** Every event ever appended, by epoch and address, in the order of the appends. Lost events stay in it. */
export type History = ReadonlyMap<string, ReadonlyMap<string, readonly Published[]>>;

export interface WorldLog {
  readonly epoch: string;
  readonly history: History;
  /** The end of the world is near: the log no longer fails. */
  calm: boolean;
  /** Longest time between an append and its arrival at a tail while the log does not fail, in milliseconds. */
  readonly lagMs: number;
  /** The log of one node. */
  open(): Log | Promise<Log>;
  /** The present position of the log. */
  tip(): string;
  /** Some position of the log, for a cursor. */
  somePosition(): string;
  /** The position of an address's newest event, 0 if it has none in this epoch. */
  newestOf(address: string): number;
  /** Whether this event was published at this cursor. */
  holds(cursor: string, address: string, data: string): boolean;
  /** The newest position of an epoch. */
  endOf(epoch: string): number;
  /** Number of events of an address past one position and up to another one, in the history of the later one. */
  countUpTo(address: string, after: Place, through: Place): number;
  /** Whether the history of the later position contains the earlier one. */
  isContinued(earlier: Place, later: Place): boolean;
  /** Whether the log does not have this event any more, although its epoch is the same. */
  isLost(place: Place): boolean;
  /** Another log replaces this one, as after a lost disk. */
  startAnew(): void;
  /** The newest events are removed, as after a failover to a replica that lags. */
  rollBack(count: number): void;
  /** Tails are away while the log evicts events. */
  overrun(): void;
  /** Another fault that only this log has. */
  fail(): void;
  /** Checks, after all failures, what the nodes know of the log. */
  checkEnd(): void;
}
