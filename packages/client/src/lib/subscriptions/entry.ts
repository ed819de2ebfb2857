/**
 * An entry of the subscription list. Only this file changes an entry, in one function per transition. No function here
 * calls a subscriber, so user code never runs in the middle of a transition.
 */
import type { Cursor, RunBegin } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { isAtOrBefore, toText, type AnyCursor } from '../base/cursor.ts';
import { NO_FAILURES, type RetryHistory } from '../connection/retry-policy.ts';
import type { CommitTracker, InFlight } from './commit-tracker.ts';
import type { Received, Subscriber } from './types.ts';

/** The time after the last subscriber has left. The entry is deleted when the timer ends. */
export interface Linger {
  readonly cancelTimer: () => void;
  /** The events since the last subscriber left, for a new one with a `from`. `after`: the cursor before the first of them. */
  buffer: { readonly after: Cursor; readonly events: Received[] } | undefined;
}

/**
 * The last answer of the server, on the current or the last connection.
 *
 * - `idle`: not requested yet
 * - `requested`: no answer yet
 * - `accepted`: its events are delivered
 * - `stalled`: accepted, and its events are dropped until its handlers have room
 * - `refused-for-now`: requested again when the timer ends
 * - `refused`: not requested again on this connection
 */
export type State =
  | { readonly is: 'idle' | 'refused'; readonly cancelTimer?: undefined }
  /** Events are missing if the server starts past `requestedStart`. */
  | {
      readonly is: 'requested';
      readonly requestedStart: Cursor | undefined;
      readonly cancelTimer?: undefined;
    }
  | { readonly is: 'accepted' | 'stalled'; readonly acceptedAt: number; readonly cancelTimer?: undefined }
  | { readonly is: 'refused-for-now'; readonly cancelTimer: () => void };

/**
 * The kind of the address, and the position from which it resumes. Kept across connections.
 *
 * - `unknown`: it was never accepted
 * - `stream`: each subscription to it is a run of its own
 * - `logged`: its events have cursors
 * - `run`: its events have cursors, in the order of its runs
 */
export type Position =
  | { readonly is: 'unknown'; readonly cursor?: undefined }
  | {
      readonly is: 'stream';
      readonly cursor?: undefined;
      /** The part of its last event id from the tilde on; `~` alone if the event had no id. */
      mark?: string;
      /** Run it again even if its events had no ids. */
      readonly restart: boolean | undefined;
    }
  | {
      readonly is: 'logged';
      /** The last event received, or the start. `undefined` until the server announces the gap of an unusable `from`. */
      cursor: Cursor | undefined;
      /** The end of the log at acceptance. */
      readonly acceptedTail: Cursor | undefined;
      /** Where events were last found missing. Events that the server cannot send are requested only once. */
      lastHole?: string | undefined;
      /** `keep: 'latest'`: the newest event, for subscriptions that join. */
      latest?: Received | undefined;
    }
  | {
      readonly is: 'run';
      /** The last event or end received, or the start. */
      cursor: AnyCursor | undefined;
      /** The cursor of the newest recorded entry at acceptance. */
      readonly acceptedTail: AnyCursor | undefined;
      /** The run that its delivery is in, until the end of that run. */
      current?: RunBegin | undefined;
    };

/**
 * The order in which its events arrive.
 *
 * - `shared`: that of the connection, whose cursor covers it
 * - `own`: out of order, as in a replay. Only its own cursor covers it.
 * - an `InFlight`: a replay has ended at this frame. The order is shared again once the frame is committed.
 */
export type Order = 'shared' | 'own' | InFlight;

interface MutableEntry {
  /** The address as requested. */
  readonly address: string;
  /** Always sent, because the client does not know which address is a stream. A logged address ignores it. */
  readonly key: string;
  /** `from` as the user gave it. */
  readonly from: string | undefined;
  /** The user gave `from`. A subscription without `from` does not join the entry. */
  readonly hasOwnStart: boolean;
  /** Event name of its frames; unknown until it is accepted. A stream's name contains the key. */
  event: string | undefined;
  /** The list is replaced on each change: a loop over it does not notice a handler that subscribes or unsubscribes. */
  subscribers: readonly Subscriber[];
  /** Set while it has no subscriber. */
  linger: Linger | undefined;
  state: State;
  position: Position;
  order: Order;
  /** Refusals since it was last accepted for long enough. */
  retryHistory: RetryHistory;
}

type Frozen<T> = T extends unknown ? Readonly<T> : never;

/** Other files read an entry and call the transitions below. */
export type Entry = { readonly [Name in keyof MutableEntry]: Frozen<MutableEntry[Name]> };

/** The fields that define a new entry. */
export type EntryStart = Pick<Entry, 'address' | 'from' | 'hasOwnStart'>;

const MAX_LINGER_EVENTS = 1_000;

export const isAccepted = ({ state }: Entry): boolean => state.is === 'accepted';

/** The handler of a subscriber is stalled, and its events must be dropped. */
export const isDropping = ({ subscribers }: Entry): boolean =>
  subscribers.some((subscriber) => subscriber.isDropping());

/** Whether the connection's cursor covers the entry, also after a reload of the page. */
export function isCommitted({ position, order }: Entry): boolean {
  return position.is === 'logged' && position.cursor !== undefined && order === 'shared';
}

export function createEntry(key: string, start: EntryStart, subscriber: Subscriber): Entry {
  return {
    ...start,
    key,
    event: undefined,
    subscribers: [subscriber],
    linger: undefined,
    state: { is: 'idle' },
    position: { is: 'unknown' },
    order: 'shared',
    retryHistory: NO_FAILURES,
  };
}

/** A new subscriber ends the linger. A refused entry is requested again for it. */
export function addSubscriber(entry: MutableEntry, subscriber: Subscriber): void {
  /* seam: retry-timer-of-its-own */ entry.linger?.cancelTimer();
  entry.linger = undefined;
  entry.subscribers = [...entry.subscribers, subscriber];
  if (entry.state.is === 'refused') makeIdle(entry);
}

/** Returns true if it was the last subscriber. */
export function removeSubscriber(entry: MutableEntry, subscriber: Subscriber): boolean {
  const { subscribers } = entry;
  const others = subscribers.filter((other) => other !== subscriber);
  if (others.length === subscribers.length) return false;
  entry.subscribers = others;
  return others.length === 0;
}

/** Keeps an entry without subscribers for a later one. Returns false if a later one could not join it. */
export function linger(entry: MutableEntry, clock: Clock, lingerMs: number, onElapsed: () => void): boolean {
  const { state, position } = entry;
  if (state.is !== 'requested' && !(state.is === 'accepted' && position.cursor)) return false;
  entry.linger = { cancelTimer: clock.after(lingerMs, onElapsed), buffer: undefined };
  return true;
}

/** The entry is deleted. */
export function stopTimers(entry: MutableEntry): void {
  entry.linger?.cancelTimer();
  makeIdle(entry);
}

function setState(entry: MutableEntry, next: State): void {
  entry.state.cancelTimer?.();
  entry.state = next;
}

export function makeIdle(entry: MutableEntry): void {
  setState(entry, { is: 'idle' });
}

export function request(entry: MutableEntry, requestedStart: Cursor | undefined): void {
  setState(entry, { is: 'requested', requestedStart });
}

/** The connection has ended before the answer. The connection's cursor may be past events that this entry missed. */
export function loseAnswer(entry: MutableEntry): void {
  if (entry.state.is === 'requested') leaveOrder(entry);
}

/** The opening had no room for the entry. Other entries advance the connection's cursor before it is requested. */
export function postpone(entry: MutableEntry, connectionCursor: Cursor | undefined): void {
  const { position } = entry;
  if (position.cursor && entry.order !== 'own' && isAtOrBefore(position.cursor, connectionCursor))
    position.cursor = connectionCursor;
  leaveOrder(entry);
}

/** `next`: the position, if the entry had none or one of another kind. Otherwise it keeps its cursor or mark. */
export function accept(entry: MutableEntry, event: string, next: Position, acceptedAt: number): void {
  const { position } = entry;
  setState(entry, { is: 'accepted', acceptedAt });
  entry.event = event;
  // A replay from before this connection can still be in flight. It stays uncommitted.
  if (entry.order === 'own') entry.order = 'shared';
  const { cursor } = position.cursor ? position : next;
  entry.position = position.is === next.is ? (Object.assign(position, next, { cursor }) as Position) : next;
}

/** A slow handler has no room. The entry resumes from its own position later; other entries continue. */
export function stall(entry: MutableEntry): void {
  if (entry.state.is === 'accepted') entry.state = { ...entry.state, is: 'stalled' };
  leaveOrder(entry);
}

/** With a timer, it is requested again when the timer ends. */
export function refuse(entry: MutableEntry, retryHistory: RetryHistory, cancelTimer?: () => void): void {
  setState(entry, { is: cancelTimer ? 'refused-for-now' : 'refused', cancelTimer } as State);
  entry.retryHistory = retryHistory;
  leaveOrder(entry);
}

export function leaveOrder(entry: MutableEntry): void {
  entry.order = 'own';
}

/** Its replay has finished. */
export function joinOrder(entry: MutableEntry, commits: CommitTracker): void {
  const inFlight = commits.track(undefined, () => {
    if (entry.order === inFlight) entry.order = 'shared';
  });
  entry.order = inFlight;
  commits.ack(inFlight);
}

/** Events are missing after its position. Returns false if they were requested from there before. */
export function noteHole(entry: MutableEntry): boolean {
  const { position } = entry;
  const hole = toText(position.cursor);
  if (position.is !== 'logged' || position.lastHole === hole) return false;
  position.lastHole = hole;
  leaveOrder(entry);
  return true;
}

/** A gap up to `to`. A subscription that joins now must not get an event from before it. */
export function skipTo({ position, linger }: MutableEntry, to: Cursor | undefined): void {
  if (linger) linger.buffer = undefined;
  if (position.is !== 'logged') return;
  position.cursor = to;
  position.latest = undefined;
}

/** Delivery is in this run. Returns false if the entry is past its end, or in a later run. */
export function enterRun({ position }: MutableEntry, begin: RunBegin): boolean {
  if (position.is !== 'run') return false;
  const start: AnyCursor = { epoch: begin.run, position: '0', isRun: true };
  const { cursor } = position;
  if (!isAtOrBefore(start, cursor)) position.cursor = start;
  else if (cursor!.epoch !== begin.run || cursor!.prev) return false;
  position.current = begin;
  return true;
}

/** A run has ended. Returns false if the entry has got this end before. */
export function endRun({ position }: MutableEntry, end: AnyCursor | undefined): boolean {
  if (position.is !== 'run' || !end || isAtOrBefore(end, position.cursor)) return false;
  position.cursor = end;
  position.current = undefined;
  return true;
}

/** An event of an address with cursors, or (with `mark`) of a stream. Without `received` it has no valid data. */
export function receive(
  { position, linger }: MutableEntry,
  cursor: Cursor | undefined,
  mark: string | undefined,
  received: Received | undefined,
): void {
  // A copy: a part of the chunk would keep the whole chunk alive (V8 sliced strings).
  if (position.is === 'stream' && mark) position.mark = ` ${mark}`.slice(1);
  if (position.is === 'run' && cursor) position.cursor = cursor;
  if (position.is !== 'logged' || !cursor) return;
  const after = position.cursor;
  position.cursor = cursor;
  if (!received) return;
  // An event of a `keep: 'latest'` topic has no previous position. Other events have one, except where the log has
  // evicted the address.
  position.latest = cursor.prev === undefined ? received : undefined;
  if (!linger) return;
  if (!(linger.buffer && linger.buffer.events.length < MAX_LINGER_EVENTS))
    linger.buffer = { after: after!, events: [] };
  linger.buffer.events.push(received);
}
