/** A subscription: its queue, its handler one event at a time, and what it shows of itself. */
import { LinefeedError, type Issue, type Schema } from '@linefeed/shared';
import type { Cursor, Gap as WireGap } from '@linefeed/shared/wire';
import { invalidOption, parseCursor } from '@linefeed/shared/wire';
import { soon, type Clock } from './clock.ts';
import type { Gate } from './gate.ts';
import { isAtOrBefore, toText } from './place.ts';
import type { Arrival, Settlement } from './settlement.ts';
import { createStore, type Readable } from './store.ts';

/** What a handler gets beside the payload. */
export interface EventInfo<Topic extends string = string, Params = unknown> {
  /** Topic and params as one string, as the server writes it. */
  readonly address: string;
  readonly topic: Topic;
  /** As given to `subscribe`. */
  readonly params: Params;
  /** Logged: the event's cursor. Stream: the id its source gave it, if any. Either may be given as `from`. */
  readonly id: string | undefined;
  /** Published before the server accepted this subscription, or while the connection was away. */
  readonly replayed: boolean;
}

/** Events of an address that were published and can no longer be replayed; delivery goes on behind `to`. */
export interface Gap extends WireGap {
  readonly topic: string;
  readonly params: unknown;
}

export interface SubscriptionOptions {
  /**
   * Where to start: `now` (when the server accepts), `earliest`, a cursor, or of a stream the id of the last event.
   * Default: `now`, or where `persist` left off. Where the client has received everything since that
   * cursor, it asks for nothing.
   */
  from?: string | undefined;
  /**
   * Called where events are lost. Until its promise settles, later events wait; a cursor that it returns says what
   * the caller has fetched meanwhile: events up to there are dropped. Default: `onGap` of the client.
   */
  onGap?: ((gap: Gap) => unknown) | undefined;
  /** Called once, behind the last event of a stream that has ended. */
  onEnd?: (() => unknown) | undefined;
  /** Called when this subscription fails, behind the last event, or its handler does. Default: `onError` of the client. */
  onError?: ((error: LinefeedError) => void) | undefined;
  /**
   * A handler that threw: `skip` goes on with the next event, `retry` tries three times more and then skips, `stop`
   * ends the subscription. Default: `skip`.
   */
  onHandlerError?: 'skip' | 'retry' | 'stop' | undefined;
  /** Run a stream without ids again after a break. Default: it ends with `not_resumable`. */
  restart?: boolean | undefined;
  /** Ends the subscription when aborted. */
  signal?: AbortSignal | undefined;
}

export interface SubscriptionSnapshot {
  /**
   * `subscribing` until the server accepts, and with an error while a stream that broke is to be asked for again;
   * `failed` until it accepts after all.
   */
  readonly status: 'subscribing' | 'subscribed' | 'ended' | 'failed';
  readonly error: LinefeedError | undefined;
  /** The last gap. */
  readonly gap: Gap | undefined;
  /** Its queue is full and its handler has settled nothing for 5 s. Of a stream, this holds up reading for all. */
  readonly stalled: boolean;
}

/** Call it to unsubscribe. */
export interface Subscription extends Readable<SubscriptionSnapshot> {
  (): void;
  /** Resolves once the server has accepted; rejects where it refuses, or where the subscription ends before. */
  readonly ready: Promise<void>;
  /** Logged: the cursor it started from, once the server has accepted it. Given as `from`, it starts there again. */
  readonly startCursor: () => string | undefined;
  [Symbol.dispose](): void;
}

/** An event as it came, for whoever is subscribed. */
export interface Received extends Omit<EventInfo, 'topic' | 'params'> {
  readonly payload: unknown;
  /** Logged: its place. */
  readonly cursor: Cursor | undefined;
}

/** The handler's end of a subscription, as the rest of the client sees it. */
export interface Delivery {
  readonly subscription: Subscription;
  readonly topic: string;
  readonly params: unknown;
  readonly restart: boolean | undefined;
  /** It joins an entry that was accepted before: what is from before `start`, or its own acceptance, is not for it. */
  readonly join: (start: Cursor | undefined) => void;
  /** The log stood at `tail` then, and the entry at `start`. */
  readonly accept: (tail?: Cursor, start?: Cursor) => void;
  readonly event: (arrival: Arrival | undefined, received: Received) => void;
  /** Takes no more events for now. `onRoom` tells when it does again. */
  readonly isStalled: () => boolean;
  readonly gap: (arrival: Arrival, gap: WireGap) => void;
  /** `finished`: the stream has ended; otherwise the server has no more to say. */
  readonly end: (finished: boolean) => void;
  /** Refused or broken for now: it will be asked for again. */
  readonly delay: (error: LinefeedError) => void;
  /**
   * For good, unless it is asked for again: on the next connection (`here`), or on one that is opened after all.
   * `everywhere`: all subscriptions fail alike, and the client's own `onError` is told once, by the caller.
   */
  readonly fail: (error: LinefeedError, scope?: 'here' | 'everywhere') => void;
}

/** Those of a subscription inside the client. */
export interface DeliveryOptions extends SubscriptionOptions {
  /** Told of what ends it, behind the last event and in place of the client's `onError`: who iterates is thrown it. */
  readonly onFail?: ((error: LinefeedError) => void) | undefined;
}

/** A handler of whatever topic. */
export type AnyHandler = (payload: unknown, event: EventInfo) => unknown;

/** What all subscriptions of a client share. */
export interface DeliveryContext {
  readonly clock: Clock;
  readonly gate: Gate;
  readonly settlement: Settlement;
  readonly maxQueuedEvents?: number | undefined;
  readonly onGap: (gap: Gap) => unknown;
  readonly report: (error: LinefeedError) => void;
  readonly reportInvalid: (error: LinefeedError) => void;
}

/** What waits for its turn: an event, or a task in its place. */
interface Item {
  /** Open until settled. */
  arrival: Arrival | undefined;
  readonly task?: () => unknown;
  readonly event?: Received;
}

const STALL_MS = 5_000;
const HANDLER_RETRIES = 3;
const HANDLER_RETRY_MS = 1_000;

export function createDelivery(
  { clock, gate, settlement, maxQueuedEvents = 1_000, ...context }: DeliveryContext,
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
  // A handler that ran within `subscribe()` could not unsubscribe: its caller has nothing to call yet.
  let running: Item | undefined = { arrival: undefined };
  soon(() => work(next()));
  let cancelRetry = () => {};
  let holding = false;
  /** Its queue is full; reading is held up, or its events are left out. */
  let full = false;
  let stalled = false;
  let warned = false;
  /** Counts. A timer for each event would cost more than the event. */
  let settled = 0;
  let cancelStall = () => {};
  let stopped = false;
  let joined = false;
  /** Some event was, or waits for it. */
  let handed = false;
  /** What was published or lost up to here is from before it joined. */
  let floor: Cursor | undefined;
  /** Where its events start. */
  let startedAt: Cursor | undefined;
  /** The caller has the state up to here by itself. */
  let fetched: Cursor | undefined;

  // Most people look at `onError` or the snapshot.
  ready.catch(() => {});

  const report = onError ? later(onError) : context.report;
  const change = (next: Partial<SubscriptionSnapshot>) => set({ ...getSnapshot(), ...next });

  const push = (item: Item) => {
    if (stopped) return;
    if (item.arrival) item.arrival.open += 1;
    if (!running) return work(item);
    queue.push(item);
    if (full || queue.length < maxQueuedEvents) return;
    full = holding = true;
    gate.hold();
    watch();
  };

  const release = () => {
    cancelStall();
    if (holding) gate.release();
    full = holding = stalled = false;
  };

  /** Back-pressure is for what is slow. What settles nothing would stop all the others with it. */
  const watch = () => {
    const before = settled;
    cancelStall = clock.after(STALL_MS, () => {
      if (settled !== before) return watch();
      stalled = true;
      change({ stalled });
      const event = queue.find((item) => item.event)?.event;
      // Logged: what is left out can be asked for again.
      if (event?.cursor && holding) {
        holding = false;
        gate.release();
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

  /** Works in this turn up to the first promise: a turn for each event would cost more than all the rest. */
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
    if (item.arrival) settlement.settle(item.arrival);
    item.arrival = undefined;
  };

  const stop = () => {
    if (stopped) return;
    stopped = true;
    cancelRetry();
    signal?.removeEventListener('abort', stop);
    reject(new LinefeedError('closed', `${topic} was unsubscribed before it was accepted.`));
    if (running) settle(running);
    queue.splice(0).forEach(settle);
    // Once: what runs goes on to its end, and asks for the next item then.
    release();
    if (getSnapshot().status !== 'failed') change({ status: 'ended', stalled });
    onStop();
  };

  const validated: AnyHandler = async (payload, info) => {
    const { value, issues } = (await schema!['~standard'].validate(payload)) as {
      readonly value?: unknown;
      readonly issues?: readonly Issue[];
    };
    // Unsubscribed while it was looked at.
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
    event(arrival, event) {
      const { cursor } = event;
      // One that does not say what came before may be the newest there is: who joins gets that.
      if (cursor?.prev !== undefined && isAtOrBefore(cursor, floor)) return;
      handed = true;
      push({ arrival, event });
    },
    gap(arrival, wire) {
      if (!handed && isAtOrBefore(parseCursor(wire.to), floor)) return;
      // A gap of a hole has a cursor in its place.
      if (wire.reason === 'unknown' && !wire.from && given.from) {
        const message = `from: "${given.from}" of ${topic} is no cursor; did you mean "now" (the default) or "earliest"?`;
        report(invalidOption(message));
      }
      // What comes behind a gap that it is told of comes in full.
      floor = undefined;
      const task = async () => {
        const gap = { ...wire, topic, params };
        change({ gap });
        // Looked at now: a component may have given it since.
        const state = await (given.onGap ?? context.onGap)(gap);
        if (typeof state !== 'string') return;
        fetched = parseCursor(state);
        if (fetched) return;
        const message = `onGap of ${topic} gave ${JSON.stringify(state)}, which is no cursor.`;
        report(invalidOption(message));
      };
      push({ arrival, task });
    },
    end(finished) {
      const task = () => {
        reject(
          new LinefeedError('closed', `The server says that ${topic} is over, before it has accepted it.`),
        );
        stop();
        return finished && onEnd?.();
      };
      push({ arrival: undefined, task });
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
      push({ arrival: undefined, task });
    },
  };
}

/** Deferred: what a caller's function throws must not stop a queue, nor reach the middle of a frame. */
export function later<T>(call: (value: T) => unknown): (value: T) => void {
  return (value) => void Promise.resolve(value).then(call);
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined)?.then === 'function';
}
