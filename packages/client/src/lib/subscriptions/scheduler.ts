/** Gathers the changes of one tick, and opens a connection that is not open. */
import { soon, type Clock } from '../base/clock.ts';
import type { Connection } from '../connection/types.ts';

export interface Scheduler {
  /** Sends all changes at the end of the tick. With `wake`, it also opens a connection that is idle, closed or failed. */
  readonly schedule: (wake?: boolean) => void;
  readonly stop: () => void;
}

const WAKE_EVERY_MS = 1_000;

/** `isNeeded`: whether an entry needs a connection. `flush` sends the changes over the open connection. */
export function createScheduler(
  clock: Clock,
  connection: Connection,
  isNeeded: () => boolean,
  flush: () => void,
): Scheduler {
  let isScheduled = false;
  let isWoken = false;
  let wokenAt = -Infinity;
  let cancelWake = () => {};

  const schedule = (wake = false) => {
    isWoken ||= wake;
    if (isScheduled) return;
    isScheduled = true;
    soon(() => {
      const { state } = connection.getSnapshot();
      const isOver = state === 'closed' || state === 'failed';
      const isToOpen = isWoken && (isOver || state === 'idle');
      // Throttle: re-subscribing after a refusal reopens the connection at most once per second.
      const waitMs = isOver ? wokenAt + WAKE_EVERY_MS - clock.now() : 0;
      isScheduled = isWoken = false;
      cancelWake();
      if (!isNeeded()) connection.stop('rest', 'unsubscribed');
      else if (!isToOpen) flush();
      else if (waitMs > 0) cancelWake = clock.after(waitMs, () => schedule(true));
      else {
        if (isOver) wokenAt = clock.now();
        connection.open('subscribed');
      }
    });
  };

  return { schedule, stop: () => cancelWake() };
}
