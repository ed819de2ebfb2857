/** The FIFO queue of one handler: one item at a time, with back-pressure, a stall check and retries. */
import type { BackPressure } from '../base/back-pressure.ts';
import { soon, type Clock } from '../base/clock.ts';
import type { CommitTracker, InFlight } from './commit-tracker.ts';
import type { Received } from './types.ts';

/** A queued event, or a task that keeps its place in the order. */
export interface QueueItem {
  /** Set until acknowledged. */
  inFlight: InFlight | undefined;
  readonly task?: () => unknown;
  readonly event?: Received;
  readonly replayed?: boolean;
}

/** The parts that all queues of a client share. */
export interface HandlerQueueContext {
  readonly clock: Clock;
  readonly backPressure: BackPressure;
  readonly commits: CommitTracker;
  readonly maxQueuedEvents?: number | undefined;
}

export interface HandlerQueue {
  readonly push: (item: QueueItem) => void;
  /** The queue is full, and new events must be dropped. */
  readonly isDropping: () => boolean;
  /** Acknowledges all items without handling them. An item that is running still completes. */
  readonly close: () => void;
}

const STALL_MS = 5_000;
const MAX_RETRIES = 3;
const RETRY_MS = 1_000;

/**
 * - `onThrow`: the handler or a task has thrown. It returns true to try again, at most three times.
 * - `onStall`: the queue is full, and no item was settled for 5 s.
 * - `onRoom`: the queue is half empty after a stall.
 */
export function createHandlerQueue(
  { clock, backPressure, commits, maxQueuedEvents = 1_000 }: HandlerQueueContext,
  handle: (event: Received, replayed: boolean) => unknown,
  onThrow: (cause: unknown) => boolean,
  onStall: (length: number, event: Received | undefined) => void,
  onRoom: () => void,
): HandlerQueue {
  const queue: QueueItem[] = [];
  // The first run waits for a microtask: during `subscribe()` the handler could not unsubscribe.
  let running: QueueItem | undefined = { inFlight: undefined };
  /* seam: handler-after-subscribe */ soon(() => work(next()));
  /**
   * - `open`: the queue has room
   * - `paused`: the queue is full, and reading is paused
   * - `stalled`: as `paused`, and no item was settled for 5 s
   * - `dropping`: stalled, but reading continues and this subscription's events are dropped
   */
  let pressure: 'open' | 'paused' | 'stalled' | 'dropping' = 'open';
  /** A counter: a timer per event would cost more than the event. */
  let settledCount = 0;
  let cancelStall = () => {};
  let cancelRetry = () => {};
  let closed = false;

  const release = () => {
    cancelStall();
    if (pressure === 'paused' || pressure === 'stalled') backPressure.release();
    pressure = 'open';
  };

  /** Back-pressure is for slow handlers. A handler that settles nothing for 5 s would block all other subscriptions. */
  const watchStall = () => {
    const before = settledCount;
    cancelStall = clock.after(STALL_MS, () => {
      if (settledCount !== before) return watchStall();
      const event = queue.find((item) => item.event)?.event;
      pressure = 'stalled';
      // Dropped events of a logged address can be requested again, so reading continues.
      if (event?.cursor) {
        release();
        pressure = 'dropping';
      }
      onStall(queue.length, event);
    });
  };

  const next = () => {
    const item = queue.shift();
    settledCount += 1;
    if (pressure !== 'open' && queue.length <= maxQueuedEvents / 2) {
      const wasPaused = pressure === 'paused';
      release();
      if (!wasPaused) onRoom();
    }
    return item;
  };

  /** Runs handlers synchronously up to the first promise. A microtask per event would cost more than all the rest. */
  const work = (item: QueueItem | undefined) => {
    while ((running = item)) {
      const waiting = attempt(item, 0);
      if (waiting) {
        void waiting.then(() => {
          ack(running!);
          work(next());
        });
        return;
      }
      ack(item);
      item = next();
    }
  };

  const attempt = (item: QueueItem, tries: number): Promise<void> | undefined => {
    try {
      const result = item.task ? item.task() : handle(item.event!, item.replayed!);
      return isPromise(result)
        ? result.then(
            () => {},
            (cause: unknown) => retry(cause, item, tries),
          )
        : undefined;
    } catch (cause) {
      return retry(cause, item, tries);
    }
  };

  const retry = (cause: unknown, item: QueueItem, tries: number) => {
    const isAgain = onThrow(cause);
    if (closed || !isAgain || tries >= MAX_RETRIES) return undefined;
    return new Promise<void>((done) => {
      cancelRetry = clock.after(RETRY_MS * 2 ** tries, () => done(attempt(item, tries + 1)));
    });
  };

  const ack = (item: QueueItem) => {
    if (item.inFlight) commits.ack(item.inFlight);
    item.inFlight = undefined;
  };

  return {
    push(item) {
      if (closed) return;
      if (item.inFlight) item.inFlight.pending += 1;
      if (!running) return work(item);
      queue.push(item);
      if (pressure !== 'open' || queue.length < maxQueuedEvents) return;
      pressure = 'paused';
      backPressure.hold();
      watchStall();
    },
    isDropping: () => pressure === 'dropping',
    close() {
      closed = true;
      cancelRetry();
      if (running) ack(running);
      queue.splice(0).forEach(ack);
      // Release here, once. The running handler still completes and then calls `next()`.
      release();
    },
  };
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined)?.then === 'function';
}
