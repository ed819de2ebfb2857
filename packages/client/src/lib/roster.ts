/** The list of subscriptions: who shares an entry, what an opening asks for, and what changes while it is open. */
import { LinefeedError } from '@linefeed/shared';
import { encodeAddress, parseCursor, type Cursor, type SubscriptionEntry } from '@linefeed/shared/wire';
import { soon, type Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import { createControl, sendChange } from './control.ts';
import { isAtOrBefore, toEntry, toFrom, toOpening, toOrder, type Place } from './place.ts';
import { NO_FAILURES, type RetryHistory } from './retry-policy.ts';
import type { Delivery, Received, SubscriptionOptions } from './subscription.ts';
import type { Opening, RequestOptions } from './transport.ts';

/** A place with those who listen to it. */
export interface Entry extends Place {
  readonly deliveries: Set<Delivery>;
  /** Started where its subscription said, so nobody joins it who wants something else. */
  readonly own: boolean;
  /**
   * What is known of it on this connection, or on the one that was lost. `delayed`: refused for now, and not to be asked
   * for before its wait is over; `refused`: not to be asked for again on this connection; `stalled`: what comes is left
   * out until its handlers go on.
   */
  state: 'unasked' | 'asked' | 'accepted' | 'delayed' | 'refused' | 'stalled';
  /** Where it was asked for from, until that is answered: a later start is a hole. */
  given?: Cursor | undefined;
  /** When it was accepted on this connection, or on the one that was lost; in milliseconds since 1970. */
  acceptedAt?: number | undefined;
  history: RetryHistory;
  /** Where the last hole was found, so that one the server cannot fill is not asked for twice. */
  holeAt?: string | undefined;
  /** `keep: 'latest'`: the newest event, for whoever joins. */
  latest?: Received | undefined;
  /** While it lingers: what has come behind `behind`, for who comes back with a `from`. */
  missed?: { readonly behind: Cursor; readonly events: Received[] } | undefined;
  /** Set while nobody listens to it. */
  cancelLinger?: () => void;
  /** Set while it is delayed. */
  cancelRetry?: () => void;
}

export interface RosterContext extends RequestOptions {
  readonly clock: Clock;
  readonly connection: Connection;
  readonly lingerMs?: number | undefined;
  readonly report: (error: LinefeedError) => void;
  /** Where an address stood before a reload, for the first that asks without a `from`. */
  readonly restored: (address: string) => string | undefined;
}

export interface Roster {
  readonly entries: Set<Entry>;
  /** The connection's cursor: everything up to it was received, for every entry that shares it. */
  cursor: Cursor | undefined;
  /** The entries whose frames bear this name. */
  readonly named: (event: string) => readonly Entry[];
  /** The frames of an entry will bear this name. */
  readonly name: (entry: Entry, event: string) => void;
  readonly add: (delivery: Delivery, options: SubscriptionOptions) => void;
  readonly remove: (delivery: Delivery) => void;
  /** Takes a delivery out of the entry it shares: what was asked for is a stream. */
  readonly part: (delivery: Delivery, entry: Entry) => void;
  /** A handler goes on: asks for what was left out. */
  readonly resume: (delivery: Delivery) => void;
  /** Asks for an entry again, but not before `delayMs` are over. */
  readonly delay: (entry: Entry, delayMs: number) => void;
  /** Takes an entry out that the server knows to be over. */
  readonly drop: (entry: Entry) => void;
  /** Takes an entry out, and tells the server. */
  readonly forget: (entry: Entry) => void;
  /** An event name that comes and that nobody wants. */
  readonly refuse: (event: string) => void;
  /** At the end of this tick: tells the server of everything that changed in it; `wake` opens what failed or is over. */
  readonly schedule: (wake?: boolean) => void;
  readonly takeOpening: () => Pick<Opening, 'entries' | 'cursor' | 'openOnly'>;
  /** A connection is open, or (`undefined`) is gone. */
  readonly reset: (connectionId?: string) => void;
  /** The server said something of an entry; `n` is the number of the request that asked, if one did. */
  readonly outcome: (n: number | undefined) => void;
  readonly close: () => void;
}

const WAKE_EVERY_MS = 1_000;

const LIKELY_CAUSES: Readonly<Record<number, string>> = {
  200: 'a redirect turned it into GET',
  403: 'a CSRF check or a firewall',
  405: 'the route serves GET alone',
};

/** A stream that runs and has given no id yet. */
const isUnresumable = ({ state, event, at, mark = '~' }: Entry) =>
  state === 'accepted' && event !== undefined && !at && mark === '~';

const give = (entry: Entry, sent: SubscriptionEntry, shared?: Cursor) => {
  entry.given = parseCursor(sent.from ?? '') ?? (entry.at && shared);
  return sent;
};

export const isStalled = ({ deliveries }: Entry): boolean => {
  for (const delivery of deliveries) if (delivery.isStalled()) return true;
  return false;
};

const isWanted = ({ state }: Entry) => state !== 'refused';

export function createRoster(context: RosterContext): Roster {
  const { clock, connection, lingerMs = 1_000, restored } = context;
  const entries = new Set<Entry>();
  const removals = new Set<string>();
  let index: Record<string, Entry[]> | undefined;
  /** What was found last, and for which name. */
  let last: string | undefined;
  let found: readonly Entry[] = [];
  let keys = 0;
  let scheduled = false;
  let woken = false;
  let isOpen = false;
  /** What the opening had no room for: to be added behind hello. */
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
      // Whoever still waits for an answer may get one of these names by it.
      if (!list.some(({ state }) => state === 'asked')) {
        remove = [...removals].filter((event) => roster.named(event).length === 0);
        removals.clear();
      }
      const add = ask(list.filter(({ state }) => state === 'unasked')).map((entry) =>
        give(entry, toEntry(entry, roster.cursor, true)),
      );
      return { add, remove };
    },
    send: (request, signal) => connection.control(request) ?? sendChange(context, request, signal),
    onRefused({ code, message, status }) {
      const cause = LIKELY_CAUSES[status!] ?? 'POST does not reach the feed';
      // Any other code is of the feed itself, which says why.
      const likely = /^(http_status|wrong_content_type)$/.test(code) ? `Likely: ${cause}. ` : '';
      const text = `Each change needs another connection, because POST is refused. ${likely}${message}`;
      context.report(new LinefeedError(code, text, { status }));
    },
    onFailure({ add, remove }, error) {
      // A stream without ids would be run again, or could not go on: what was refused is sent again meanwhile.
      const isKept = [...entries].some(isUnresumable);
      if (!isKept) connection.reopen('changed');
      else if (error) {
        for (const entry of entries) if (add.some(({ key }) => key === entry.key)) entry.state = 'unasked';
        for (const event of remove) removals.add(event);
      }
      return isKept;
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
    roster.schedule();
  };

  const roster: Roster = {
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
      const own = from !== undefined;
      const asked = own ? toFrom(from) : restored(address);
      const start = parseCursor(from ?? '');
      // A stream is a run for each subscription; until the server has said which it is, one entry stands for all that
      // say nothing, or the same cursor: who says `now` may want a run of its own. Behind what was received, the server
      // alone knows whether that place is still in the log.
      const isFor = ({ event, at, missed, ...entry }: Entry) =>
        at
          ? own
            ? isAtOrBefore(missed?.behind ?? at, start) && isAtOrBefore(start, roster.cursor)
            : !entry.own
          : !event && own === entry.own && (!own || (start && asked === entry.from));
      const shared = [...entries].find((entry) => entry.address === address && isFor(entry));
      roster.schedule(true);
      if (!shared) return enter(delivery, { address, from: asked, own });
      const { at, deliveries, latest, missed } = shared;
      shared.cancelLinger?.();
      // Who subscribes asks, whatever the answer was.
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
        // A remount or a change of route comes back to a logged address before it is gone.
        if (state === 'asked' || (at && state === 'accepted'))
          entry.cancelLinger = clock.after(lingerMs, () => roster.forget(entry));
        else roster.forget(entry);
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
        roster.schedule(true);
      }
    },
    delay(entry, delayMs) {
      entry.state = 'delayed';
      entry.cancelRetry = clock.after(delayMs, () => {
        entry.state = 'unasked';
        roster.schedule(true);
      });
    },
    drop(entry) {
      entry.cancelLinger?.();
      entry.cancelRetry?.();
      entries.delete(entry);
      roster.schedule();
    },
    forget(entry) {
      // Of what is refused or not answered yet the server has no name to remove.
      if (entry.state === 'accepted' || entry.state === 'stalled') removals.add(entry.event!);
      roster.drop(entry);
    },
    refuse(event) {
      removals.add(event);
      roster.schedule();
    },
    schedule(wake) {
      index = undefined;
      woken ||= wake === true;
      if (scheduled) return;
      scheduled = true;
      soon(() => {
        const { state } = connection.getSnapshot();
        const isOver = state === 'closed' || state === 'failed';
        // A connection that failed is opened for what has not been asked for.
        const isToOpen = woken && (isOver || state === 'idle');
        // Nobody who subscribes again at each refusal asks the server each time.
        const waitMs = isOver ? wokenAt + WAKE_EVERY_MS - clock.now() : 0;
        scheduled = woken = false;
        cancelWake();
        if (![...entries].some(isWanted)) connection.stop('rest', 'unsubscribed');
        else if (!isToOpen) control.flush();
        else if (waitMs > 0) cancelWake = clock.after(waitMs, () => roster.schedule(true));
        else {
          if (isOver) wokenAt = clock.now();
          connection.open('subscribed');
        }
      });
    },
    takeOpening() {
      const list = [...entries];
      const due = list.filter(({ state }) => state !== 'delayed' && state !== 'stalled');
      // A list of nothing, or of what is refused, opens nothing.
      const asked = ask(toOrder(due.some(isWanted) ? due : list, roster.cursor));
      removals.clear();
      // Answers come in the order of the list.
      entries.clear();
      for (const entry of [...asked, ...list]) entries.add(entry);
      const opening = toOpening(asked, roster.cursor);
      // What nobody shares any more, the new connection does not know.
      if (opening.cursor === undefined) roster.cursor = undefined;
      const shared = parseCursor(opening.cursor ?? '');
      opening.entries.forEach((sent, index) => give(asked[index]!, sent, shared));
      left = [];
      return {
        ...opening,
        openOnly(count) {
          left = asked.slice(count);
          for (const entry of left) {
            if (!entry.at) continue;
            // By the time it is added, the others will have moved the cursor on.
            if (!entry.apart && isAtOrBefore(entry.at, roster.cursor)) entry.at = roster.cursor;
            entry.apart = true;
          }
        },
      };
    },
    reset(next) {
      // What came on this connection may have moved the cursor past whoever was not accepted on it.
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
  return roster;
}
