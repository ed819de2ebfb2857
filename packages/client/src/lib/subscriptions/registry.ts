/** The registry of subscriptions: shared entries, the opening request, and changes on an open connection. */
import type { LinefeedError } from '@linefeed/shared';
import { encodeAddress, parseCursor, type Cursor, type SubscriptionEntry } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { isAtOrBefore, toText } from '../base/cursor.ts';
import type { Connection } from '../connection/types.ts';
import type { RetryHistory } from '../connection/retry-policy.ts';
import type { Opening, RequestOptions } from '../transport/transport.ts';
import { createControl, sendChange, toRefusedPost } from './control-channel.ts';
import {
  addSubscriber,
  createEntry,
  isAccepted,
  isDropping,
  linger,
  loseAnswer,
  makeIdle,
  postpone,
  refuse,
  removeSubscriber,
  request,
  stopTimers,
  type Entry,
  type EntryStart,
} from './entry.ts';
import { createScheduler } from './scheduler.ts';
import { sharesCursor, toFrom, toOrder, toStart } from './start-position.ts';
import type { Subscriber, SubscriptionOptions } from './types.ts';

export interface RegistryContext extends RequestOptions {
  readonly clock: Clock;
  readonly connection: Connection;
  readonly lingerMs?: number | undefined;
  readonly report: (error: LinefeedError) => void;
  /** Only the registry adds and deletes. */
  readonly entries: Set<Entry>;
  /** Returns an address's cursor from before a page reload, to its first subscription without a `from`. */
  readonly restored?: ((address: string) => string | undefined) | undefined;
}

export interface SubscriptionRegistry {
  readonly entries: ReadonlySet<Entry>;
  /** The connection's cursor. Everything up to it was received, for each entry that shares it. */
  cursor: Cursor | undefined;
  /** The entries with this event name. */
  readonly byEvent: (event: string) => readonly Entry[];
  /** An entry has got its event name. */
  readonly reindex: () => void;
  readonly add: (subscriber: Subscriber, options: SubscriptionOptions) => void;
  readonly remove: (subscriber: Subscriber) => void;
  /** Moves all subscribers but the first to entries of their own: each subscription to a stream is a run of its own. */
  readonly split: (entry: Entry) => void;
  /** A handler has room again: requests the dropped events. */
  readonly resume: (subscriber: Subscriber) => void;
  /** The server refused an entry. With `delayMs`, it is requested again after that time. */
  readonly refuse: (entry: Entry, history: RetryHistory, delayMs: number | undefined) => void;
  /** Deletes an entry that has ended on the server. */
  readonly delete: (entry: Entry) => void;
  /** Deletes an entry and removes it on the server. */
  readonly cancel: (entry: Entry) => void;
  /** Removes an event name on the server: no entry has it. */
  readonly cancelEvent: (event: string) => void;
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

/** A running stream without an event id so far. */
const isUnresumable = (entry: Entry) =>
  isAccepted(entry) && entry.position.is === 'stream' && (entry.position.mark ?? '~') === '~';

const isWanted = ({ state }: Entry) => state.is !== 'refused';

export function createSubscriptionRegistry(context: RegistryContext): SubscriptionRegistry {
  const { clock, connection, entries, lingerMs = 1_000, restored } = context;
  const removals = new Set<string>();
  let index: Record<string, Entry[]> | undefined;
  /** Cache of the last lookup: consecutive frames often have the same event name. */
  let last: string | undefined;
  let found: readonly Entry[] = [];
  let keys = 0;
  let isOpen = false;
  /** Entries that did not fit the opening. They are added after `hello`. */
  let postponed: Entry[] = [];

  const control = createControl(
    clock,
    () => {
      const list = [...entries];
      let remove: string[] = [];
      // An entry without an answer may get one of these names. Send removals only when all entries have answers.
      if (!list.some(({ state }) => state.is === 'requested')) {
        remove = [...removals].filter((event) => byEvent(event).length === 0);
        removals.clear();
      }
      const add = list
        .filter(({ state }) => state.is === 'idle')
        .map((entry) => ask(entry, registry.cursor, true));
      return { add, remove };
    },
    (request, signal) => connection.control(request) ?? sendChange(context, request, signal),
    () => {
      // A new connection would run a stream without ids again, or fail it.
      if ([...entries].some(isUnresumable)) return true;
      connection.reopen('changed');
      return undefined;
    },
    (error) => context.report(toRefusedPost(error)),
  );

  const scheduler = createScheduler(
    clock,
    connection,
    () => [...entries].some(isWanted),
    () => control.flush(),
  );

  const schedule = (wake?: boolean) => {
    index = undefined;
    scheduler.schedule(wake);
  };

  const byEvent = (event: string) => {
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
  };

  const ask = (entry: Entry, cursor: Cursor | undefined, isOpen?: boolean): SubscriptionEntry => {
    const { address, key, position } = entry;
    const from = toStart(entry, cursor);
    request(entry, parseCursor(from) ?? (isOpen || !position.cursor ? undefined : cursor));
    return { address, key, ...(from && { from }) };
  };

  const create = (subscriber: Subscriber, start: EntryStart) => {
    keys += 1;
    entries.add(createEntry(keys.toString(36), start, subscriber));
    schedule();
  };

  const askAgain = (entry: Entry) => {
    makeIdle(entry);
    schedule(true);
  };

  const drop = (entry: Entry) => {
    stopTimers(entry);
    entries.delete(entry);
    schedule();
  };

  const cancel = (entry: Entry) => {
    // The server has no event name for a refused or unanswered entry.
    if ('acceptedAt' in entry.state) removals.add(entry.event!);
    drop(entry);
  };

  /** Finds the entry that a new subscription joins. */
  const findShared = ({ address, from: asked, hasOwnStart }: EntryStart, start: Cursor | undefined) => {
    // Each subscription to a stream is a run of its own. Until the server answers, subscriptions without `from` (or
    // with an equal cursor) share one entry. `from: 'now'` never shares, because the address may be a stream. Later, a
    // cursor joins an entry only up to the connection's cursor. Past that, only the server knows whether the position
    // is in the log.
    const isShared = ({ position, linger, ...entry }: Entry) => {
      if (entry.address !== address) return false;
      if (!position.cursor)
        return (
          position.is === 'unknown' &&
          hasOwnStart === entry.hasOwnStart &&
          (!hasOwnStart || (start && asked === entry.from))
        );
      if (!hasOwnStart) return !entry.hasOwnStart;
      const earliest = linger?.buffer?.after ?? position.cursor;
      return isAtOrBefore(earliest, start) && isAtOrBefore(start, registry.cursor);
    };
    return [...entries].find(isShared);
  };

  const registry: SubscriptionRegistry = {
    entries,
    cursor: undefined,
    byEvent,
    schedule,
    delete: drop,
    cancel,
    reindex() {
      index = undefined;
    },
    add(subscriber, { from }) {
      const address = encodeAddress(subscriber.topic, subscriber.params as object | undefined);
      // Throws for a lone surrogate, as it would in each request.
      encodeURIComponent(address);
      const hasOwnStart = from !== undefined;
      const asked = hasOwnStart ? /* seam: restored-cursor-kept */ toFrom(from) : restored?.(address);
      const start = parseCursor(from);
      const entryStart = { address, from: asked, hasOwnStart };
      const entry = findShared(entryStart, start);
      schedule(true);
      if (!entry) return create(subscriber, entryStart);
      const { linger, position, state } = entry;
      addSubscriber(entry, subscriber);
      if (!position.cursor) return;
      const { cursor, acceptedTail } = position;
      const latest = position.is === 'logged' ? position.latest : undefined;
      const missed = start ? linger?.buffer?.events : latest && [latest];
      subscriber.join(start);
      if (isOpen && 'acceptedAt' in state) {
        subscriber.accept(acceptedTail, cursor);
        if (position.is === 'run') {
          if (position.current) subscriber.run(position.current);
          subscriber.caughtUp();
        }
      }
      for (const received of missed ?? []) subscriber.event(undefined, received, true);
    },
    remove(subscriber) {
      for (const entry of entries) {
        if (!removeSubscriber(entry, subscriber)) continue;
        if (!linger(entry, clock, lingerMs, () => cancel(entry))) cancel(entry);
      }
    },
    split(entry) {
      for (const subscriber of entry.subscribers.slice(1)) {
        removeSubscriber(entry, subscriber);
        create(subscriber, entry);
      }
    },
    resume(subscriber) {
      for (const entry of entries) {
        const { state, subscribers } = entry;
        if (state.is !== 'stalled' || !subscribers.includes(subscriber) || isDropping(entry)) continue;
        askAgain(entry);
      }
    },
    refuse(entry, history, delayMs) {
      refuse(entry, history, delayMs === undefined ? delayMs : clock.after(delayMs, () => askAgain(entry)));
      schedule();
    },
    cancelEvent(event) {
      removals.add(event);
      schedule();
    },
    takeOpening() {
      const list = [...entries];
      const due = list.filter(({ state }) => state.is !== 'refused-for-now' && state.is !== 'stalled');
      // The server refuses a list that is empty or has only refused entries. If no due entry is wanted, request all
      // entries.
      const requested = toOrder(due.some(isWanted) ? due : list, registry.cursor);
      removals.clear();
      // The server answers in the order of the list.
      entries.clear();
      for (const entry of [...requested, ...list]) entries.add(entry);
      const { cursor } = registry;
      // If no entry shares the cursor, the request does not contain it, and the new connection does not know it.
      if (!requested.some((entry) => sharesCursor(entry, cursor))) registry.cursor = undefined;
      postponed = [];
      return {
        entries: requested.map((entry) => ask(entry, registry.cursor)),
        cursor: toText(registry.cursor),
        openOnly(count) {
          postponed = requested.slice(count);
          for (const entry of postponed) postpone(entry, registry.cursor);
        },
      };
    },
    reset(next) {
      if (isOpen) entries.forEach(loseAnswer);
      isOpen = next !== undefined;
      if (isOpen) postponed.splice(0).forEach(makeIdle);
      control.reset(next);
    },
    outcome: control.outcome,
    close() {
      const all = [...entries];
      scheduler.stop();
      entries.clear();
      all.forEach(stopTimers);
      for (const { subscribers } of all) for (const { subscription } of subscribers) subscription();
    },
  };
  return registry;
}
