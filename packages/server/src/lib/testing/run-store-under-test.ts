/** The interface between the contract of stores of runs and a store: what its implementer gives to the suite. */
import type { Awaitable } from '@linefeed/shared/wire';
import type { ManualClock } from '@linefeed/shared/testing';
import type { RunStore } from '../runs/run-store.ts';
import { SERVER_FAULTS, type ServerFaults, type TimeTraits } from './server-faults.ts';

/** The environment of a store in one case. */
export interface RunStoreSetup {
  /** For a store that accepts a clock. Time passes only as the case decides. */
  readonly clock: ManualClock;
}

/**
 * The faults that a case can cause. Each is optional. Give those that can happen to the store, and name them in the
 * trait `faults`. Cause them by real means where possible: signals to the server, and a proxy between it and the
 * handles.
 */
export interface RunStoreFaults extends ServerFaults {
  /**
   * Opens a handle of a process whose clock differs from that of the setup. For a store whose times are those of a
   * server.
   */
  openWithClock?(clock: ManualClock): Awaitable<RunStore>;
}

/** The name of a fault. */
export type RunStoreFault = keyof RunStoreFaults;

/** Every fault. */
export const RUN_STORE_FAULTS: readonly RunStoreFault[] = [...SERVER_FAULTS, 'openWithClock'];

/** A store for one case. */
export interface RunStoreUnderTest extends RunStoreFaults {
  /**
   * A handle on the store. The second handle represents a second process. A store in memory returns the same handle
   * again.
   */
  open(): Awaitable<RunStore>;
  /** Removes the remains of the case. Every handle is closed before, and every fault is ended. */
  dispose?(): Awaitable<void>;
}

/** Makes a new, empty store for one case. */
export type CreateRunStoreUnderTest = (setup: RunStoreSetup) => Awaitable<RunStoreUnderTest>;

/** Capabilities that not every store has. They decide which cases run. */
export interface RunStoreTraits extends TimeTraits {
  /** The store outlives its handles. */
  readonly persistent?: boolean | undefined;
  /** The store has `watch`. */
  readonly watches?: boolean | undefined;
  /** The faults that the store under test can have. Their functions must exist. */
  readonly faults?: readonly RunStoreFault[] | undefined;
}

/** Something that a case needs and not every store has: a trait or a fault. */
export type RunStoreNeed = 'persistent' | 'watches' | RunStoreFault;
