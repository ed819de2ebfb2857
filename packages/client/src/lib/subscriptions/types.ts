/** The types of a subscription: those of the public API, and the interface that the registry and the router use. */
import type { LinefeedError } from '@linefeed/shared';
import type { Cursor, End, Gap as WireGap, RunBegin, RunOutcome } from '@linefeed/shared/wire';
import type { AnyCursor } from '../base/cursor.ts';
import type { Readable } from '../base/store.ts';
import type { InFlight } from './commit-tracker.ts';

/** The second argument of a handler. */
export interface EventInfo<Topic extends string = string, Params = unknown> {
  /** Topic and params as one string, in the server's form. */
  readonly address: string;
  /** The topic given to `subscribe`. */
  readonly topic: Topic;
  /** The params given to `subscribe`. */
  readonly params: Params;
  /** Logged: the place of the event in the log. A subscription with it as `from` starts after this event. */
  readonly cursor: string | undefined;
  /**
   * Stream: the id that its source gave the event, if any. Run: the run and the number of the event. A subscription with
   * it as `from` resumes after this event.
   */
  readonly id: string | undefined;
  /**
   * The event was published or recorded before the server accepted this subscription, or while the connection was down.
   */
  readonly replayed: boolean;
}

/** The second argument of the handler of a run topic. */
export interface RunEventInfo<Topic extends string = string, Params = unknown> extends EventInfo<
  Topic,
  Params
> {
  readonly cursor: undefined;
  readonly id: string;
  /** The id of the run. */
  readonly run: string;
}

/** A run that a subscription has reached, or its next attempt. */
export interface RunStarted {
  /** The id of the run. */
  readonly run: string;
  /** Counts the producers of the run, from 1. */
  readonly attempt: number;
  /** When the run started. Milliseconds since 1970. */
  readonly startedAt: number;
}

/**
 * How a run ended.
 *
 * - `done`: its source returned a result
 * - `stopped`: it was stopped
 * - `failed`: its source failed
 * - `lost`: its process ended, and no other one continued it
 * - `gone`: its record was deleted before this subscription got the end
 */
export type RunEnd<Result = unknown> = {
  /** The id of the run. */
  readonly run: string;
  /** Why it was stopped or lost, if the server gives a reason. */
  readonly reason: string | undefined;
} & (
  | { readonly outcome: 'done'; readonly result: Result; readonly error: undefined }
  | { readonly outcome: 'failed'; readonly result: undefined; readonly error: LinefeedError }
  | {
      readonly outcome: Exclude<RunOutcome, 'done' | 'failed'>;
      readonly result: undefined;
      readonly error: undefined;
    }
);

/** Events of an address that were published and can no longer be replayed. Delivery continues after `to`. */
export interface Gap extends WireGap {
  /** The topic given to `subscribe`. */
  readonly topic: string;
  /** The params given to `subscribe`. */
  readonly params: unknown;
}

/** The options of `subscribe` and `iterate` for a topic that is not a run. */
export interface SubscriptionOptions {
  /**
   * Start position: `now` (at acceptance), `earliest`, a cursor, or for a stream the id of its last event. If the client
   * has already received everything since that cursor, it sends no request.
   *
   * @default `now`, or the position that `persist` has stored
   */
  from?: string | undefined;
  /**
   * Called when events are lost. Later events wait until its promise settles. It may return the cursor of a state that
   * the caller fetched; events up to that cursor are dropped.
   *
   * @default `onGap` of the client
   */
  onGap?: ((gap: Gap) => unknown) | undefined;
  /**
   * Called once, after the last event of a stream that has ended.
   *
   * @default nothing
   */
  onEnd?: (() => unknown) | undefined;
  /**
   * Called after the last event when this subscription fails, and when its handler throws.
   *
   * @default `onError` of the client
   */
  onError?: ((error: LinefeedError) => void) | undefined;
  /**
   * Reaction to a handler that throws: `skip` continues with the next event. `retry` tries three more times and then
   * skips. `stop` ends the subscription.
   *
   * @default `skip`
   */
  onHandlerError?: 'skip' | 'retry' | 'stop' | undefined;
  /**
   * Runs a stream without ids again after a disconnect.
   *
   * @default it ends with `not_resumable`
   */
  restart?: boolean | undefined;
  /**
   * Ends the subscription when aborted.
   *
   * @default none
   */
  signal?: AbortSignal | undefined;
}

/** The options of `subscribe` and `iterate` for a run topic. */
export interface RunSubscriptionOptions<Result = unknown> extends Omit<
  SubscriptionOptions,
  'from' | 'onEnd' | 'onGap' | 'restart'
> {
  /**
   * Start position: `now` (at acceptance), `start` (the first event of the newest run), or the `id` of an event.
   *
   * @default `now`
   */
  from?: string | undefined;
  /**
   * Called before the first event of a run, when delivery starts in the middle of a run, and when a new attempt continues
   * it.
   *
   * @default nothing
   */
  onRun?: ((started: RunStarted) => unknown) | undefined;
  /**
   * Called after the last event of each run. The subscription continues with the next run.
   *
   * @default nothing
   */
  onEnd?: ((end: RunEnd<Result>) => unknown) | undefined;
  /**
   * Called when all recorded events are delivered, each time that the server accepts the subscription. Later events are
   * live.
   *
   * @default nothing
   */
  onCaughtUp?: (() => unknown) | undefined;
}

/** The state of a subscription at its last change. */
export interface SubscriptionSnapshot {
  /**
   * - `subscribing`: not accepted yet, or (with an error) a broken stream will be requested again
   * - `subscribed`: accepted
   * - `ended`: unsubscribed, or over
   * - `failed`: refused; becomes `subscribed` if the server accepts it later
   */
  readonly status: 'subscribing' | 'subscribed' | 'ended' | 'failed';
  /** Why it failed, or why a broken stream is requested again. */
  readonly error: LinefeedError | undefined;
  /** The last gap. */
  readonly gap: Gap | undefined;
  /**
   * The queue is full and the handler has settled nothing for 5 s. A stalled stream pauses reading for all
   * subscriptions.
   */
  readonly stalled: boolean;
}

/** An open subscription. Call it to unsubscribe. `using` unsubscribes at the end of the block. */
export interface Subscription extends Readable<SubscriptionSnapshot> {
  (): void;
  /** Resolves once the server accepts. Rejects if it refuses, or if the subscription ends before that. */
  readonly ready: Promise<void>;
  /** Logged, and run: the start position, once accepted. As `from`, it starts at the same position again. */
  startCursor(this: void): string | undefined;
  /** Unsubscribes. */
  [Symbol.dispose](): void;
}

/** An event as received, before it is bound to a subscription. */
export interface Received extends Pick<EventInfo, 'address' | 'id'> {
  readonly data: unknown;
  /** The event's cursor: in the log, or in its run. */
  readonly cursor: AnyCursor | undefined;
}

/** A handler of any topic. */
export type AnyHandler = (data: unknown, event: EventInfo) => unknown;

/**
 * A subscription as the registry and the router see it. User code runs only inside these functions, so they are called
 * only after a transition is complete.
 */
export interface Subscriber {
  readonly subscription: Subscription;
  readonly topic: string;
  readonly params: unknown;
  readonly restart: boolean | undefined;
  /**
   * It shares an entry that is already accepted. Events up to `start` are dropped. Without `start`, events up to the
   * `tail` that `accept` gets are dropped.
   */
  readonly join: (start: Cursor | undefined) => void;
  /** The server accepted the entry. `tail` is the end of the log at that time, `start` the start of the entry. */
  readonly accept: (tail?: Cursor, start?: Cursor) => void;
  /** With `isReplayed`, the event was received before this subscription joined. */
  readonly event: (inFlight: InFlight | undefined, received: Received, isReplayed?: boolean) => void;
  /** True while its events are dropped. The registry's `resume` is called when this changes to false. */
  readonly isDropping: () => boolean;
  readonly gap: (inFlight: InFlight, gap: WireGap) => void;
  /** The entry is in this run. A repeated call for the same attempt is ignored. */
  readonly run: (begin: RunBegin) => void;
  readonly runEnd: (end: End, cursor: AnyCursor) => void;
  /** Everything that was recorded at the last acceptance is delivered. */
  readonly caughtUp: () => void;
  /** `finished`: the stream has ended. Otherwise the server has nothing more to send. */
  readonly end: (finished: boolean) => void;
  /** Refused or broken temporarily; it will be requested again. */
  readonly refuseForNow: (error: LinefeedError) => void;
  /**
   * The subscription failed; without a scope, permanently. With `here` it is requested again on the next connection,
   * with `everywhere` when a connection opens. `everywhere`: all subscriptions fail with one error, and the caller
   * reports it once to the client's `onError`.
   */
  readonly fail: (error: LinefeedError, scope?: 'here' | 'everywhere') => void;
}
