/** Applies each frame to the entries of a connection, then calls the subscribers. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import {
  parseCursor,
  parseEventId,
  parseNextCursor,
  readStreamId,
  type Cursor,
  type End,
  type EventId,
  type Gap,
  type Subscribed,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { isAtOrBefore, parseRunCursor, toText } from '../base/cursor.ts';
import type { ControlBody } from '../connection/control-frame.ts';
import type { Connection, ConnectionHandlers } from '../connection/types.ts';
import { planRetry, STABLE_MS, type RetryOptions } from '../connection/retry-policy.ts';
import type { CommitTracker } from './commit-tracker.ts';
import {
  accept,
  isAccepted,
  isDropping,
  joinOrder,
  leaveOrder,
  noteHole,
  receive,
  skipTo,
  stall,
  type Entry,
  type Position,
} from './entry.ts';
import type { SubscriptionRegistry } from './registry.ts';
import { acceptRun, onCaughtUp, onRun, onRunEnd } from './run-frames.ts';
import { awaitsGap, isAfterHole } from './start-position.ts';
import type { Received, Subscriber } from './types.ts';

export interface FrameRouterContext {
  readonly clock: Clock;
  readonly retry?: RetryOptions | undefined;
  readonly commits: CommitTracker;
  readonly registry: SubscriptionRegistry;
  readonly connection: Connection;
  readonly report: (error: LinefeedError) => void;
  readonly reportInvalid: (error: LinefeedError) => void;
}

export type FrameRouter = Pick<ConnectionHandlers, 'onControl' | 'onEvent' | 'onOver'>;

/**
 * Calls subscribers, and with them user code. A frame returns it after all of its transitions, because user code can
 * subscribe, unsubscribe, reconnect or close.
 */
type Notify = (() => void) | undefined | void;

const NOT_RESUMABLE = 'The stream has no ids: give restart: true to run it again.';

export function createFrameRouter(context: FrameRouterContext): FrameRouter {
  const { clock, commits, registry, connection } = context;
  const { entries, byEvent } = registry;
  let rolledBack = false;

  /** Finds the entry of an answer: by its key, else by its requested address, else by its event name. */
  const findAnswered = ({ key, address }: Subscribed | SubscriptionError): Entry | undefined => {
    const list = [...entries];
    return key === undefined
      ? (list.find(({ state, ...entry }) => state.is === 'requested' && entry.address === address) ??
          byEvent(address)[0])
      : list.find((entry) => entry.key === key);
  };

  /** Reconnects to request the missing events of an entry, at most once per position. */
  const refill = (entry: Entry, event: string): boolean => {
    if (!noteHole(entry)) return false;
    const message = `Events of ${event} after ${toText(entry.position.cursor)} are missing, and requested again.`;
    context.report(new LinefeedError('hole', message, { address: event, retryable: true }));
    connection.reopen('hole');
    return true;
  };

  const moveConnectionTo = (id: string) => {
    const cursor = parseCursor(id);
    if (!cursor) return;
    registry.cursor = cursor;
    commits.ack(commits.track(cursor));
  };

  const onSubscribed = (body: Subscribed): Notify => {
    const { event } = body;
    const entry = findAnswered(body);
    // It was unsubscribed before the server accepted it.
    if (!entry) return registry.cancelEvent(event);
    const { state, order } = entry;
    const nowMs = clock.now();
    registry.reindex();
    connection.listen(event);
    if (body.run) return acceptRun(entry, event, body.run, nowMs);
    if (body.cursor === undefined) {
      const [first] = entry.subscribers;
      accept(entry, event, { is: 'stream', restart: first?.restart }, nowMs);
      if (!first) return registry.cancel(entry);
      registry.split(entry);
      return () => first.accept();
    }
    const start = parseCursor(body.cursor);
    const tail = parseCursor(body.tail);
    const requested = state.is === 'requested' ? state.requestedStart : undefined;
    // The start is past the requested cursor: the server did not use the cursor.
    const hole = isAtOrBefore(requested, start) && !isAtOrBefore(start, requested) ? requested : undefined;
    const isUsable = /* seam: position-after-gap */ !awaitsGap(entry, start);
    const cursor = hole ?? (isUsable ? start : undefined);
    accept(entry, event, { is: 'logged', cursor, acceptedTail: tail }, nowMs);
    if (hole && refill(entry, event)) return;
    // The server sends the frames of an event name once, in one order, for all its entries. So all of them rewind
    // together.
    const isReplaying =
      body.rewind ?? byEvent(event).some((other) => isAccepted(other) && other.order === 'own');
    if (isReplaying) byEvent(event).forEach(leaveOrder);
    else if (order === 'own') joinOrder(entry, commits);
    const { subscribers } = entry;
    const startedAt = entry.position.cursor;
    const announce =
      hole && onGap({ address: event, from: toText(hole), to: body.cursor, reason: 'unknown' });
    return () => {
      for (const subscriber of subscribers) subscriber.accept(tail, startedAt);
      announce?.();
    };
  };

  const onGap = (gap: Gap): (() => void) => {
    const inFlight = commits.track();
    const to = parseCursor(gap.to);
    const subscribers: Subscriber[] = [];
    for (const entry of byEvent(gap.address)) {
      // The gap belongs to another entry with this name. This one is not accepted yet, or is at or past its end.
      if (!isAccepted(entry)) continue;
      if (gap.reason !== 'rollback' && isAtOrBefore(to, entry.position.cursor)) continue;
      skipTo(entry, to);
      subscribers.push(...entry.subscribers);
    }
    return () => {
      for (const subscriber of subscribers) subscriber.gap(inFlight, gap);
      commits.ack(inFlight);
    };
  };

  const onRefused = (body: SubscriptionError): Notify => {
    const entry = findAnswered(body);
    if (!entry) return;
    const { code, message, retryable, address, detail } = body;
    const error = new LinefeedError(code as ErrorCode, message, { address, retryable, detail });
    const { state, position, linger, subscribers } = entry;
    const nowMs = clock.now();
    const ranMs = 'acceptedAt' in state ? nowMs - state.acceptedAt : 0;
    // A run that fails soon after its acceptance counts as a failure. Otherwise it would restart in a loop without a
    // wait.
    const connectedMs = ranMs < STABLE_MS ? undefined : ranMs;
    const plan = planRetry(entry.retryHistory, { connectedMs }, context.retry, nowMs, clock.random());
    const isFinal = /* seam: refusal-is-final */ !retryable || plan.exhausted;
    // A stream that ran does not run again on another connection. An entry that was never accepted is requested there
    // again.
    const isOver = isFinal && ((isAccepted(entry) && position.is === 'stream') || code === 'not_resumable');
    if (isOver || linger) registry.delete(entry);
    else registry.refuse(entry, plan, isFinal ? undefined : plan.delayMs);
    return () => {
      for (const subscriber of subscribers) {
        if (isFinal) subscriber.fail(error, isOver ? undefined : 'here');
        else subscriber.refuseForNow(error);
      }
    };
  };

  // `end` also confirms a removal. After it no entry has this name.
  const onEnd = ({ address }: End): Notify => {
    const ended = byEvent(address);
    ended.forEach(registry.delete);
    return () => {
      for (const { subscribers } of ended) for (const subscriber of subscribers) subscriber.end(true);
    };
  };

  const apply = (name: string, body: ControlBody, id: string): Notify => {
    switch (name) {
      case 'hello':
        moveConnectionTo(id);
        return registry.reset(body.connection);
      case 'bookmark':
        // Ignore bookmarks older than the cursor, except right after a rollback.
        if (rolledBack || !isAtOrBefore(parseCursor(id), registry.cursor)) moveConnectionTo(id);
        rolledBack = false;
        return;
      case 'subscribed':
        return onSubscribed(body);
      case 'caughtup':
        // An entry that was refused for now was not part of the rewind.
        for (const entry of byEvent(body.address)) if (isAccepted(entry)) joinOrder(entry, commits);
        return onCaughtUp(byEvent(body.address), body.address, id);
      case 'run':
        return onRun(byEvent(body.address), body);
      case 'gap':
        rolledBack ||= body.reason === 'rollback';
        return onGap(body);
      case 'error':
        return onRefused(body);
      case 'end':
        return body.run === undefined ? onEnd(body) : onRunEnd(byEvent(body.address), body, id);
    }
  };

  return {
    onControl(name, body: ControlBody, id) {
      const notify = apply(name, body, id);
      registry.outcome(body.n);
      notify?.();
    },
    onEvent(event, json, text) {
      let receivers = byEvent(event);
      const { is, cursor: last }: Partial<Position> = receivers[0]?.position ?? {};
      // A logged topic with a position: its id can be parsed as a cursor.
      const { cursor, mark }: Partial<EventId> =
        last && is === 'logged' ? { cursor: parseNextCursor(text, last) } : parseEventId(text);
      // With a mark, the cursor in the id belongs to the connection. In a run, the mark has the cursor of the event.
      const own = mark ? (is === 'run' ? parseRunCursor(mark.slice(1)) : undefined) : cursor;
      let outOfOrder = false;
      let isForAll = true;
      let announce: Notify;
      for (const entry of receivers) {
        // Its `subscribed` has not arrived: its start position is not known yet.
        if (!isAccepted(entry)) isForAll = false;
        else if (own && isDropping(entry)) {
          isForAll = false;
          stall(entry);
        } else {
          if (own && isAfterHole(entry, own)) {
            if (refill(entry, event)) return announce?.();
            // Requested again and still missing: announce a gap. An event of another epoch may have no previous
            // position; then the gap ends at 0.
            const to = toText({ ...own, position: own.prev ?? '0' });
            announce = onGap({ address: event, from: toText(entry.position.cursor)!, to, reason: 'unknown' });
          }
          outOfOrder ||= entry.order === 'own';
          isForAll &&= isNew(entry, own);
        }
      }
      if (!isForAll) receivers = receivers.filter((entry) => isAccepted(entry) && isNew(entry, own));
      if (cursor && !outOfOrder && !isAtOrBefore(cursor, registry.cursor)) registry.cursor = cursor;
      const inFlight = commits.track(outOfOrder ? undefined : cursor);
      let received: Received | undefined;
      const [first] = receivers;
      if (first) {
        try {
          // Use the interned name: a substring of the chunk would keep the whole chunk alive (V8 sliced strings).
          const address = own ? first.event! : first.address;
          const id = mark ? readStreamId(mark) || undefined : undefined;
          received = { address, data: JSON.parse(json), cursor: own, id };
        } catch (cause) {
          const message = `An event of ${event} is not JSON: ${json.slice(0, 100)}`;
          context.reportInvalid(new LinefeedError('invalid_json', message, { cause, address: event }));
        }
      }
      for (const entry of receivers) receive(entry, own, mark, received);
      announce?.();
      if (received) {
        // Read the list once: a handler may subscribe to this address, and the new subscription starts after this event.
        const subscribers =
          receivers.length === 1 ? first!.subscribers : receivers.flatMap((entry) => entry.subscribers);
        for (const subscriber of subscribers) subscriber.event(inFlight, received);
      }
      commits.ack(inFlight);
    },
    onOver(error) {
      const calls: Array<() => void> = [];
      for (const entry of entries) {
        const { state, subscribers, position } = entry;
        // Subscribed while the response was in flight, or did not fit the opening: this end does not concern it.
        if (state.is === 'idle') registry.schedule(true);
        if (state.is === 'idle' || state.is === 'refused-for-now' || state.is === 'stalled') continue;
        if (!error) registry.delete(entry);
        // A logged address has no end. An entry that was never accepted may be a logged address.
        const isStream = position.is === 'stream';
        const failure =
          isStream && position.mark === '~' ? new LinefeedError('not_resumable', NOT_RESUMABLE) : undefined;
        for (const subscriber of subscribers)
          calls.push(() => {
            if (error) subscriber.fail(error, 'everywhere');
            else if (failure) subscriber.fail(failure);
            else subscriber.end(isStream);
          });
      }
      for (const call of calls) call();
    },
  };
}

const isNew = ({ position }: Entry, own: Cursor | undefined) =>
  !(/* seam: duplicate-dropped */ isAtOrBefore(own, position.cursor));
