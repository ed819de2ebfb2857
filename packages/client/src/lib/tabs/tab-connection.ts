/** One connection of a tab's client, carried by the leader tab. The client sees it as an ordinary response. */
import {
  CONTROL_PREFIX,
  FRAME,
  parseCursor,
  type ControlRequest,
  type Cursor,
  type Subscribed,
  type SubscriptionEntry,
} from '@linefeed/shared/wire';
import { soon } from '../base/clock.ts';
import { readControl, type ControlBody } from '../connection/control-frame.ts';
import type {
  Ending,
  Opening,
  Transport,
  TransportConnection,
  TransportSink,
} from '../transport/transport.ts';
import { isAtOrBefore, toText } from '../base/cursor.ts';
import { networkError } from '../transport/request.ts';
import { decodeEnding, RETURN, SIGNAL, type Item, type LeaderMessage, type TabMessage } from './messages.ts';

export interface TabConnectionOptions {
  readonly id: string;
  readonly opening: Opening;
  readonly sink: TransportSink;
  /** Keys of entries that are known to be logged. */
  readonly logged: Set<string>;
  readonly post: (message: Pick<TabMessage, 'open' | 'change'>) => void;
  /** The shared connection cannot carry this tab's subscriptions: the tab must use a connection of its own. */
  readonly onAlone: (why: string) => void;
  readonly onEnd: () => void;
}

export interface TabConnection extends TransportConnection {
  /** Sends the opening to the leader, unless a leader has answered. */
  readonly requestOpening: () => void;
  /** Whether a leader has answered. */
  readonly hasLeader: () => boolean;
  readonly receive: (message: LeaderMessage) => void;
  readonly end: (ending: Ending) => void;
  /** Falls back to a private connection. */
  readonly continueAlone: (base: Transport) => void;
}

/** Limit of frames held until the opening is answered. */
const MAX_HELD = 1_000;

export function createTabConnection({
  id,
  opening,
  sink,
  logged,
  post,
  onAlone,
  onEnd,
}: TabConnectionOptions): TabConnection {
  /** Event names of this connection, each with the keys of its entries. */
  const names = new Map<string, string[]>();
  /** Keys of entries without an answer. */
  const asked = new Set(opening.entries.map(({ key }) => key!));
  /** Number of the last control request. Answers after the opening's refer to it. */
  let n: number | undefined;
  let leader: string | undefined;
  let hasHello = false;
  let closed = false;
  let own: TransportConnection | undefined;
  /** Frames held until the opening is answered: an event id covers all subscribed addresses. */
  let held: Item[] | undefined = [];
  /** Lowest start position of its entries; becomes the id of `hello`. */
  let low: Cursor | undefined;

  const close = () => {
    if (closed) return;
    closed = true;
    own?.close();
    if (!own) post({});
    onEnd();
  };

  const end = (ending: Ending) => {
    if (closed) return;
    close();
    sink.onEnd(ending);
  };

  /** Adds the connection's id to each key, so that keys are unique across tabs. */
  const toUpstream = (entries: readonly SubscriptionEntry[]) =>
    entries.map((entry) => ({ ...entry, key: id + entry.key! }));

  // Frames from the leader --------------------------------------------------------------------------------------------

  const onItem = (item: Item) => {
    const [event, data, frameId, to = id] = item;
    if (to !== id) return;
    if (event === SIGNAL.end) {
      const ending = decodeEnding(data);
      return ending && end(ending);
    }
    // Ignore it without a connection id: one tab's limit must not move all tabs.
    if (event === SIGNAL.alone) return item[3] && onAlone(data);
    if (event === SIGNAL.retry) return Number(data) >= 0 && sink.onRetry(Number(data));
    if (!event.startsWith(CONTROL_PREFIX)) {
      if (names.has(event)) deliverOrHold(item);
      return;
    }
    let body: ControlBody;
    try {
      body = Object(readControl(event.slice(CONTROL_PREFIX.length), data));
    } catch {
      // The leader has checked all frames of the server, so another script has sent this one.
      return;
    }
    if (event === FRAME.reconnect) return deliver(item);
    if ((!hasHello && event !== FRAME.hello) || typeof (body.key ?? '') !== 'string') return;
    const forward = (key?: string, by?: number) =>
      deliverOrHold([event, JSON.stringify({ ...body, key, n: by }), frameId]);
    const { key, event: name, address, rewind } = body;
    if (event === FRAME.hello) {
      hasHello = true;
      deliverOrHold(item);
    } else if (key === undefined) {
      // The frame is for an address, or for the whole connection. The latter applies once `hello` was received.
      if (address === undefined ? hasHello : names.has(address)) forward();
    } else if (key.startsWith(id)) {
      if (body.code === 'too_many_subscriptions')
        return onAlone('Too many subscriptions of all tabs together.');
      const ownKey = key.slice(id.length);
      if (event === FRAME.subscribed) accept(ownKey, body);
      forward(ownKey, asked.delete(ownKey) ? n : undefined);
      release();
    } else if (rewind) {
      // Another tab connection's entry rewinds. Its events are sent to every tab connection that has this event name.
      for (const each of names.get(name) ?? []) forward(each);
    }
  };

  const accept = (key: string, { event, cursor, rewind }: Subscribed) => {
    names.set(event, [...(names.get(event) ?? []), key]);
    if (cursor !== undefined) logged.add(key);
    const start = parseCursor(cursor ?? '');
    if (start && !rewind && !isAtOrBefore(low, start)) low = start;
  };

  const deliverOrHold = (item: Item) => {
    if (!held) deliver(item);
    else if (held.push(item) > MAX_HELD)
      end({ error: networkError('Too many frames arrived before the answer.') });
  };

  /** Delivers the held frames once the whole opening is answered. */
  const release = () => {
    if (!held || asked.size > 0) return;
    const [[event, data], ...others] = held as [Item, ...Item[]];
    held = undefined;
    deliver([event, data, toText(low) ?? '']);
    others.forEach(deliver);
  };

  const deliver = ([event, data, frameId]: Item) => {
    if (closed) return;
    sink.onFrame(event, data, frameId);
    // Other tabs continue to read, so this connection cannot pause. End it.
    if (sink.full() !== undefined) end({ full: true });
  };

  return {
    hasLeader: () => leader !== undefined || closed,
    requestOpening() {
      if (leader !== undefined || closed) return;
      const { entries, cursor } = opening;
      // The leader's connection has another position, so send the cursor as `from`. In a stream `from` means something
      // else.
      const toOwn = (entry: SubscriptionEntry) =>
        entry.from === undefined && cursor !== undefined && logged.has(entry.key!)
          ? { ...entry, from: cursor }
          : entry;
      post({ open: toUpstream(entries.map(toOwn)) });
    },
    receive(message) {
      if (message.announce && leader !== message.leader) {
        // A new leader. Reconnect as for a server's drain: no failure and no wait.
        return leader === undefined ? this.requestOpening() : sink.onFrame(FRAME.reconnect, RETURN, '');
      }
      if (message.leader === leader) sink.onLife();
      for (const item of message.items) {
        if (item[0] === SIGNAL.ack && item[3] === id) leader ??= message.leader;
        else if (message.leader === leader && !closed) onItem(item);
      }
    },
    end,
    continueAlone(base) {
      if (closed || own) return;
      own = base(opening, sink);
    },
    listen: (event) => own?.listen?.(event),
    control(request: ControlRequest) {
      const { add = [], remove = [] } = request;
      n = request.n;
      for (const { key } of add) asked.add(key!);
      for (const event of remove) {
        for (const key of names.get(event) ?? []) logged.delete(key);
        names.delete(event);
      }
      post({ change: { add: toUpstream(add), remove } });
      soon(() => {
        for (const event of remove) deliver([FRAME.end, JSON.stringify({ address: event, n }), '']);
      });
      return Promise.resolve(202);
    },
    close,
  };
}
