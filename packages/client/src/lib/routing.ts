/** What each frame means for the subscriptions of a connection. */
import { LinefeedError, type ErrorCode } from '@linefeed/shared';
import {
  CONTROL_PREFIX,
  FRAME,
  parseCursor,
  parseEventId,
  type CaughtUp,
  type End,
  type Gap,
  type Hello,
  type Subscribed,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import type { ConnectionReason } from './connection-state.ts';
import type { Control } from './control.ts';
import { isAtOrBefore, judgeEvent, toText } from './place.ts';
import { planRetry, type RetryOptions } from './retry-policy.ts';
import type { Entry, Roster } from './roster.ts';
import type { Settlement } from './settlement.ts';

export interface RoutingOptions {
  readonly clock: Clock;
  readonly settlement: Settlement;
  readonly roster: Roster;
  readonly control: Control;
  readonly retry: RetryOptions;
  /** What was asked for does not come on this connection. */
  readonly reopen: (reason: ConnectionReason) => void;
  /** Something is still to be asked for. */
  readonly start: () => void;
  /** Frames of this event name will come. */
  readonly listen: (event: string) => void;
  readonly onError: (error: LinefeedError) => void;
  readonly onInvalid: (error: LinefeedError) => void;
}

export interface Routing {
  readonly onFrame: (event: string, data: string, id: string) => void;
  /** Over for good: refused with this error, or finished without. */
  readonly onOver: (error: LinefeedError | undefined) => void;
}

export function createRouting({ clock, settlement, roster, control, ...options }: RoutingOptions): Routing {
  const { entries, named } = roster;

  /** The entry that an answer is about: by its key, else by its address as asked, else by its event name. */
  const answered = ({ key, address }: Subscribed | SubscriptionError): Entry | undefined => {
    const list = [...entries];
    return key === undefined
      ? (list.find((entry) => entry.waiting && entry.address === address) ?? named(address)[0])
      : list.find((entry) => entry.key === key);
  };

  const onSubscribed = (body: Subscribed) => {
    const { event } = body;
    const entry = answered(body);
    // Unsubscribed before it was accepted.
    if (!entry) return roster.refuse(event);
    entry.waiting = false;
    entry.acceptedAt = clock.now();
    entry.event = event;
    options.listen(event);
    if (body.cursor === undefined) {
      const [first, ...others] = entry.deliveries;
      if (!first) return roster.forget(entry);
      first.accept();
      for (const other of others) roster.part(other, entry);
      return;
    }
    const start = parseCursor(body.cursor);
    entry.at ??= start;
    entry.tail = parseCursor(body.tail ?? '');
    // Frames of one event name come once, in one order, however many entries asked for it.
    const live = named(event).find((other) => other !== entry && !other.waiting);
    entry.apart = body.rewind ?? live?.apart;
    for (const delivery of entry.deliveries) delivery.accept();
    // Live already, from later on: the past that was asked for comes only on another connection.
    const late = live && isAtOrBefore(start, live.at) && !isAtOrBefore(live.at, start);
    if (late && !body.rewind && !entry.holeAt) {
      entry.holeAt = toText(start);
      entry.apart = true;
      options.reopen('changed');
    }
  };

  const onGap = (gap: Gap) => {
    const arrival = settlement.arrive(undefined);
    const to = parseCursor(gap.to);
    for (const entry of named(gap.address)) {
      // It concerns another entry of this name, which asked for a past that this one has seen.
      if (gap.reason !== 'rollback' && isAtOrBefore(to, entry.at)) continue;
      entry.at = to;
      // Whoever joins now must not get a value from before the gap.
      entry.latest = undefined;
      for (const delivery of entry.deliveries) delivery.gap(arrival, gap);
    }
    settlement.settle(arrival);
  };

  const onRefused = (body: SubscriptionError) => {
    const entry = answered(body);
    if (!entry) return;
    const { code, message, retryable, address, detail } = body;
    const error = new LinefeedError(code as ErrorCode, message, { address, retryable, detail });
    // A run that was accepted and failed at once must not start again at once, time after time.
    const loss = { connectedMs: entry.waiting ? undefined : clock.now() - entry.acceptedAt! };
    const plan = planRetry(entry.history, loss, options.retry, clock.now(), clock.random());
    if (retryable && plan.history.failures < (options.retry.maxAttempts ?? Infinity)) {
      for (const delivery of entry.deliveries) delivery.delay(error);
      entry.waiting = false;
      entry.history = plan.history;
      entry.cancelTimer = clock.after(plan.delayMs, () => {
        entry.sent = false;
        roster.schedule();
      });
      return;
    }
    entries.delete(entry);
    roster.schedule();
    for (const delivery of entry.deliveries) delivery.fail(error);
  };

  const onEnd = ({ address }: End) => {
    for (const entry of named(address)) {
      entries.delete(entry);
      for (const delivery of entry.deliveries) delivery.end();
    }
    roster.schedule();
  };

  const onEvent = (event: string, data: string, text: string) => {
    const { cursor, streamId } = parseEventId(text);
    // The cursor in the id of a stream's event is the connection's, not the event's.
    const own = streamId === undefined ? cursor : undefined;
    const targets = named(event).filter((entry) => !own || judgeEvent(entry, own) !== 'repeated');
    for (const entry of targets) {
      if (!own || judgeEvent(entry, own) !== 'hole') continue;
      const from = toText(entry.at)!;
      if (entry.holeAt === from) {
        // Asked for again and still missing. Of another epoch nothing says where it began.
        onGap({ address: event, from, to: toText({ ...own, position: own.prev ?? '0' }), reason: 'unknown' });
        continue;
      }
      entry.holeAt = from;
      entry.apart = true;
      const message = `Something of ${event} is missing behind ${from}: asking for it again.`;
      options.onError(new LinefeedError('hole', message, { address: event, retryable: true }));
      return options.reopen('hole');
    }
    const apart = named(event).some((entry) => entry.apart);
    if (cursor && !apart && !isAtOrBefore(cursor, roster.cursor)) roster.cursor = cursor;
    const arrival = settlement.arrive(apart ? undefined : toText(cursor));
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
      if (own) entry.at = own;
      else if (streamId !== undefined) entry.mark = text.slice(text.indexOf('~'));
      if (!valid) continue;
      // Only a topic that keeps the latest value alone does not say what came before.
      if (own && own.prev === undefined) entry.latest = { payload, cursor: own };
      const info = {
        address: own ? event : entry.address,
        id: streamId || toText(own),
        replayed: isAtOrBefore(own, entry.tail),
      };
      for (const delivery of entry.deliveries) delivery.event(arrival, payload, info, own);
    }
    settlement.settle(arrival);
  };

  const moveTo = (id: string) => {
    const { cursor } = parseEventId(id);
    if (!cursor) return;
    roster.cursor = cursor;
    settlement.settle(settlement.arrive(toText(cursor)));
  };

  // oxlint-disable-next-line no-explicit-any -- what the frame is says what it carries
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
        onGap(body);
        break;
      case FRAME.error:
        onRefused(body);
        break;
      case FRAME.end:
        // Also says that a removal is done; then nothing bears the name any more.
        onEnd(body);
    }
    control.outcome(body.n);
    if (event === FRAME.hello) control.flush();
  };

  return {
    onFrame(event, data, id) {
      if (event.startsWith(CONTROL_PREFIX)) onControl(event, JSON.parse(data), id);
      else onEvent(event, data, id);
    },
    onOver(error) {
      for (const entry of entries) {
        const { asked, deliveries, mark } = entry;
        // Subscribed while the answer was on its way: it is not about this one.
        if (!asked) {
          queueMicrotask(options.start);
          continue;
        }
        if (!error) entries.delete(entry);
        for (const delivery of deliveries) {
          if (error) delivery.fail(error, true);
          else if (mark === '~') delivery.fail(new LinefeedError('not_resumable', NOT_RESUMABLE));
          else delivery.end();
        }
      }
    },
  };
}

const NOT_RESUMABLE =
  'The stream broke off and gives its events no ids: it can only start again (restart: true).';
