/** The leader's end of tab sharing: one connection to the server for what all tabs have subscribed. */
import {
  BEGINNING,
  CONTROL_PREFIX,
  FRAME,
  formatCursor,
  parseCursor,
  parseEventId,
  type Cursor,
  type Hello,
  type Subscribed,
  type SubscriptionEntry,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import { LinefeedError } from '@linefeed/shared';
import type { Clock } from '../clock.ts';
import { createControl } from '../control.ts';
import { isAtOrBefore, toText } from '../place.ts';
import { networkError, send } from '../request.ts';
import type { Ending, RequestOptions, Transport, TransportConnection } from '../transport.ts';
import { toPlain, type Frame, type Reply, type Request, type Unsigned } from './messages.ts';

export interface HubOptions {
  readonly clock: Clock;
  readonly request: RequestOptions;
  readonly transport: Transport;
  /** The leader's tab. */
  readonly leader: string;
  readonly post: (reply: Reply) => void;
  /** Calls `onGone` when a tab has left or died, unless the signal comes first. */
  readonly watch: (tab: string, signal: AbortSignal, onGone: () => void) => void;
}

export interface Hub {
  readonly receive: (request: Request) => void;
  /** Another tab leads, or will. `stolen`: the tabs that still listen to this one have to hear of it. */
  readonly close: (stolen?: boolean) => void;
}

/** One subscription of one tab that has to be answered. */
interface Ask {
  readonly tab: string;
  readonly key: string;
  readonly address: string;
  readonly from: string | undefined;
  /** The tab's own control request. */
  readonly n?: number | undefined;
  /** Where the tab stands, if it came to an open connection with a cursor. */
  readonly cursor?: string | undefined;
  /** Asked for as something new. */
  readonly fresh?: boolean | undefined;
  /** They wait for the same answer, or for what it says of the address. */
  readonly others: Ask[];
}

type Open = Extract<Request, { type: 'open' }>;

/** An event name that comes from the server. */
interface Place {
  /** Logged: all of it up to here was passed on. */
  at?: Cursor | undefined;
  tail?: Cursor | undefined;
  apart?: boolean | undefined;
  /** Asked for as something new: a value that is kept has come, or comes. */
  fresh?: boolean | undefined;
  /** Says what came before, so no value is kept. */
  plain?: boolean;
  /** The value that is kept. */
  latest?: Frame | undefined;
  readonly tabs: Set<string>;
}

// Tabs answer a new leader at once; a busy one gets more time each time it came too late.
const GATHER_MS = 50;
const MAX_GATHER_MS = 1_600;
const CALM_MS = 5_000;
const LIFE_EVERY_MS = 1_000;
// A tab has to notice a leader that froze, and to take over, within what the server announced.
const TAKEOVER_MS = 2_500;

const STREAM = Symbol('stream');

export function createHub({ clock, request, transport, leader, post, watch }: HubOptions): Hub {
  const closing = new AbortController();
  const lines = new Map<string, Open>();
  const watched = new Set<string>();
  const places = new Map<string, Place>();
  /** What an address turned out to be: the event name of a logged one, or a stream. */
  const kinds = new Map<string, string | typeof STREAM>();
  /** By the key upstream. */
  const asked = new Map<string, Ask>();
  const adds: SubscriptionEntry[] = [];
  /** Were in the list that opened the connection. */
  let opened: ReadonlySet<Open> = new Set();
  let upstream: TransportConnection | undefined;
  let hello: Hello | undefined;
  /** The connection's cursor. */
  let cursor: Cursor | undefined;
  let retryMs: number | undefined;
  let generation = 0;
  let cancelGather: (() => void) | undefined;
  let gatherMs = GATHER_MS;
  let gatheredAt = -Infinity;
  let livedAt = -Infinity;

  const say = (reply: Unsigned) => post({ ...reply, hub: `${leader}.${generation}` });

  const tell = (to: string, event: string, payload: object, name?: string) =>
    say({ type: 'frame', to, event, data: JSON.stringify(payload), id: '', ...(name && { name }) });

  const control = createControl({
    clock,
    take() {
      const remove: string[] = [];
      for (const [event, { tabs }] of places) {
        if (tabs.size > 0) continue;
        remove.push(event);
        places.delete(event);
        for (const [address, kind] of kinds) if (kind === event) kinds.delete(address);
      }
      return { add: adds.splice(0), remove };
    },
    async send(body) {
      const response = await send(request, request.url, { method: 'POST', body: JSON.stringify(body) });
      response.body?.cancel().catch(() => {});
      return response.status;
    },
    onFailure: () => gather(),
  });

  const reset = () => {
    upstream?.close();
    upstream = hello = cursor = undefined;
    control.reset();
    for (const each of [lines, places, kinds, asked]) each.clear();
    adds.length = 0;
    generation += 1;
  };

  const end = (ending: Ending) => {
    say({ type: 'end', ending: toPlain(ending) });
    reset();
  };

  /** Opens again, from where the last of all tabs stands. `first` need not come again. */
  const gather = (first?: Open) => {
    if (cancelGather) return;
    reset();
    if (first) lines.set(first.tab, first);
    gatherMs = clock.now() - gatheredAt < CALM_MS ? Math.min(gatherMs * 2, MAX_GATHER_MS) : GATHER_MS;
    gatheredAt = clock.now();
    cancelGather = clock.after(gatherMs, open);
    say({ type: 'lead' });
  };

  const open = () => {
    cancelGather = undefined;
    if (lines.size === 0) return;
    opened = new Set(lines.values());
    let lowest: Cursor | undefined;
    for (const line of lines.values()) {
      const at = parseCursor(line.cursor ?? '');
      if (lowest === undefined || isAtOrBefore(at, lowest)) lowest = at ?? lowest;
    }
    for (const [tab, line] of lines) {
      for (const { address, key, from } of line.entries) {
        // What stands further on shares the lowest cursor: its tab drops what it had.
        const start =
          from === undefined
            ? lowest && !line.cursor
              ? 'now'
              : undefined
            : isAtOrBefore(lowest, parseCursor(from))
              ? undefined
              : from;
        const fresh = start === 'now' || (!start && !lowest);
        const ask: Ask = { tab, key: key!, address, from: start, fresh, others: [] };
        const same = [...asked.values()].find(
          (other) => other.address === address && other.from === start && !start?.startsWith('~'),
        );
        if (same) same.others.push(ask);
        else enter(ask);
      }
    }
    // Whoever asks for a past goes first.
    const entries = adds.splice(0).toSorted((a, b) => rank(a) - rank(b));
    upstream = transport(
      { ...request, entries, cursor: toText(lowest) },
      {
        full: () => undefined,
        onRetry(ms) {
          retryMs = ms;
        },
        onLife() {
          if (clock.now() - livedAt < LIFE_EVERY_MS) return;
          livedAt = clock.now();
          say({ type: 'life' });
        },
        onFrame(event, data, id) {
          try {
            if (event.startsWith(CONTROL_PREFIX)) onControl({ event, data, id }, JSON.parse(data));
            else onEvent({ event, data, id });
          } catch (cause) {
            end({
              error: new LinefeedError('protocol', `${event} is malformed: ${data}`, {
                retryable: true,
                cause,
              }),
            });
          }
        },
        onEnd: end,
      },
    );
  };

  const enter = (ask: Ask) => {
    const key = `${ask.tab}-${ask.key}`;
    asked.set(key, ask);
    adds.push({ address: ask.address, key, ...(ask.from && { from: ask.from }) });
  };

  const greet = ({ tab, line }: Open) => {
    const { timeoutMs } = hello!;
    say({
      type: 'hello',
      to: tab,
      line,
      event: FRAME.hello,
      data: JSON.stringify({
        ...hello,
        timeoutMs: timeoutMs && Math.max(timeoutMs - TAKEOVER_MS, timeoutMs / 2),
      }),
      id: toText(cursor) ?? '',
      ...(retryMs !== undefined && { retryMs }),
    });
  };

  const placeOf = ({ address }: Ask) => places.get(kinds.get(address) as string);

  const pendingOf = ({ address }: Ask) =>
    kinds.has(address) ? undefined : [...asked.values()].find((other) => other.address === address);

  /** Whether the open connection will do. */
  const fits = (ask: Ask) => {
    const place = placeOf(ask);
    const from = ask.from ?? ask.cursor ?? 'now';
    // It goes on from the cursor of its tab without saying what it is: only an opening can ask so.
    if (!place) return !ask.cursor || ask.from || kinds.has(ask.address) || pendingOf(ask);
    // New, and nobody knows whether a value is kept; or behind what was passed on.
    return from === 'now'
      ? place.fresh || place.plain || place.latest
      : isAtOrBefore(place.at, parseCursor(from));
  };

  /** Answers on the open connection: by what comes already, or by asking the server, or by opening again. */
  const join = (ask: Ask) => {
    const { tab, key, address, n } = ask;
    if (!hello) return;
    if (!fits(ask)) return gather(lines.get(tab));
    const pending = pendingOf(ask);
    if (pending) return void pending.others.push(ask);
    const place = placeOf(ask);
    if (!place) return enter({ ...ask, from: ask.from ?? 'now', fresh: (ask.from ?? 'now') === 'now' });
    const { at, tail, apart, fresh, latest } = place;
    const from = ask.from ?? ask.cursor ?? 'now';
    const isNew = from === 'now';
    const kind = kinds.get(address) as string;
    place.tabs.add(tab);
    const start = isNew
      ? latest
        ? formatCursor(at!.epoch, BEGINNING)
        : toText(fresh || !isAtOrBefore(at, tail) ? at : tail)
      : from;
    const rewind = apart || (isNew && latest !== undefined);
    const body = {
      address,
      event: kind,
      key,
      n,
      cursor: start,
      tail: toText(tail),
      ...(rewind && { rewind }),
    };
    tell(tab, FRAME.subscribed, body, kind);
    if (!isNew || !latest) return;
    say({ type: 'frame', to: tab, ...latest });
    if (!apart) tell(tab, FRAME.caughtup, { address: kind });
  };

  const serve = (line: Open) => {
    const { tab, entries, cursor } = line;
    const asks = entries.map(({ address, key, from }) => ({
      tab,
      key: key!,
      address,
      from,
      cursor,
      others: [],
    }));
    if (!asks.every(fits)) return gather(line);
    greet(line);
    asks.forEach(join);
    control.flush();
  };

  const drop = (tab: string) => {
    if (!lines.delete(tab)) return;
    for (const { tabs } of places.values()) tabs.delete(tab);
    // Nobody left to ask for: the next one opens afresh.
    if (lines.size > 0) control.flush();
    else if (!cancelGather) reset();
  };

  const onEvent = (frame: Frame) => {
    const { cursor: at, streamId } = parseEventId(frame.id);
    const place = places.get(frame.event);
    if (place && at && streamId === undefined) {
      if (!isAtOrBefore(at, place.at)) place.at = at;
      if (at.prev === undefined) place.latest = frame;
      else place.plain = true;
    }
    if (at && !place?.apart && !isAtOrBefore(at, cursor)) cursor = at;
    say({ type: 'frame', ...frame, apart: place?.apart });
  };

  const onAnswer = (event: string, body: Subscribed | SubscriptionError) => {
    const [tab, key] = body.key!.split('-') as [string, string];
    const ask = asked.get(body.key!);
    asked.delete(body.key!);
    if (ask === undefined) {
      // A stream that had been accepted failed.
      places.delete(body.address);
      return tell(tab, event, { ...body, key });
    }
    const all = [ask, ...ask.others];
    if (!('event' in body)) {
      for (const each of all) tell(each.tab, event, { ...body, key: each.key, n: each.n });
      return;
    }
    const place: Place = places.get(body.event) ?? { tabs: new Set() };
    places.set(body.event, place);
    upstream!.listen?.(body.event);
    const start = parseCursor(body.cursor ?? '');
    kinds.set(ask.address, start ? body.event : STREAM);
    place.fresh ||= ask.fresh;
    // Several starts of one event name: it comes from the earliest of them.
    if (!isAtOrBefore(place.at, start)) place.at = start;
    place.tail = parseCursor(body.tail ?? '');
    place.apart ||= 'rewind' in body;
    for (const each of all) {
      if (!lines.has(each.tab)) continue;
      if (each !== ask && (!start || each.cursor || each.from !== ask.from)) {
        join(each);
        continue;
      }
      place.tabs.add(each.tab);
      tell(each.tab, event, { ...body, key: each.key, n: each.n }, body.event);
    }
  };

  // oxlint-disable-next-line no-explicit-any -- what the frame is says what it carries
  const onControl = (frame: Frame, body: any) => {
    const { event } = frame;
    const place = places.get(body.address);
    switch (event) {
      case FRAME.hello:
        hello = body;
        cursor = parseEventId(frame.id).cursor;
        control.reset(body.connection);
        for (const line of lines.values()) {
          if (opened.has(line)) greet(line);
          else serve(line);
        }
        return;
      case FRAME.subscribed:
      case FRAME.error:
        onAnswer(event, body);
        break;
      case FRAME.end:
        // A removal is the hub's own affair.
        if (body.n === undefined) {
          places.delete(body.address);
          say({ type: 'frame', ...frame });
        }
        break;
      case FRAME.bookmark:
        cursor = parseCursor(frame.id) ?? cursor;
        say({ type: 'frame', ...frame });
        break;
      default:
        if (place && event === FRAME.caughtup) place.apart = false;
        if (place && event === FRAME.gap) {
          place.at = parseCursor(body.to);
          place.latest = undefined;
        }
        say({ type: 'frame', ...frame });
        if (event === FRAME.reconnect) reset();
    }
    control.outcome(body.n);
    control.flush();
  };

  gather();

  return {
    receive(message) {
      const { tab } = message;
      if (message.type === 'bye') return drop(tab);
      const line = lines.get(tab);
      if (message.type === 'change') {
        if (line?.line !== message.line || !hello) return;
        const { n, add = [], remove = [] } = message.change;
        for (const event of remove) {
          places.get(event)?.tabs.delete(tab);
          tell(tab, FRAME.end, { address: event, n });
        }
        for (const { address, key, from } of add) {
          join({ tab, key: key!, address, from, n, others: [] });
        }
        return control.flush();
      }
      say({ type: 'heard', to: tab });
      if (line?.line === message.line) return;
      if (!watched.has(tab) && tab !== leader) {
        watched.add(tab);
        watch(tab, closing.signal, () => {
          watched.delete(tab);
          drop(tab);
        });
      }
      if (!upstream && !cancelGather) return gather(message);
      for (const { tabs } of places.values()) tabs.delete(tab);
      lines.set(tab, message);
      // Else it waits for hello, or is in the list that is about to be asked for.
      if (hello) serve(message);
    },
    close(stolen) {
      cancelGather?.();
      closing.abort();
      if (stolen) end({ error: networkError('Another tab took over.') });
      else reset();
    },
  };
}

/** As `toOrder` of a tab: a past before what shares the cursor, or starts now. */
function rank({ from = 'now' }: SubscriptionEntry): number {
  return Number(from === 'now');
}
