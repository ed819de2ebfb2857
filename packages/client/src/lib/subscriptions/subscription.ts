/** A subscription: its queue, its handler (one event at a time) and its snapshot. */
import { LinefeedError, type Issue, type Schema } from '@linefeed/shared';
import type { Cursor, Gap as WireGap } from '@linefeed/shared/wire';
import { invalidOption, parseCursor } from '@linefeed/shared/wire';
import { soon, type Clock } from '../base/clock.ts';
import type { BackPressure } from '../base/back-pressure.ts';
import { isAtOrBefore, toText } from '../base/cursor.ts';
import type { InFlight, CommitTracker } from './commit-tracker.ts';
import { createStore, type Readable } from '../base/store.ts';

/** The second argument of a handler. */
export interface EventInfo<Topic extends string = string, Params = unknown> {
  /** Topic and params as one string, in the server's form. */
  readonly address: string;
  /** The topic given to `subscribe`. */
  readonly topic: Topic;
  /** The params given to `subscribe`. */
  readonly params: Params;
  /** Logged: the event's cursor. Stream: the id that its source gave it, if any. Both can be used as `from`. */
  readonly id: string | undefined;
  /** The event was published before the server accepted this subscription, or while the connection was down. */
  readonly replayed: boolean;
}

/** Events of an address that were published and can no longer be replayed. Delivery continues after `to`. */
export interface Gap extends WireGap {
  /** The topic given to `subscribe`. */
  readonly topic: string;
  /** The params given to `subscribe`. */
  readonly params: unknown;
}

/** The options of `subscribe` and `iterate`. */
export interface SubscriptionOptions {
  /**
   * Start position: `now` (at acceptance), `earliest`, a cursor, or for a stream the id of its last event. Default:
   * `now`, or the position that `persist` has stored. If the client has already received everything since that cursor,
   * it sends no request.
   */
  from?: string | undefined;
  /**
   * Called when events are lost. Later events wait until its promise settles. It may return the cursor of a state that
   * the caller fetched; events up to that cursor are dropped.
   *
   * @default `onGap` of the client
   */
  onGap?: ((gap: Gap) => unknown) | undefined;
  /** Called once, after the last event of a stream that has ended. */
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
  /** Ends the subscription when aborted. */
  signal?: AbortSignal | undefined;
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
  /** Logged: the start cursor, once accepted. As `from`, it starts at the same position again. */
  startCursor(this: void): string | undefined;
  /** Unsubscribes. */
  [Symbol.dispose](): void;
}

/** An event as received, before it is bound to a subscription. */
export interface Received extends Omit<EventInfo, 'topic' | 'params'> {
  readonly payload: unknown;
  /** Logged: the event's cursor. */
  readonly cursor: Cursor | undefined;
}

/** The internal interface of a subscription. */
export interface Delivery {
  readonly subscription: Subscription;
  readonly topic: string;
  readonly params: unknown;
  readonly restart: boolean | undefined;
  /**
   * Joins an entry that is already accepted. Events up to `start` are dropped; without `start`, events up to `tail` of
   * `accept`.
   */
  readonly join: (start: Cursor | undefined) => void;
  /** The server accepted the entry. `tail` is the end of the log at that time, `start` the start of the entry. */
  readonly accept: (tail?: Cursor, start?: Cursor) => void;
  readonly event: (inFlight: InFlight | undefined, received: Received) => void;
  /** True while its events are dropped. `onRoom` is called when this changes to false. */
  readonly isStalled: () => boolean;
  readonly gap: (inFlight: InFlight, gap: WireGap) => void;
  /** `finished`: the stream has ended. Otherwise the server has nothing more to send. */
  readonly end: (finished: boolean) => void;
  /** Refused or broken temporarily; it will be requested again. */
  readonly delay: (error: LinefeedError) => void;
  /**
   * The subscription failed; without a scope, permanently. With `here` it is requested again on the next connection,
   * with `everywhere` when a connection opens. `everywhere`: all subscriptions fail with one error, and the caller
   * reports it once to the client's `onError`.
   */
  readonly fail: (error: LinefeedError, scope?: 'here' | 'everywhere') => void;
}

/** The options of a subscription inside the client. */
export interface DeliveryOptions extends SubscriptionOptions {
  /**
   * Called with the final error after the last event, instead of the client's `onError`. `iterate` throws that error.
   */
  readonly onFail?: ((error: LinefeedError) => void) | undefined;
}

/** A handler of any topic. */
export type AnyHandler = (payload: unknown, event: EventInfo) => unknown;

/** The context that all subscriptions of a client share. */
export interface DeliveryContext {
  readonly clock: Clock;
  readonly backPressure: BackPressure;
  readonly commits: CommitTracker;
  readonly maxQueuedEvents?: number | undefined;
  readonly onGap: (gap: Gap) => unknown;
  readonly report: (error: LinefeedError) => void;
  readonly reportInvalid: (error: LinefeedError) => void;
}

/** A queued event, or a task that keeps its place in the order. */
interface Item {
  /** Set until settled. */
  inFlight: InFlight | undefined;
  readonly task?: () => unknown;
  readonly event?: Received;
}

const STALL_MS = 5_000;
const HANDLER_RETRIES = 3;
const HANDLER_RETRY_MS = 1_000;

export function createDelivery(
  { clock, backPressure, commits, maxQueuedEvents = 1_000, ...context }: DeliveryContext,
  topic: string,
  params: unknown,
  schema: Schema | undefined,
  handler: AnyHandler,
  given: DeliveryOptions,
  onStop: () => void,
  onRoom: () => void,
): Delivery {
  const { onError, onEnd, onFail, onHandlerError, restart, signal } = given;
  const { getSnapshot, subscribe, set } = createStore<SubscriptionSnapshot>({
    status: 'subscribing',
    error: undefined,
    gap: undefined,
    stalled: false,
  });
  let resolve!: () => void;
  let reject!: (error: LinefeedError) => void;
  const ready = new Promise<void>((...both) => ([resolve, reject] = both));
  const queue: Item[] = [];
  // The first run waits for a microtask: during `subscribe()` the handler could not unsubscribe.
  let running: Item | undefined = { inFlight: undefined };
  /* seam: handler-after-subscribe */ soon(() => work(next()));
  let cancelRetry = () => {};
  let holding = false;
  /** The queue is full. Reading is paused, or this subscription's events are dropped. */
  let full = false;
  let stalled = false;
  let warned = false;
  /** A counter: a timer per event would cost more than the event. */
  let settled = 0;
  let cancelStall = () => {};
  let stopped = false;
  let joined = false;
  /** At least one event was handled or is queued. */
  let handed = false;
  /** Events and gaps up to here are from before this subscription joined. */
  let floor: Cursor | undefined;
  /** Cursor at which its events start. */
  let startedAt: Cursor | undefined;
  /** The caller's own state includes everything up to here. */
  let fetched: Cursor | undefined;

  // Prevents an unhandled rejection: most callers use `onError` or the snapshot instead.
  ready.catch(() => {});

  const report = onError ? later(onError) : context.report;
  const change = (next: Partial<SubscriptionSnapshot>) => set({ ...getSnapshot(), ...next });

  const push = (item: Item) => {
    if (stopped) return;
    if (item.inFlight) item.inFlight.pending += 1;
    if (!running) return work(item);
    queue.push(item);
    if (full || queue.length < maxQueuedEvents) return;
    full = holding = true;
    backPressure.hold();
    watch();
  };

  const release = () => {
    cancelStall();
    if (holding) backPressure.release();
    full = holding = stalled = false;
  };

  /** Back-pressure is for slow handlers. A handler that settles nothing for 5 s would block all other subscriptions. */
  const watch = () => {
    const before = settled;
    cancelStall = clock.after(STALL_MS, () => {
      if (settled !== before) return watch();
      stalled = true;
      change({ stalled });
      const event = queue.find((item) => item.event)?.event;
      // Dropped events of a logged address can be requested again, so reading continues.
      if (event?.cursor && holding) {
        holding = false;
        backPressure.release();
      }
      if (warned) return;
      warned = true;
      const address = event?.address ?? topic;
      const message = `${queue.length} events of ${address} wait for its handler, which has settled nothing for 5 s.`;
      report(new LinefeedError('queue_overflow', message, { address }));
    });
  };

  const next = () => {
    const item = queue.shift();
    if (full && queue.length <= maxQueuedEvents / 2) {
      const wasStalled = stalled;
      release();
      if (wasStalled) {
        change({ stalled });
        onRoom();
      }
    }
    settled += 1;
    return item;
  };

  /** Runs handlers synchronously up to the first promise. A microtask per event would cost more than all the rest. */
  const work = (item: Item | undefined) => {
    while ((running = item)) {
      const waiting = attempt(item, 0);
      if (waiting) {
        void waiting.then(() => {
          settle(running!);
          work(next());
        });
        return;
      }
      settle(item);
      item = next();
    }
  };

  const handle = ({ task, event }: Item) => {
    if (task) return task();
    const { address, payload, id, replayed, cursor } = event!;
    return isAtOrBefore(cursor, fetched) || hand(payload, { address, topic, params, id, replayed });
  };

  const attempt = (item: Item, tries: number): Promise<void> | undefined => {
    try {
      const result = handle(item);
      return isPromise(result) ? wait(result, item, tries) : undefined;
    } catch (cause) {
      return failed(cause, item, tries);
    }
  };

  const wait = (result: Promise<unknown>, item: Item, tries: number) =>
    result.then(
      () => {},
      (cause: unknown) => failed(cause, item, tries),
    );

  const failed = (cause: unknown, item: Item, tries: number) => {
    report(new LinefeedError('handler_failed', `The handler of ${topic} threw: ${String(cause)}`, { cause }));
    if (onHandlerError === 'stop') stop();
    if (stopped || onHandlerError !== 'retry' || tries >= HANDLER_RETRIES) return undefined;
    return new Promise<void>((done) => {
      cancelRetry = clock.after(HANDLER_RETRY_MS * 2 ** tries, () => done(attempt(item, tries + 1)));
    });
  };

  const settle = (item: Item) => {
    if (item.inFlight) commits.ack(item.inFlight);
    item.inFlight = undefined;
  };

  const stop = () => {
    if (stopped) return;
    stopped = true;
    cancelRetry();
    signal?.removeEventListener('abort', stop);
    reject(new LinefeedError('closed', `${topic} was unsubscribed before it was accepted.`));
    if (running) settle(running);
    queue.splice(0).forEach(settle);
    // Release here, once. The running handler still completes and then calls `next()`.
    release();
    if (getSnapshot().status !== 'failed') change({ status: 'ended', stalled });
    onStop();
  };

  const validated: AnyHandler = async (payload, info) => {
    const { value, issues } = (await schema!['~standard'].validate(payload)) as {
      readonly value?: unknown;
      readonly issues?: readonly Issue[];
    };
    // It was unsubscribed during the validation.
    if (!issues) return stopped || handler(value, info);
    const { address } = info;
    const message = `An event of ${address} does not match its schema: ${issues[0]?.message}`;
    return context.reportInvalid(new LinefeedError('invalid_payload', message, { issues, address }));
  };
  const hand = schema ? validated : handler;

  const subscription = Object.assign(() => stop(), {
    ready,
    startCursor: () => toText(startedAt),
    getSnapshot,
    subscribe,
    [Symbol.dispose]: stop,
  });
  signal?.addEventListener('abort', stop);

  return {
    subscription,
    topic,
    params,
    restart,
    join(start) {
      fetched = start;
      joined = !start;
    },
    accept(tail, start) {
      if (joined) floor = tail;
      joined = false;
      startedAt ??= isAtOrBefore(start, floor) ? floor : start;
      resolve();
      if (!stopped && getSnapshot().status !== 'subscribed')
        change({ status: 'subscribed', error: undefined });
    },
    isStalled: () => stalled && !holding,
    event(inFlight, event) {
      const { cursor } = event;
      // An event without `prev` may be the newest one, and a joining subscription needs that.
      if (cursor?.prev !== undefined && isAtOrBefore(cursor, floor)) return;
      handed = true;
      push({ inFlight, event });
    },
    gap(inFlight, wire) {
      if (!handed && isAtOrBefore(parseCursor(wire.to), floor)) return;
      // A gap that the client made for a hole has a cursor in `from`.
      if (wire.reason === 'unknown' && !wire.from && given.from) {
        const message = `from: "${given.from}" of ${topic} is no cursor; did you mean "now" (the default) or "earliest"?`;
        report(invalidOption(message));
      }
      // After a gap, deliver every event.
      floor = undefined;
      const task = async () => {
        const gap = { ...wire, topic, params };
        change({ gap });
        // Read now: a component can set `onGap` at a later render.
        const state = await (given.onGap ?? context.onGap)(gap);
        if (typeof state !== 'string') return;
        fetched = parseCursor(state);
        if (fetched) return;
        const message = `onGap of ${topic} gave ${JSON.stringify(state)}, which is no cursor.`;
        report(invalidOption(message));
      };
      push({ inFlight, task });
    },
    end(finished) {
      const task = () => {
        reject(new LinefeedError('closed', `${topic} was over before it was accepted.`));
        stop();
        return finished && onEnd?.();
      };
      push({ inFlight: undefined, task });
    },
    delay: (error) => change({ status: 'subscribing', error }),
    fail(error, scope) {
      const before = getSnapshot();
      const isKnown = scope === 'here' && before.status === 'failed' && before.error?.code === error.code;
      reject(error);
      change({ status: 'failed', error });
      const task = () => {
        onFail?.(error);
        if (!isKnown && (onError || !(scope === 'everywhere' || onFail))) report(error);
        if (!scope) stop();
      };
      push({ inFlight: undefined, task });
    },
  };
}

/** Defers a callback. An exception in user code must not stop a queue or interrupt the handling of a frame. */
export function later<T>(call: (value: T) => unknown): (value: T) => void {
  return (value) => void Promise.resolve(value).then(call);
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined)?.then === 'function';
}
