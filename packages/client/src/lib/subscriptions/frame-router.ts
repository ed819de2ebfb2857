/** Applies each frame to the subscriptions of a connection. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import {
  parseCursor,
  parseEventId,
  parseNextCursor,
  readStreamId,
  type End,
  type EventId,
  type Gap,
  type Subscribed,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import type { Connection, ConnectionHandlers } from '../connection/connection.ts';
import { isAtOrBefore, toText } from '../base/cursor.ts';
import { awaitsGap, isBehindHole } from './entry.ts';
import { planRetry, STABLE_MS, type RetryOptions } from '../connection/retry-policy.ts';
import { isStalled, type Entry, type SubscriptionRegistry } from './registry.ts';
import type { CommitTracker } from './commit-tracker.ts';

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

export function createFrameRouter(context: FrameRouterContext): FrameRouter {
  const { clock, commits, registry, connection } = context;
  const { entries, named } = registry;

  /** Finds the entry of an answer: by its key, else by its requested address, else by its event name. */
  const answered = ({ key, address }: Subscribed | SubscriptionError): Entry | undefined => {
    const list = [...entries];
    return key === undefined
      ? (list.find((entry) => entry.state === 'asked' && entry.address === address) ?? named(address)[0])
      : list.find((entry) => entry.key === key);
  };

  /**
   * The entry has finished its replay. The committed cursor covers it once all events delivered until now are handled.
   */
  const join = (entry: Entry) => {
    const inFlight = commits.track(undefined, () => {
      if (entry.catching === inFlight) entry.catching = undefined;
    });
    entry.apart = false;
    entry.catching = inFlight;
    commits.ack(inFlight);
  };

  /** Reconnects to request the missing events of an entry, at most once per position. */
  const fill = (entry: Entry, event: string): boolean => {
    const from = toText(entry.at)!;
    if (entry.holeAt === from) return false;
    entry.holeAt = from;
    entry.apart = true;
    const message = `Events of ${event} behind ${from} are missing: asking again.`;
    context.report(new LinefeedError('hole', message, { address: event, retryable: true }));
    connection.reopen('hole');
    return true;
  };

  const onSubscribed = (body: Subscribed) => {
    const { event, rewind } = body;
    const entry = answered(body);
    // It was unsubscribed before the server accepted it.
    if (!entry) return registry.refuse(event);
    const wasApart = entry.apart;
    entry.state = 'accepted';
    entry.apart = false;
    entry.acceptedAt = clock.now();
    registry.name(entry, event);
    connection.listen(event);
    if (body.cursor === undefined) {
      const [first, ...others] = entry.deliveries;
      if (!first) return registry.forget(entry);
      first.accept();
      entry.restart = first.restart;
      for (const other of others) registry.part(other, entry);
      return;
    }
    const start = parseCursor(body.cursor);
    const { given } = entry;
    entry.given = undefined;
    // The start is past the requested cursor: the server did not use the cursor.
    const isHole = isAtOrBefore(given, start) && !isAtOrBefore(start, given);
    if (isHole) {
      entry.at ??= given;
      if (fill(entry, event)) return;
    }
    if (/* seam: position-after-gap */ !awaitsGap(entry, start)) entry.at ??= start;
    entry.tail = parseCursor(body.tail ?? '');
    // The server sends the frames of an event name once, in one order, for all its entries. So all of them rewind
    // together.
    const apart = rewind ?? named(event).some((other) => other !== entry && isAccepted(other) && other.apart);
    for (const other of named(event)) if (other === entry || apart) other.apart = apart;
    if (wasApart && !apart) join(entry);
    for (const delivery of entry.deliveries) delivery.accept(entry.tail, entry.at);
    if (isHole) onGap({ address: event, from: toText(given)!, to: body.cursor, reason: 'unknown' });
  };

  const onGap = (gap: Gap) => {
    const inFlight = commits.track();
    const to = parseCursor(gap.to);
    for (const entry of named(gap.address)) {
      // The gap belongs to another entry with this name. This one is not accepted yet, or is at or past its end.
      if (!isAccepted(entry)) continue;
      if (gap.reason !== 'rollback' && isAtOrBefore(to, entry.at)) continue;
      entry.at = to;
      // A subscription that joins now must not get an event from before the gap.
      entry.latest = entry.missed = undefined;
      for (const delivery of [...entry.deliveries]) delivery.gap(inFlight, gap);
    }
    commits.ack(inFlight);
  };

  const onRefused = (body: SubscriptionError) => {
    const entry = answered(body);
    if (!entry) return;
    const { code, message, retryable, address, detail } = body;
    const error = new LinefeedError(code as ErrorCode, message, { address, retryable, detail });
    const nowMs = clock.now();
    const ranMs = nowMs - (entry.acceptedAt ?? nowMs);
    // A run that fails soon after its acceptance counts as a failure. Otherwise it would restart in a loop without a
    // wait.
    const connectedMs = ranMs < STABLE_MS ? undefined : ranMs;
    const plan = planRetry(entry.history, { connectedMs }, context.retry, nowMs, clock.random());
    const isFinal = /* seam: refusal-is-final */ !retryable || plan.exhausted;
    // A stream that ran does not run again on another connection. An entry that was never accepted is requested there
    // again.
    const isOver = isFinal && ((isAccepted(entry) && !entry.at) || code === 'not_resumable');
    const deliveries = [...entry.deliveries];
    // The connection's cursor advances without this entry.
    entry.apart = true;
    entry.acceptedAt = undefined;
    entry.history = plan;
    if (isOver || deliveries.length === 0) registry.drop(entry);
    else if (isFinal) {
      entry.state = 'refused';
      registry.schedule();
    } else registry.delay(entry, plan.delayMs);
    for (const delivery of deliveries) {
      if (isFinal) delivery.fail(error, isOver ? undefined : 'here');
      else delivery.delay(error);
    }
  };

  // `end` also confirms a removal. After it no entry has this name.
  const onEnd = ({ address }: End) => {
    for (const entry of named(address)) {
      registry.drop(entry);
      for (const delivery of entry.deliveries) delivery.end(true);
    }
  };

  let rolledBack = false;

  const moveTo = (id: string) => {
    const cursor = parseCursor(id);
    if (!cursor) return;
    registry.cursor = cursor;
    commits.ack(commits.track(cursor));
  };

  return {
    // oxlint-disable-next-line no-explicit-any -- the name of the frame decides its type
    onControl(name, body: any, id) {
      switch (name) {
        case 'hello':
          moveTo(id);
          registry.reset(body.connection);
          break;
        case 'bookmark':
          // Ignore bookmarks older than the cursor, except right after a rollback.
          if (rolledBack || !isAtOrBefore(parseCursor(id), registry.cursor)) moveTo(id);
          rolledBack = false;
          break;
        case 'subscribed':
          onSubscribed(body);
          break;
        case 'caughtup':
          // A delayed entry was not part of the rewind.
          named(body.address).filter(isAccepted).forEach(join);
          break;
        case 'gap':
          rolledBack ||= body.reason === 'rollback';
          onGap(body);
          break;
        case 'error':
          onRefused(body);
          break;
        case 'end':
          onEnd(body);
      }
      registry.outcome(body.n);
    },
    onEvent(event, data, text) {
      // Skip entries whose `subscribed` has not arrived: their start position is not known yet.
      let bearers = named(event);
      if (!bearers.every(isAccepted)) bearers = bearers.filter(isAccepted);
      // An entry with a position is a logged topic, so its id can be parsed as a cursor.
      const at = bearers[0]?.at;
      const { cursor, mark }: Partial<EventId> = at
        ? { cursor: parseNextCursor(text, at) }
        : parseEventId(text);
      // The cursor in the id of a stream's event belongs to the connection, not to the event.
      const own = mark ? undefined : cursor;
      let apart: boolean | undefined;
      let isLeftOut: boolean | undefined;
      for (const entry of bearers) {
        if (own && isStalled(entry)) {
          isLeftOut = true;
          // Other entries continue. This one resumes from its own position when it has room.
          entry.state = 'stalled';
          entry.apart = true;
          continue;
        }
        if (own && isBehindHole(entry, own)) {
          if (fill(entry, event)) return;
          // Requested again and still missing: announce a gap. An event of another epoch may have no previous position;
          // then the gap ends at 0.
          const to = toText({ ...own, position: own.prev ?? '0' });
          onGap({ address: event, from: toText(entry.at)!, to, reason: 'unknown' });
        }
        apart ||= entry.apart;
      }
      // Filter before any handler runs. A handler that reconnects resets all entries, and they would lose this event:
      // the connection's cursor is already past it.
      if (isLeftOut) bearers = bearers.filter(isAccepted);
      if (cursor && !apart && !isAtOrBefore(cursor, registry.cursor)) registry.cursor = cursor;
      const inFlight = commits.track(apart ? undefined : cursor);
      // Stays undefined for invalid JSON.
      let payload: unknown;
      try {
        payload = JSON.parse(data);
      } catch (cause) {
        const message = `An event of ${event} is no JSON: ${data.slice(0, 100)}`;
        context.reportInvalid(new LinefeedError('invalid_json', message, { cause, address: event }));
      }
      const id = mark ? readStreamId(mark) || undefined : toText(own);
      for (const entry of bearers) {
        const behind = entry.at;
        // A duplicate.
        if (/* seam: duplicate-dropped */ isAtOrBefore(own, behind)) continue;
        if (own) entry.at = own;
        else if (mark) entry.mark = mark;
        if (payload === undefined) continue;
        // Use the interned name: a substring of the chunk would keep the whole chunk alive (V8 sliced strings).
        const address = own ? entry.event! : entry.address;
        const received = { address, payload, id, replayed: isAtOrBefore(own, entry.tail), cursor: own };
        if (own) {
          // An event of a `keep: 'latest'` topic has no previous position. Other events have one, except where the log
          // has evicted the address.
          entry.latest = own.prev === undefined ? received : undefined;
          if (entry.deliveries.size === 0) {
            if (entry.missed?.events.length === MAX_MISSED) entry.missed = undefined;
            entry.missed ??= { behind: behind!, events: [] };
            entry.missed.events.push(received);
          }
        }
        // Iterate over a copy: a handler may subscribe to this address, and the new subscription starts after this
        // event.
        for (const delivery of [...entry.deliveries]) delivery.event(inFlight, received);
      }
      commits.ack(inFlight);
    },
    onOver(error) {
      // Iterate over a copy: a listener that reconnects rebuilds the set.
      for (const entry of [...entries]) {
        const { state, deliveries, mark, event, at } = entry;
        // Subscribed while the response was in flight, or did not fit the opening: this end does not concern it.
        if (state === 'unasked') registry.schedule(true);
        if (state === 'unasked' || state === 'delayed' || state === 'stalled') continue;
        if (!error) registry.drop(entry);
        for (const delivery of deliveries) {
          if (error) delivery.fail(error, 'everywhere');
          else if (mark === '~') delivery.fail(new LinefeedError('not_resumable', NOT_RESUMABLE));
          // A logged address has no end. An entry that was never accepted may be a logged address.
          else delivery.end(event !== undefined && !at);
        }
      }
    },
  };
}

const isAccepted = ({ state }: Entry) => state === 'accepted';

/** Limit of `missed` events per address. */
const MAX_MISSED = 1_000;
const NOT_RESUMABLE = 'The stream broke off and has no ids: give restart: true to run it again.';
