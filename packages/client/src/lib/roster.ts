/** The list of subscriptions: who shares an entry, what an opening asks for, what a control request changes. */
import { encodeAddress, type Cursor } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import type { Change } from './control.ts';
import { toEntry, toFrom, toOpening, toOrder, toText, type Place } from './place.ts';
import { NO_FAILURES, type RetryHistory } from './retry-policy.ts';
import type { Delivery, SubscriptionOptions } from './subscription.ts';
import type { Opening } from './transport.ts';

/** A place with those who listen to it. */
export interface Entry extends Place {
  readonly deliveries: Set<Delivery>;
  /** Started where its subscription said, so nobody else joins it. */
  readonly own: boolean;
  /** Asked for, on this connection or an earlier one. */
  asked?: boolean;
  /** Asked for on this connection. */
  sent?: boolean;
  /** Asked for on this connection, and neither accepted nor refused. */
  waiting?: boolean;
  /** When it was last accepted, in milliseconds since 1970. */
  acceptedAt?: number;
  history: RetryHistory;
  /** Where the last hole was found, so that one the server cannot fill is not asked for twice. */
  holeAt?: string | undefined;
  /** `keep: 'latest'`: the newest event, for whoever joins. */
  latest?: { readonly payload: unknown; readonly cursor: Cursor } | undefined;
  /** Of the linger, or of asking again. */
  cancelTimer?: () => void;
}

export interface RosterOptions {
  readonly clock: Clock;
  readonly lingerMs: number;
  /** Where an address stood before a reload. */
  readonly restored: (address: string) => string | undefined;
  /** Something new is to be asked for: opens a connection where there is none. */
  readonly start: () => void;
  /** Nothing is left to be asked for. */
  readonly rest: () => unknown;
  /** There may be something to change on the open connection. */
  readonly flush: () => void;
}

export interface Roster {
  readonly entries: Set<Entry>;
  /** The connection's cursor: everything up to it was received, for every entry that shares it. */
  cursor: Cursor | undefined;
  readonly named: (event: string) => Entry[];
  readonly add: (delivery: Delivery, options: SubscriptionOptions) => void;
  readonly remove: (delivery: Delivery) => void;
  /** Takes a delivery out of the entry it shares: what was asked for is a stream. */
  readonly part: (delivery: Delivery, entry: Entry) => void;
  readonly forget: (entry: Entry) => void;
  /** An event name that comes and that nobody wants. */
  readonly refuse: (event: string) => void;
  /** Tells the server, at the end of this tick, of everything that changed in it. */
  readonly schedule: () => void;
  readonly takeOpening: () => Pick<Opening, 'entries' | 'cursor'>;
  readonly takeChange: () => Change;
  /** The response is gone: nothing is asked for any more. */
  readonly reset: () => void;
  readonly close: () => void;
}

export function createRoster({ clock, lingerMs, restored, start, rest, flush }: RosterOptions): Roster {
  const entries = new Set<Entry>();
  const removals = new Set<string>();
  let keys = 0;
  let scheduled = false;

  const named = (event: string) => [...entries].filter((entry) => entry.event === event);

  const ask = (asked: Entry[]) => {
    for (const entry of asked) {
      entry.asked = entry.sent = entry.waiting = true;
      // It need not be asked for again; what lingers goes on to its end.
      if (entry.deliveries.size > 0) entry.cancelTimer?.();
    }
    return asked;
  };

  const enter = (delivery: Delivery, place: Pick<Entry, 'address' | 'from' | 'own' | 'restart'>) => {
    keys += 1;
    entries.add({ ...place, key: keys.toString(36), deliveries: new Set([delivery]), history: NO_FAILURES });
    roster.schedule();
  };

  const roster: Roster = {
    entries,
    cursor: undefined,
    named,
    add(delivery, { from, restart }) {
      const address = encodeAddress(delivery.topic, delivery.params as object | undefined);
      const own = from !== undefined;
      // A stream is a run for each subscription; until the server has said which it is, one entry stands for all.
      const shared = [...entries].find(
        (entry) => !own && !entry.own && entry.address === address && (entry.at || !entry.event),
      );
      // Only who subscribes wakes a connection that failed.
      queueMicrotask(() => entries.size > 0 && start());
      if (!shared) {
        return enter(delivery, { address, from: own ? toFrom(from) : restored(address), own, restart });
      }
      if (shared.deliveries.size === 0) shared.cancelTimer?.();
      shared.deliveries.add(delivery);
      if (shared.at) delivery.accept();
      if (!shared.latest) return;
      const { payload, cursor } = shared.latest;
      delivery.event(
        undefined,
        payload,
        { address: shared.event!, id: toText(cursor), replayed: true },
        cursor,
      );
    },
    remove(delivery) {
      for (const entry of entries) {
        if (!entry.deliveries.delete(delivery) || entry.deliveries.size > 0) continue;
        // A remount or a change of route comes back to a logged address before it is gone.
        if (entry.at || entry.waiting) entry.cancelTimer = clock.after(lingerMs, () => roster.forget(entry));
        else roster.forget(entry);
      }
    },
    part(delivery, { deliveries, address, restart }) {
      deliveries.delete(delivery);
      enter(delivery, { address, from: undefined, own: false, restart });
    },
    forget(entry) {
      entry.cancelTimer?.();
      if (entries.delete(entry) && entry.event) removals.add(entry.event);
      roster.schedule();
    },
    refuse(event) {
      removals.add(event);
      roster.schedule();
    },
    schedule() {
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(() => {
        scheduled = false;
        if (entries.size === 0) rest();
        else flush();
      });
    },
    takeOpening() {
      const asked = ask(toOrder(entries, roster.cursor));
      // Answers come in the order of the list.
      entries.clear();
      for (const entry of asked) entries.add(entry);
      const opening = toOpening(asked, roster.cursor);
      // What nobody shares any more, the new connection does not know.
      if (opening.cursor === undefined) roster.cursor = undefined;
      return opening;
    },
    takeChange() {
      const add = ask([...entries].filter(({ sent }) => !sent)).map((entry) => toEntry(entry, roster.cursor));
      const remove = [...removals].filter((event) => named(event).length === 0);
      removals.clear();
      return { add, remove };
    },
    reset() {
      for (const entry of entries) entry.sent = entry.waiting = false;
      removals.clear();
    },
    close() {
      const all = [...entries];
      entries.clear();
      for (const { cancelTimer, deliveries } of all) {
        cancelTimer?.();
        for (const { subscription } of deliveries) subscription();
      }
    },
  };
  return roster;
}
