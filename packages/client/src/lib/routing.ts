/** What each frame means for the subscriptions of a connection. */
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
import type { Clock } from './clock.ts';
import type { Connection, ConnectionHandlers } from './connection.ts';
import { awaitsGap, isAtOrBefore, isBehindHole, toText } from './place.ts';
import { planRetry, STABLE_MS, type RetryOptions } from './retry-policy.ts';
import { isStalled, type Entry, type Roster } from './roster.ts';
import type { Settlement } from './settlement.ts';

export interface RoutingContext {
  readonly clock: Clock;
  readonly retry?: RetryOptions | undefined;
  readonly settlement: Settlement;
  readonly roster: Roster;
  readonly connection: Connection;
  readonly report: (error: LinefeedError) => void;
  readonly reportInvalid: (error: LinefeedError) => void;
}

export type Routing = Pick<ConnectionHandlers, 'onControl' | 'onEvent' | 'onOver'>;

export function createRouting(context: RoutingContext): Routing {
  const { clock, settlement, roster, connection } = context;
  const { entries, named } = roster;

  /** The entry that an answer is about: by its key, else by its address as asked, else by its event name. */
  const answered = ({ key, address }: Subscribed | SubscriptionError): Entry | undefined => {
    const list = [...entries];
    return key === undefined
      ? (list.find((entry) => entry.state === 'asked' && entry.address === address) ?? named(address)[0])
      : list.find((entry) => entry.key === key);
  };

  /** It is in step again. The committed cursor speaks for it once all that came of it until now is settled. */
  const join = (entry: Entry) => {
    const arrival = settlement.arrive(undefined, () => {
      if (entry.catching === arrival) entry.catching = undefined;
    });
    entry.apart = false;
    entry.catching = arrival;
    settlement.settle(arrival);
  };

  /** Asks again for what is missing of an entry, and not twice from one place. */
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
    // Unsubscribed before it was accepted.
    if (!entry) return roster.refuse(event);
    const wasApart = entry.apart;
    entry.state = 'accepted';
    entry.apart = false;
    entry.acceptedAt = clock.now();
    roster.name(entry, event);
    connection.listen(event);
    if (body.cursor === undefined) {
      const [first, ...others] = entry.deliveries;
      if (!first) return roster.forget(entry);
      first.accept();
      entry.restart = first.restart;
      for (const other of others) roster.part(other, entry);
      return;
    }
    const start = parseCursor(body.cursor);
    const { given } = entry;
    entry.given = undefined;
    // The server has not looked at the place that it was given.
    const isHole = isAtOrBefore(given, start) && !isAtOrBefore(start, given);
    if (isHole) {
      entry.at ??= given;
      if (fill(entry, event)) return;
    }
    if (!awaitsGap(entry, start)) entry.at ??= start;
    entry.tail = parseCursor(body.tail ?? '');
    // Frames of one event name come once, in one order, however many entries asked for it: all of them rewind together.
    const apart = rewind ?? named(event).some((other) => other !== entry && isAccepted(other) && other.apart);
    for (const other of named(event)) if (other === entry || apart) other.apart = apart;
    if (wasApart && !apart) join(entry);
    for (const delivery of entry.deliveries) delivery.accept(entry.tail, entry.at);
    if (isHole) onGap({ address: event, from: toText(given)!, to: body.cursor, reason: 'unknown' });
  };

  const onGap = (gap: Gap) => {
    const arrival = settlement.arrive();
    const to = parseCursor(gap.to);
    for (const entry of named(gap.address)) {
      // It concerns another entry of this name, which asked for a past that this one has seen or is still to see.
      if (!isAccepted(entry)) continue;
      if (gap.reason !== 'rollback' && isAtOrBefore(to, entry.at)) continue;
      entry.at = to;
      // Whoever joins now must not get a value from before the gap.
      entry.latest = entry.missed = undefined;
      for (const delivery of [...entry.deliveries]) delivery.gap(arrival, gap);
    }
    settlement.settle(arrival);
  };

  const onRefused = (body: SubscriptionError) => {
    const entry = answered(body);
    if (!entry) return;
    const { code, message, retryable, address, detail } = body;
    const error = new LinefeedError(code as ErrorCode, message, { address, retryable, detail });
    const nowMs = clock.now();
    const ranMs = nowMs - (entry.acceptedAt ?? nowMs);
    // A run that was accepted and failed at once must not start again at once, time after time.
    const connectedMs = ranMs < STABLE_MS ? undefined : ranMs;
    const plan = planRetry(entry.history, { connectedMs }, context.retry, nowMs, clock.random());
    const isFinal = !retryable || plan.exhausted;
    // A stream that ran is not run again by another connection; what was not let in is asked for again there.
    const isOver = isFinal && ((isAccepted(entry) && !entry.at) || code === 'not_resumable');
    const deliveries = [...entry.deliveries];
    // The others go on without it.
    entry.apart = true;
    entry.acceptedAt = undefined;
    entry.history = plan;
    if (isOver || deliveries.length === 0) roster.drop(entry);
    else if (isFinal) {
      entry.state = 'refused';
      roster.schedule();
    } else roster.delay(entry, plan.delayMs);
    for (const delivery of deliveries) {
      if (isFinal) delivery.fail(error, isOver ? undefined : 'here');
      else delivery.delay(error);
    }
  };

  // Also says that a removal is done; then nothing bears the name any more.
  const onEnd = ({ address }: End) => {
    for (const entry of named(address)) {
      roster.drop(entry);
      for (const delivery of entry.deliveries) delivery.end(true);
    }
  };

  let rolledBack = false;

  const moveTo = (id: string) => {
    const cursor = parseCursor(id);
    if (!cursor) return;
    roster.cursor = cursor;
    settlement.settle(settlement.arrive(cursor));
  };

  return {
    // oxlint-disable-next-line no-explicit-any -- what the frame is says what it carries
    onControl(name, body: any, id) {
      switch (name) {
        case 'hello':
          moveTo(id);
          roster.reset(body.connection);
          break;
        case 'bookmark':
          // One that goes back says nothing new, save behind a rollback.
          if (rolledBack || !isAtOrBefore(parseCursor(id), roster.cursor)) moveTo(id);
          rolledBack = false;
          break;
        case 'subscribed':
          onSubscribed(body);
          break;
        case 'caughtup':
          // One that is refused for now was not part of the rewind.
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
      roster.outcome(body.n);
    },
    onEvent(event, data, text) {
      // Who is not accepted yet has a place of its own to come to first.
      let bearers = named(event);
      if (!bearers.every(isAccepted)) bearers = bearers.filter(isAccepted);
      // Who stands somewhere in the log is no stream.
      const at = bearers[0]?.at;
      const { cursor, mark }: Partial<EventId> = at
        ? { cursor: parseNextCursor(text, at) }
        : parseEventId(text);
      // The cursor in the id of a stream's event is the connection's, not the event's.
      const own = mark ? undefined : cursor;
      let apart: boolean | undefined;
      let isLeftOut: boolean | undefined;
      for (const entry of bearers) {
        if (own && isStalled(entry)) {
          isLeftOut = true;
          // The others go on; it asks from where it stands when it can take more.
          entry.state = 'stalled';
          entry.apart = true;
          continue;
        }
        if (own && isBehindHole(entry, own)) {
          if (fill(entry, event)) return;
          // Asked for again and still missing. Of another epoch nothing says where it began.
          const to = toText({ ...own, position: own.prev ?? '0' });
          onGap({ address: event, from: toText(entry.at)!, to, reason: 'unknown' });
        }
        apart ||= entry.apart;
      }
      // Before a handler runs: one that reconnects leaves no entry accepted, and the cursor has passed this event.
      if (isLeftOut) bearers = bearers.filter(isAccepted);
      if (cursor && !apart && !isAtOrBefore(cursor, roster.cursor)) roster.cursor = cursor;
      const arrival = settlement.arrive(apart ? undefined : cursor);
      // Stays undefined where it is no JSON.
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
        // Repeated.
        if (isAtOrBefore(own, behind)) continue;
        if (own) entry.at = own;
        else if (mark) entry.mark = mark;
        if (payload === undefined) continue;
        // Not the name that has just come: whoever keeps an event would keep the text of a whole chunk with it.
        const address = own ? entry.event! : entry.address;
        const received = { address, payload, id, replayed: isAtOrBefore(own, entry.tail), cursor: own };
        if (own) {
          // A topic that keeps the latest value alone never says what came before. Others do, save where the log has
          // forgotten the address.
          entry.latest = own.prev === undefined ? received : undefined;
          if (entry.deliveries.size === 0) {
            if (entry.missed?.events.length === MAX_MISSED) entry.missed = undefined;
            entry.missed ??= { behind: behind!, events: [] };
            entry.missed.events.push(received);
          }
        }
        // A copy: a handler may subscribe to this address, and has then joined behind this event.
        for (const delivery of [...entry.deliveries]) delivery.event(arrival, received);
      }
      settlement.settle(arrival);
    },
    onOver(error) {
      // A copy: a listener that reconnects lists all of them anew.
      for (const entry of [...entries]) {
        const { state, deliveries, mark, event, at } = entry;
        // Subscribed while the answer was on its way, or left out of the opening: it is not about this one.
        if (state === 'unasked') roster.schedule(true);
        if (state === 'unasked' || state === 'delayed' || state === 'stalled') continue;
        if (!error) roster.drop(entry);
        for (const delivery of deliveries) {
          if (error) delivery.fail(error, 'everywhere');
          else if (mark === '~') delivery.fail(new LinefeedError('not_resumable', NOT_RESUMABLE));
          // A logged address has no end of its own, and what was never accepted may be one.
          else delivery.end(event !== undefined && !at);
        }
      }
    },
  };
}

const isAccepted = ({ state }: Entry) => state === 'accepted';

/** Of one address that lingers. */
const MAX_MISSED = 1_000;
const NOT_RESUMABLE = 'The stream broke off and has no ids: give restart: true to run it again.';
