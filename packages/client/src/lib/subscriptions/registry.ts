/** The registry of subscriptions: shared entries, the opening request, and changes on an open connection. */
import { LinefeedError } from '@linefeed/shared';
import { encodeAddress, parseCursor, type Cursor, type SubscriptionEntry } from '@linefeed/shared/wire';
import { soon, type Clock } from '../base/clock.ts';
import type { Connection } from '../connection/connection.ts';
import { createControl, sendChange } from './control-channel.ts';
import { isAtOrBefore } from '../base/cursor.ts';
import { toEntry, toFrom, toOpening, toOrder, type Place } from './entry.ts';
import { NO_FAILURES, type RetryHistory } from '../connection/retry-policy.ts';
import type { Delivery, Received, SubscriptionOptions } from './subscription.ts';
import type { Opening, RequestOptions } from '../transport/transport.ts';

/** An address with its position and the subscriptions that listen to it. */
export interface Entry extends Place {
  readonly deliveries: Set<Delivery>;
  /** The entry was created with an explicit `from`. A subscription without `from` does not join it. */
  readonly own: boolean;
  /**
   * State on the current or last connection.
   *
   * - `unasked`: not requested yet
   * - `asked`: requested, no answer yet
   * - `accepted`: the server has accepted it
   * - `delayed`: refused for now; requested again after a wait
   * - `refused`: not requested again on this connection
   * - `stalled`: its events are dropped until its handlers have room
   */
  state: 'unasked' | 'asked' | 'accepted' | 'delayed' | 'refused' | 'stalled';
  /** The requested start, until the server answers. A later start in the answer is a hole. */
  given?: Cursor | undefined;
  /** When it was accepted on the current or last connection, in milliseconds since 1970. */
  acceptedAt?: number | undefined;
  history: RetryHistory;
  /** Position at which the last hole was found. A hole that the server cannot fill is requested only once. */
  holeAt?: string | undefined;
  /** `keep: 'latest'`: the newest event, for subscriptions that join. */
  latest?: Received | undefined;
  /** While the entry lingers: the events received after `behind`, for a new subscription with a `from`. */
  missed?: { readonly behind: Cursor; readonly events: Received[] } | undefined;
  /** Set while the entry has no subscription. */
  cancelLinger?: () => void;
  /** Set while it is delayed. */
  cancelRetry?: () => void;
}

export interface RegistryContext extends RequestOptions {
  readonly clock: Clock;
  readonly connection: Connection;
  readonly lingerMs?: number | undefined;
  readonly report: (error: LinefeedError) => void;
  /** Returns an address's cursor from before a page reload, to its first subscription without a `from`. */
  readonly restored: (address: string) => string | undefined;
}

export interface SubscriptionRegistry {
  readonly entries: Set<Entry>;
  /** The connection's cursor. Everything up to it was received, for each entry that shares it. */
  cursor: Cursor | undefined;
  /** The entries with this event name. */
  readonly named: (event: string) => readonly Entry[];
  /** Sets the event name of an entry. */
  readonly name: (entry: Entry, event: string) => void;
  readonly add: (delivery: Delivery, options: SubscriptionOptions) => void;
  readonly remove: (delivery: Delivery) => void;
  /**
   * Moves a delivery to an entry of its own. The shared entry is a stream, and each subscription to a stream is a run
   * of its own.
   */
  readonly part: (delivery: Delivery, entry: Entry) => void;
  /** A handler has room again: requests the dropped events. */
  readonly resume: (delivery: Delivery) => void;
  /** Requests an entry again after `delayMs`. */
  readonly delay: (entry: Entry, delayMs: number) => void;
  /** Deletes an entry that has ended on the server. */
  readonly drop: (entry: Entry) => void;
  /** Deletes an entry and removes it on the server. */
  readonly forget: (entry: Entry) => void;
  /** Removes an event name on the server: no entry has it. */
  readonly refuse: (event: string) => void;
  /**
   * Sends all changes of this tick to the server, at the end of the tick. `wake` also opens a connection that is idle,
   * closed or failed.
   */
  readonly schedule: (wake?: boolean) => void;
  readonly takeOpening: () => Pick<Opening, 'entries' | 'cursor' | 'openOnly'>;
  /** A connection is open, or (`undefined`) has ended. */
  readonly reset: (connectionId?: string) => void;
  /** The server answered for an entry; `n` is the number of the request that the answer belongs to, if any. */
  readonly outcome: (n: number | undefined) => void;
  readonly close: () => void;
}

const WAKE_EVERY_MS = 1_000;

const LIKELY_CAUSES: Readonly<Record<number, string>> = {
  200: 'a redirect turned it into GET',
  403: 'a CSRF check or a firewall',
  405: 'the route serves GET alone',
};

/** A running stream without an event id so far. */
const isUnresumable = ({ state, at, mark = '~' }: Entry) => state === 'accepted' && !at && mark === '~';

const give = (entry: Entry, sent: SubscriptionEntry, shared?: Cursor) => {
  entry.given = parseCursor(sent.from ?? '') ?? (entry.at && shared);
  return sent;
};

export const isStalled = ({ deliveries }: Entry): boolean => {
  for (const delivery of deliveries) if (delivery.isStalled()) return true;
  return false;
};

const isWanted = ({ state }: Entry) => state !== 'refused';

export function createSubscriptionRegistry(context: RegistryContext): SubscriptionRegistry {
  const { clock, connection, lingerMs = 1_000, restored } = context;
  const entries = new Set<Entry>();
  const removals = new Set<string>();
  let index: Record<string, Entry[]> | undefined;
  /** Cache of the last lookup: consecutive frames often have the same event name. */
  let last: string | undefined;
  let found: readonly Entry[] = [];
  let keys = 0;
  let scheduled = false;
  let woken = false;
  let isOpen = false;
  /** Entries that did not fit the opening. They are added after `hello`. */
  let left: Entry[] = [];
  let wokenAt = -Infinity;
  let cancelWake = () => {};

  const ask = (asked: Entry[]) => {
    for (const entry of asked) {
      entry.state = 'asked';
      entry.acceptedAt = undefined;
      entry.cancelRetry?.();
    }
    return asked;
  };

  const control = createControl({
    clock,
    take() {
      const list = [...entries];
      let remove: string[] = [];
      // An entry without an answer may get one of these names. Send removals only when all entries have answers.
      if (!list.some(({ state }) => state === 'asked')) {
        remove = [...removals].filter((event) => registry.named(event).length === 0);
        removals.clear();
      }
      const add = ask(list.filter(({ state }) => state === 'unasked')).map((entry) =>
        give(entry, toEntry(entry, registry.cursor, true)),
      );
      return { add, remove };
    },
    send: (request, signal) => connection.control(request) ?? sendChange(context, request, signal),
    onRefused({ code, message, status }) {
      const cause = LIKELY_CAUSES[status!] ?? 'POST does not reach the feed';
      // Any other code is from the feed, whose message has the cause.
      const likely = /^(http_|wrong)/.test(code) ? `Likely: ${cause}. ` : '';
      const text = `POST is refused: each change opens a connection. ${likely}${message}`;
      context.report(new LinefeedError(code, text, { status }));
    },
    onFailure() {
      // A new connection would run a stream without ids again, or fail it.
      if ([...entries].some(isUnresumable)) return true;
      connection.reopen('changed');
      return undefined;
    },
  });

  const enter = (delivery: Delivery, place: Pick<Entry, 'address' | 'from' | 'own'>) => {
    keys += 1;
    entries.add({
      ...place,
      key: keys.toString(36),
      deliveries: new Set([delivery]),
      state: 'unasked',
      history: NO_FAILURES,
    });
    registry.schedule();
  };

  const registry: SubscriptionRegistry = {
    entries,
    cursor: undefined,
    named(event) {
      if (!index) {
        index = Object.create(null) as Record<string, Entry[]>;
        last = undefined;
        found = [];
        for (const entry of entries) if (entry.event) (index[entry.event] ??= []).push(entry);
      }
      if (event !== last) {
        last = event;
        found = index[event] ?? [];
      }
      return found;
    },
    name(entry, event) {
      entry.event = event;
      index = undefined;
    },
    add(delivery, { from }) {
      const address = encodeAddress(delivery.topic, delivery.params as object | undefined);
      // Throws for a lone surrogate, as it would in each request.
      encodeURIComponent(address);
      const own = from !== undefined;
      const asked = own ? /* seam: restored-cursor-kept */ toFrom(from) : restored(address);
      const start = parseCursor(from ?? '');
      // Each subscription to a stream is a run of its own. Until the server answers, subscriptions without `from` (or
      // with an equal cursor) share one entry. `from: 'now'` never shares, because the address may be a stream. Later,
      // a cursor joins an entry only up to the connection's cursor. Past that, only the server knows whether the
      // position is in the log.
      const isFor = ({ event, at, missed, ...entry }: Entry) =>
        at
          ? own
            ? isAtOrBefore(missed?.behind ?? at, start) && isAtOrBefore(start, registry.cursor)
            : !entry.own
          : !event && own === entry.own && (!own || (start && asked === entry.from));
      const shared = [...entries].find((entry) => entry.address === address && isFor(entry));
      registry.schedule(true);
      if (!shared) return enter(delivery, { address, from: asked, own });
      const { at, deliveries, latest, missed } = shared;
      shared.cancelLinger?.();
      // A new subscription requests a refused entry again.
      if (shared.state === 'refused') shared.state = 'unasked';
      deliveries.add(delivery);
      shared.missed = undefined;
      if (!at) return;
      delivery.join(start);
      if (isOpen && shared.acceptedAt !== undefined) delivery.accept(shared.tail, at);
      for (const received of (start ? missed?.events : latest && [latest]) ?? []) {
        delivery.event(undefined, { ...received, replayed: true });
      }
    },
    remove(delivery) {
      for (const entry of entries) {
        if (!entry.deliveries.delete(delivery) || entry.deliveries.size > 0) continue;
        const { at, state } = entry;
        // Linger: a remount or a route change often subscribes to the same logged address again.
        if (state === 'asked' || (at && state === 'accepted'))
          entry.cancelLinger = clock.after(lingerMs, () => registry.forget(entry));
        else registry.forget(entry);
      }
    },
    part(delivery, { deliveries, address, from, own }) {
      deliveries.delete(delivery);
      enter(delivery, { address, from, own });
    },
    resume(delivery) {
      for (const entry of entries) {
        if (entry.state !== 'stalled' || !entry.deliveries.has(delivery) || isStalled(entry)) continue;
        entry.state = 'unasked';
        registry.schedule(true);
      }
    },
    delay(entry, delayMs) {
      entry.state = 'delayed';
      entry.cancelRetry = /* seam: retry-timer-of-its-own */ clock.after(delayMs, () => {
        entry.state = 'unasked';
        registry.schedule(true);
      });
    },
    drop(entry) {
      entry.cancelLinger?.();
      entry.cancelRetry?.();
      entries.delete(entry);
      registry.schedule();
    },
    forget(entry) {
      // The server has no event name for a refused or unanswered entry.
      if (entry.state === 'accepted' || entry.state === 'stalled') removals.add(entry.event!);
      registry.drop(entry);
    },
    refuse(event) {
      removals.add(event);
      registry.schedule();
    },
    schedule(wake) {
      index = undefined;
      woken ||= wake === true;
      if (scheduled) return;
      scheduled = true;
      soon(() => {
        const { state } = connection.getSnapshot();
        const isOver = state === 'closed' || state === 'failed';
        // Only a wake opens a connection that is idle, closed or failed.
        const isToOpen = woken && (isOver || state === 'idle');
        // Throttle: re-subscribing after a refusal reopens the connection at most once per second.
        const waitMs = isOver ? wokenAt + WAKE_EVERY_MS - clock.now() : 0;
        scheduled = woken = false;
        cancelWake();
        if (![...entries].some(isWanted)) connection.stop('rest', 'unsubscribed');
        else if (!isToOpen) control.flush();
        else if (waitMs > 0) cancelWake = clock.after(waitMs, () => registry.schedule(true));
        else {
          if (isOver) wokenAt = clock.now();
          connection.open('subscribed');
        }
      });
    },
    takeOpening() {
      const list = [...entries];
      const due = list.filter(({ state }) => state !== 'delayed' && state !== 'stalled');
      // The server refuses a list that is empty or has only refused entries. If no due entry is wanted, request all
      // entries.
      const asked = ask(toOrder(due.some(isWanted) ? due : list, registry.cursor));
      removals.clear();
      // The server answers in the order of the list.
      entries.clear();
      for (const entry of [...asked, ...list]) entries.add(entry);
      const opening = toOpening(asked, registry.cursor);
      // If no entry shares the cursor, the request does not contain it, and the new connection does not know it.
      if (opening.cursor === undefined) registry.cursor = undefined;
      const shared = parseCursor(opening.cursor ?? '');
      opening.entries.forEach((sent, index) => give(asked[index]!, sent, shared));
      left = [];
      return {
        ...opening,
        openOnly(count) {
          left = asked.slice(count);
          for (const entry of left) {
            if (!entry.at) continue;
            // Events of the other entries will advance the connection's cursor before this entry is added.
            if (!entry.apart && isAtOrBefore(entry.at, registry.cursor)) entry.at = registry.cursor;
            entry.apart = true;
          }
        },
      };
    },
    reset(next) {
      // Entries still unanswered cannot resume from the connection's cursor, which later events may have advanced.
      if (isOpen) for (const entry of entries) entry.apart ||= entry.state === 'asked';
      isOpen = next !== undefined;
      if (isOpen) for (const entry of left.splice(0)) entry.state = 'unasked';
      control.reset(next);
    },
    outcome: control.outcome,
    close() {
      const all = [...entries];
      cancelWake();
      entries.clear();
      for (const { cancelLinger, cancelRetry, deliveries } of all) {
        cancelLinger?.();
        cancelRetry?.();
        for (const { subscription } of deliveries) subscription();
      }
    },
  };
  return registry;
}
