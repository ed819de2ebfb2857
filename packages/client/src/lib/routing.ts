/** The subscriptions of a client over one connection: who gets which frame, and what to ask the server for. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import {
  CONTROL_PREFIX,
  encodeAddress,
  FRAME,
  parseCursor,
  parseEventId,
  type CaughtUp,
  type ControlRequest,
  type Cursor,
  type End,
  type Gap,
  type Hello,
  type Subscribed,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import type { ConnectionReason } from './connection-state.ts';
import { createControl } from './control.ts';
import { isAtOrBefore, judgeEvent, toEntry, toFrom, toOpening, toText, type Place } from './place.ts';
import { NO_FAILURES, planRetry, type RetryHistory, type RetryOptions } from './retry-policy.ts';
import type { Arrival, Settlement } from './settlement.ts';
import type { Delivery, SubscriptionOptions } from './subscription.ts';
import type { Opening } from './transport.ts';

/** A place with those who listen to it. */
interface Entry extends Place {
  readonly deliveries: Set<Delivery>;
  /** Started where its subscription said, so nobody else joins it. */
  readonly own: boolean;
  /** Asked for on this connection. */
  sent?: boolean;
  /** Asked for on this connection, and neither accepted nor refused. */
  waiting?: boolean;
  history: RetryHistory;
  /** Where the last hole was found, so that one the server cannot fill is not asked for twice. */
  holeAt?: string | undefined;
  /** `keep: 'latest'`: the newest event, for whoever joins. */
  latest?: { readonly payload: unknown; readonly cursor: Cursor };
  cancelLinger?: () => void;
}

export interface RoutingOptions {
  readonly clock: Clock;
  readonly settlement: Settlement;
  readonly retry: RetryOptions;
  readonly lingerMs: number;
  readonly send: (request: ControlRequest) => Promise<number>;
  /** Something is to be asked for: opens a connection where there is none. */
  readonly start: () => void;
  /** Nothing is left to be asked for. */
  readonly rest: () => void;
  readonly reopen: (reason: ConnectionReason) => void;
  /** Frames of this event name will come. */
  readonly listen: (event: string) => void;
  readonly onError: (error: LinefeedError) => void;
  readonly onInvalid: (error: LinefeedError) => void;
}

export interface Routing {
  /** `restored`: where an address stood before a reload. */
  readonly add: (delivery: Delivery, options: SubscriptionOptions, restored?: (address: string) => string | undefined) => void;
  readonly remove: (delivery: Delivery) => void;
  readonly plan: () => Pick<Opening, 'entries' | 'cursor'>;
  readonly onFrame: (event: string, data: string, id: string) => void;
  readonly onGone: () => void;
  readonly onOver: (error: LinefeedError | undefined) => void;
  /** Addresses that the committed cursor speaks for. */
  readonly addresses: () => string[];
  readonly deliveries: () => Delivery[];
}

export function createRouting({ clock, settlement, ...options }: RoutingOptions): Routing {
  const entries = new Set<Entry>();
  /** Event names that nobody wants any more. */
  const removals = new Set<string>();
  let cursor: Cursor | undefined;
  let keys = 0;
  let scheduled = false;

  const control = createControl({
    clock,
    send: options.send,
    onFailure: () => options.reopen('changed'),
    take() {
      const add = [...entries].filter(({ sent }) => !sent);
      const remove = [...removals].filter((event) => named(event).length === 0);
      removals.clear();
      return { add: ask(add).map((entry) => toEntry(entry, cursor)), remove };
    },
  });

  const named = (event: string) => [...entries].filter((entry) => entry.event === event);

  const ask = (asked: Entry[]) => {
    for (const entry of asked) entry.sent = entry.waiting = true;
    return asked;
  };

  // One request for all that changes in one tick.
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      if (entries.size === 0) options.rest();
      else control.flush();
    });
  };

  const enter = (
    delivery: Delivery,
    address: string,
    from: string | undefined,
    own: boolean,
    restart: boolean | undefined,
  ) => {
    const deliveries = new Set([delivery]);
    entries.add({ address, key: (keys += 1).toString(36), from, own, restart, deliveries, history: NO_FAILURES });
  };

  const add = (delivery: Delivery, { from, restart }: SubscriptionOptions, restored?: (address: string) => string | undefined) => {
    const address = encodeAddress(delivery.topic, delivery.params as object | undefined);
    // A stream is a run for each subscription; until the server has said which it is, one entry stands for all.
    const shared =
      from === undefined &&
      [...entries].find((entry) => entry.address === address && !entry.own && (entry.at || !entry.event));
    if (!shared) {
      enter(delivery, address, from === undefined ? restored?.(address) : toFrom(from), from !== undefined, restart);
      // Only who subscribes wakes a connection that failed.
      queueMicrotask(() => entries.size > 0 && options.start());
      return schedule();
    }
    shared.cancelLinger?.();
    shared.deliveries.add(delivery);
    if (shared.at) delivery.accept();
    if (!shared.latest) return;
    const arrival = settlement.arrive(undefined);
    const { payload, cursor } = shared.latest;
    hand(shared, [delivery], arrival, payload, cursor, toText(cursor), true);
    settlement.settle(arrival);
  };

  const remove = (delivery: Delivery) => {
    for (const entry of entries) {
      if (!entry.deliveries.delete(delivery) || entry.deliveries.size > 0) continue;
      // A remount or a change of route comes back to a logged address before it is gone.
      if (entry.sent && (entry.at || !entry.event)) {
        entry.cancelLinger = clock.after(options.lingerMs, () => forget(entry));
      } else forget(entry);
    }
  };

  const forget = (entry: Entry) => {
    entry.cancelLinger?.();
    if (!entries.delete(entry)) return;
    if (entry.event) removals.add(entry.event);
    schedule();
  };

  /** The entry that an answer is about: by its key, else by its address as asked, else by its event name. */
  const answered = ({ key, address }: Subscribed | SubscriptionError) => {
    const list = [...entries];
    return key === undefined
      ? (list.find((entry) => entry.waiting && entry.address === address) ?? named(address)[0])
      : list.find((entry) => entry.key === key);
  };

  const onSubscribed = (body: Subscribed) => {
    const { event } = body;
    const entry = answered(body);
    if (!entry) {
      // Unsubscribed before it was accepted.
      removals.add(event);
      return schedule();
    }
    entry.waiting = false;
    entry.history = NO_FAILURES;
    entry.event = event;
    options.listen(event);
    if (body.cursor === undefined) {
      const [first, ...others] = entry.deliveries;
      if (!first) return forget(entry);
      first.accept();
      for (const other of others) {
        entry.deliveries.delete(other);
        enter(other, entry.address, undefined, false, entry.restart);
      }
      return schedule();
    }
    entry.at ??= parseCursor(body.cursor);
    entry.tail = parseCursor(body.tail ?? '');
    // Frames of one event name come once, in one order, however many entries asked for it.
    const accepted = named(event).filter(({ waiting }) => !waiting);
    const apart = body.rewind ?? accepted.some((other) => other !== entry && other.apart);
    for (const each of accepted) each.apart = apart;
    for (const delivery of entry.deliveries) delivery.accept();
    // Its event name is live already, so the past that it asked for does not come: only a new connection brings it.
    if (!apart && entry.own && !entry.holeAt && isAtOrBefore(entry.at, cursor) && !isAtOrBefore(cursor, entry.at)) {
      entry.holeAt = toText(entry.at);
      entry.apart = true;
      options.reopen('changed');
    }
  };

  const onGap = (event: string, gap: Gap) => {
    const arrival = settlement.arrive(undefined);
    for (const entry of named(event)) {
      entry.at = parseCursor(gap.to);
      for (const delivery of entry.deliveries) delivery.gap(arrival, gap);
    }
    settlement.settle(arrival);
  };

  const onRefused = (body: SubscriptionError) => {
    const entry = answered(body);
    if (!entry) return;
    const { code, message, retryable, address } = body;
    if (retryable) {
      const plan = planRetry(entry.history, { connectedMs: undefined }, options.retry, clock.now(), clock.random());
      entry.history = plan.history;
      clock.after(plan.delayMs, () => {
        entry.sent = entry.waiting = false;
        schedule();
      });
      return;
    }
    entries.delete(entry);
    schedule();
    const error = new LinefeedError(code as ErrorCode, message, { address });
    for (const delivery of entry.deliveries) delivery.fail(error);
  };

  const onEnd = ({ address, key }: End) => {
    for (const entry of key === undefined ? named(address) : [...entries].filter((each) => each.key === key)) {
      entries.delete(entry);
      for (const delivery of entry.deliveries) delivery.end();
    }
    schedule();
  };

  const hand = (
    entry: Entry,
    deliveries: Iterable<Delivery>,
    arrival: Arrival,
    payload: unknown,
    cursor: Cursor | undefined,
    id: string | undefined,
    replayed: boolean,
  ) => {
    for (const delivery of deliveries) {
      const { topic, params } = delivery;
      const address = cursor ? entry.event! : entry.address;
      delivery.event(arrival, payload, { address, topic, params, id, replayed }, cursor);
    }
  };

  const onEvent = (event: string, data: string, text: string) => {
    const { cursor: position, streamId } = parseEventId(text);
    // The cursor in the id of a stream's event is the connection's, not the event's.
    const own = streamId === undefined ? position : undefined;
    const targets = named(event).filter((entry) => !own || judgeEvent(entry, own) !== 'repeated');
    for (const entry of targets) {
      if (!own || judgeEvent(entry, own) !== 'hole') continue;
      const from = toText(entry.at)!;
      if (entry.holeAt === from) {
        onGap(event, { address: event, from, to: toText({ ...own, position: own.prev! }), reason: 'unknown' });
        continue;
      }
      entry.holeAt = from;
      entry.apart = true;
      const message = `Something of ${event} is missing behind ${from}: asking for it again.`;
      options.onError(new LinefeedError('hole', message, { address: event, retryable: true }));
      return options.reopen('hole');
    }
    const apart = named(event).some((entry) => entry.apart);
    if (!apart && !isAtOrBefore(position, cursor)) cursor = position ?? cursor;
    const arrival = settlement.arrive(apart ? undefined : toText(position));
    let payload: unknown;
    let valid = true;
    try {
      payload = JSON.parse(data);
    } catch (cause) {
      valid = false;
      const message = `An event of ${event} is no JSON: ${data.slice(0, 100)}`;
      options.onInvalid(new LinefeedError('invalid_json', message, { cause, address: event }));
    }
    for (const entry of targets) {
      if (own) {
        entry.at = own;
        // Only a topic that keeps the latest value alone does not say what came before.
        if (own.prev === undefined && valid) entry.latest = { payload, cursor: own };
      } else if (streamId !== undefined) entry.mark = text.slice(text.indexOf('~'));
      if (!valid) continue;
      hand(entry, entry.deliveries, arrival, payload, own, streamId || toText(own), isAtOrBefore(own, entry.tail));
    }
    settlement.settle(arrival);
  };

  const moveTo = (id: string) => {
    const at = parseEventId(id).cursor;
    cursor = at ?? cursor;
    settlement.settle(settlement.arrive(toText(at)));
  };

  const onControl = (event: string, body: any, id: string) => {
    switch (event) {
      case FRAME.hello:
        control.reset((body as Hello).connection);
        moveTo(id);
        break;
      case FRAME.bookmark:
        moveTo(id);
        break;
      case FRAME.subscribed:
        onSubscribed(body);
        break;
      case FRAME.caughtup:
        for (const entry of named((body as CaughtUp).address)) entry.apart = false;
        break;
      case FRAME.gap:
        onGap((body as Gap).address, body);
        break;
      case FRAME.error:
        onRefused(body);
        break;
      case FRAME.end:
        if (body.n === undefined) onEnd(body);
    }
    control.outcome(body.n);
    if (event === FRAME.hello) control.flush();
  };

  const onGone = () => {
    for (const entry of entries) entry.sent = entry.waiting = false;
    removals.clear();
    control.reset();
  };

  return {
    add,
    remove,
    plan() {
      const opening = toOpening(ask([...entries]), cursor);
      // What nobody shares any more, the new connection does not know.
      if (opening.cursor === undefined) cursor = undefined;
      return opening;
    },
    onFrame(event, data, id) {
      if (event.startsWith(CONTROL_PREFIX)) onControl(event, JSON.parse(data), id);
      else onEvent(event, data, id);
    },
    onGone,
    onOver(error) {
      for (const { deliveries, mark } of entries) {
        for (const delivery of deliveries) {
          if (error) delivery.fail(error, true);
          else if (mark === '~') delivery.fail(new LinefeedError('not_resumable', NOT_RESUMABLE));
          else delivery.end();
        }
      }
      if (!error) entries.clear();
    },
    addresses: () => [...entries].filter(({ at, apart }) => at && !apart).map(({ address }) => address),
    deliveries: () => [...entries].flatMap((entry) => [...entry.deliveries]),
  };
}

const NOT_RESUMABLE = 'The stream broke off and gives its events no ids: it can only start again (restart: true).';
