/** A subscription: its snapshot, and the order of what reaches its handler. */
import { LinefeedError, type ErrorCode, type Issue, type Schema } from '@linefeed/shared';
import { invalidOption, parseCursor, type Cursor } from '@linefeed/shared/wire';
import { isAtOrBefore, toText, type AnyCursor } from '../base/cursor.ts';
import { createStore } from '../base/store.ts';
import { createHandlerQueue, type HandlerQueueContext } from './handler-queue.ts';
import type { SubscriptionRegistry } from './registry.ts';
import type {
  AnyHandler,
  EventInfo,
  Gap,
  RunEnd,
  RunEventInfo,
  RunSubscriptionOptions,
  Subscriber,
  SubscriptionOptions,
  SubscriptionSnapshot,
} from './types.ts';

/** The options of a subscription inside the client, to a topic of any kind. */
export interface SubscriberOptions
  extends Omit<SubscriptionOptions, 'onEnd'>, Pick<RunSubscriptionOptions, 'onRun' | 'onCaughtUp'> {
  /** With the end of a run, or of a stream without it. */
  readonly onEnd?: ((end?: RunEnd) => unknown) | undefined;
  /**
   * Called with the final error after the last event, instead of the client's `onError`. `iterate` throws that error.
   */
  readonly onFail?: ((error: LinefeedError) => void) | undefined;
}

/** The parts that all subscriptions of a client share. */
export interface SubscriberContext extends HandlerQueueContext {
  readonly registry: SubscriptionRegistry;
  readonly onGap: (gap: Gap) => unknown;
  readonly report: (error: LinefeedError) => void;
  readonly reportInvalid: (error: LinefeedError) => void;
}

export function createSubscriber(
  context: SubscriberContext,
  topic: string,
  params: unknown,
  handler: AnyHandler,
  options: SubscriberOptions,
  schema: Schema | undefined,
): Subscriber {
  const { onError, onEnd, onFail, onHandlerError, onRun, onCaughtUp, restart, signal } = options;
  const { getSnapshot, subscribe, set } = createStore<SubscriptionSnapshot>({
    status: 'subscribing',
    error: undefined,
    gap: undefined,
    stalled: false,
  });
  let resolve!: () => void;
  let reject!: (error: LinefeedError) => void;
  const ready = new Promise<void>((...both) => ([resolve, reject] = both));
  let stopped = false;
  let hasWarned = false;
  /** It joined an entry without a start of its own, and the server has not confirmed that entry yet. */
  let isJoining = false;
  /** At least one event was handled or is queued. */
  let hasEvents = false;
  /** Events and gaps up to here are from before this subscription joined. */
  let floor: AnyCursor | undefined;
  /** The end of the log, or of the newest run, when the entry was last accepted. */
  let acceptedTail: AnyCursor | undefined;
  /** Cursor at which its events start. */
  let startedAt: AnyCursor | undefined;
  /** The caller's own state includes everything up to here. */
  let fetchedTo: Cursor | undefined;
  /** Run and attempt of the last `onRun`. */
  let lastAttempt = '';
  let isReplaying = false;

  // Prevents an unhandled rejection: most callers use `onError` or the snapshot instead.
  ready.catch(() => {});

  const report = onError ? later(onError) : context.report;
  const change = (next: Partial<SubscriptionSnapshot>) => {
    // Another subscription's listener can end this one between a frame and the call for it.
    if (!stopped || next.status === 'ended') set({ ...getSnapshot(), ...next });
  };

  const validate: AnyHandler = async (data, info) => {
    const { value, issues } = (await schema!['~standard'].validate(data)) as {
      readonly value?: unknown;
      readonly issues?: readonly Issue[];
    };
    // It was unsubscribed during the validation.
    if (!issues) return stopped || handler(value, info);
    const { address } = info;
    const message = `An event of ${address} does not match its schema: ${issues[0]?.message}`;
    return context.reportInvalid(new LinefeedError('invalid_payload', message, { issues, address }));
  };
  const call = schema ? validate : handler;

  const queue = createHandlerQueue(
    context,
    ({ address, data, cursor, id }, replayed) => {
      if (isAtOrBefore(cursor, fetchedTo)) return undefined;
      const info: EventInfo & Partial<Pick<RunEventInfo, 'run'>> = cursor?.isRun
        ? { address, topic, params, cursor: undefined, id, run: cursor.epoch, replayed }
        : { address, topic, params, cursor: toText(cursor), id, replayed };
      return call(data, info);
    },
    (cause) => {
      report(
        new LinefeedError('handler_failed', `The handler of ${topic} threw: ${String(cause)}`, { cause }),
      );
      if (onHandlerError === 'stop') stop();
      return onHandlerError === 'retry';
    },
    (length, event) => {
      change({ stalled: true });
      if (hasWarned) return;
      hasWarned = true;
      const address = event?.address ?? topic;
      const message = `${length} events of ${address} wait: its handler has settled nothing for 5 s.`;
      report(new LinefeedError('queue_overflow', message, { address }));
    },
    () => {
      change({ stalled: false });
      context.registry.resume(subscriber);
    },
  );
  const push = (task: () => unknown) => queue.push({ inFlight: undefined, task });

  const stop = () => {
    if (stopped) return;
    stopped = true;
    signal?.removeEventListener('abort', stop);
    reject(new LinefeedError('closed', `${topic} ended before it was accepted.`));
    queue.close();
    if (getSnapshot().status !== 'failed') change({ status: 'ended', stalled: false });
    context.registry.remove(subscriber);
  };

  const subscription = Object.assign(() => stop(), {
    ready,
    startCursor: () => toText(startedAt),
    getSnapshot,
    subscribe,
    [Symbol.dispose]: stop,
  });
  signal?.addEventListener('abort', stop);

  const subscriber: Subscriber = {
    subscription,
    topic,
    params,
    restart,
    isDropping: queue.isDropping,
    join(start) {
      fetchedTo = start;
      isJoining = !start;
    },
    accept(tail, start) {
      acceptedTail = tail;
      // An earlier tail in the same epoch: the log may have lost events up to the floor, and then new ones take their
      // positions.
      if (isJoining || isAtOrBefore(tail, floor)) floor = tail;
      isJoining = false;
      isReplaying = true;
      startedAt ??= isAtOrBefore(start, floor) ? floor : start;
      resolve();
      if (getSnapshot().status !== 'subscribed') change({ status: 'subscribed', error: undefined });
    },
    event(inFlight, event, isReplayed) {
      const { cursor } = event;
      // An event without `prev` may be the newest one, and a joining subscription needs that.
      if ((cursor?.isRun || cursor?.prev !== undefined) && isAtOrBefore(cursor, floor)) return;
      hasEvents = true;
      queue.push({ inFlight, event, replayed: isReplayed || isAtOrBefore(cursor, acceptedTail) });
    },
    gap(inFlight, wire) {
      // After a rollback, new events take the positions of lost ones, even those before this subscription joined.
      const isEarlier = wire.reason !== 'rollback' && isAtOrBefore(parseCursor(wire.to), floor);
      if (!hasEvents && isEarlier) return;
      // A gap that the client made for a hole has a cursor in `from`.
      if (wire.reason === 'unknown' && !wire.from && options.from) {
        const message = `from: "${options.from}" of ${topic} is not a cursor; did you mean "now" or "earliest"?`;
        report(invalidOption(message));
      }
      // After a gap, deliver every event.
      floor = undefined;
      const task = async () => {
        // The log lost that state's history, and its new events may have earlier positions.
        if (wire.reason === 'rollback' || parseCursor(wire.to)?.epoch !== fetchedTo?.epoch)
          fetchedTo = undefined;
        const gap = { ...wire, topic, params };
        change({ gap });
        // Read now: a component can set `onGap` at a later render.
        const state = await (options.onGap ?? context.onGap)(gap);
        if (typeof state !== 'string') return;
        fetchedTo = parseCursor(state);
        if (fetchedTo) return;
        const message = `onGap of ${topic} gave ${JSON.stringify(state)}, which is not a cursor.`;
        report(invalidOption(message));
      };
      queue.push({ inFlight, task });
    },
    run({ run, attempt, startedAt }) {
      // It joined after this run.
      if (floor?.isRun && (run < floor.epoch || (run === floor.epoch && floor.prev))) return;
      const next = `${run}.${attempt}`;
      if (next === lastAttempt) return;
      lastAttempt = next;
      push(() => onRun?.({ run, attempt, startedAt }));
    },
    runEnd({ run, outcome, result, error, reason }, cursor) {
      // It joined after this end, and only another subscription of the entry has seen the run.
      if (!lastAttempt.startsWith(run!) && isAtOrBefore(cursor, floor)) return;
      const cause = error && new LinefeedError(error.code as ErrorCode, error.message);
      push(() => onEnd?.({ run, outcome, result, error: cause, reason } as RunEnd));
    },
    caughtUp() {
      if (isReplaying) push(() => onCaughtUp?.());
      isReplaying = false;
    },
    end: (finished) =>
      push(() => {
        stop();
        return finished && onEnd?.();
      }),
    refuseForNow: (error) => change({ status: 'subscribing', error }),
    fail(error, scope) {
      const before = getSnapshot();
      const isKnown = scope === 'here' && before.status === 'failed' && before.error?.code === error.code;
      reject(error);
      change({ status: 'failed', error });
      push(() => {
        onFail?.(error);
        if (!isKnown && (onError || !(scope === 'everywhere' || onFail))) report(error);
        if (!scope) stop();
      });
    },
  };
  return subscriber;
}

/** Defers a callback. An exception in user code must not stop a queue or interrupt the handling of a frame. */
export function later<T>(call: (value: T) => unknown): (value: T) => void {
  return (value) => void Promise.resolve(value).then(call);
}
