/** One connection of a client, as a line to the leader: to the client it is a response like any other. */
import {
  CONTROL_PREFIX,
  FRAME,
  parseCursor,
  type ControlRequest,
  type Cursor,
  type Subscribed,
  type SubscriptionEntry,
} from '@linefeed/shared/wire';
import { soon } from '../clock.ts';
import { readControl } from '../control-frame.ts';
import type { Ending, Opening, Transport, TransportConnection, TransportSink } from '../transport.ts';
import { isAtOrBefore, toText } from '../place.ts';
import { networkError } from '../request.ts';
import { decodeEnding, RETURN, SIGNAL, type Item, type LeaderMessage, type LineMessage } from './messages.ts';

export interface LineOptions {
  readonly id: string;
  readonly opening: Opening;
  readonly sink: TransportSink;
  /** Keys of addresses that are known to be logged. */
  readonly logged: Set<string>;
  readonly post: (message: Pick<LineMessage, 'open' | 'change'>) => void;
  /** The connection of all tabs takes no more, and the tab is to go on without it. */
  readonly onAlone: (why: string) => void;
  readonly onEnd: () => void;
}

export interface Line extends TransportConnection {
  /** Asks whoever leads, where nobody has answered yet. */
  readonly ask: () => void;
  /** Whether a leader has answered. */
  readonly isHeard: () => boolean;
  readonly receive: (message: LeaderMessage) => void;
  readonly end: (ending: Ending) => void;
  /** There is no sharing after all: goes on over a connection of its own. */
  readonly part: (base: Transport) => void;
}

/** Frames that wait for the answers of an opening. */
const MAX_HELD = 1_000;

export function createLine({ id, opening, sink, logged, post, onAlone, onEnd }: LineOptions): Line {
  /** Its event names, each with the keys that asked for it. */
  const names = new Map<string, string[]>();
  /** Keys of entries that have no answer. */
  const asked = new Set(opening.entries.map(({ key }) => key!));
  /** The control request that asks, once the opening is answered. */
  let n: number | undefined;
  let leader: string | undefined;
  let greeted = false;
  let closed = false;
  let own: TransportConnection | undefined;
  /** What waits until the opening is answered, because an id speaks for all that is subscribed. */
  let held: Item[] | undefined = [];
  /** The lowest position from which one of its entries starts: the id of hello. */
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

  /** Keys are unique among all tabs. */
  const toUpstream = (entries: readonly SubscriptionEntry[]) =>
    entries.map((entry) => ({ ...entry, key: id + entry.key! }));

  // What it hears -----------------------------------------------------------------------------------------------------

  const hear = (item: Item) => {
    const [event, data, frameId, to = id] = item;
    if (to !== id) return;
    if (event === SIGNAL.end) {
      const ending = decodeEnding(data);
      return ending && end(ending);
    }
    // Never for all lines.
    if (event === SIGNAL.alone) return item[3] && onAlone(data);
    if (event === SIGNAL.retry) return Number(data) >= 0 && sink.onRetry(Number(data));
    if (!event.startsWith(CONTROL_PREFIX)) {
      if (names.has(event)) pass(item);
      return;
    }
    // oxlint-disable-next-line no-explicit-any -- what the frame is says what it carries
    let body: any;
    try {
      body = Object(readControl(event.slice(CONTROL_PREFIX.length), data));
    } catch {
      // The leader has checked what a server sent: this is of somebody else.
      return;
    }
    if (event === FRAME.reconnect) return hand(item);
    if ((!greeted && event !== FRAME.hello) || typeof (body.key ?? '') !== 'string') return;
    const tell = (key?: string, by?: number) =>
      pass([event, JSON.stringify({ ...body, key, n: by }), frameId]);
    const { key, event: name, address, rewind } = body;
    if (event === FRAME.hello) {
      greeted = true;
      pass(item);
    } else if (key === undefined) {
      // Of an address; or of the connection, if it is one to this line.
      if (address === undefined ? greeted : names.has(address)) tell();
    } else if (key.startsWith(id)) {
      if (body.code === 'too_many_subscriptions')
        return onAlone('Too many subscriptions of all tabs together.');
      const ownKey = key.slice(id.length);
      if (event === FRAME.subscribed) accept(ownKey, body);
      tell(ownKey, asked.delete(ownKey) ? n : undefined);
      release();
    } else if (rewind) {
      // Another line's, and all who have it get it again from further back.
      for (const each of names.get(name) ?? []) tell(each);
    }
  };

  const accept = (key: string, { event, cursor, rewind }: Subscribed) => {
    names.set(event, [...(names.get(event) ?? []), key]);
    if (cursor !== undefined) logged.add(key);
    const start = parseCursor(cursor ?? '');
    if (start && !rewind && !isAtOrBefore(low, start)) low = start;
  };

  const pass = (item: Item) => {
    if (!held) hand(item);
    else if (held.push(item) > MAX_HELD)
      end({ error: networkError('Too much came before what was asked for.') });
  };

  /** Hands out what was held, once all of the opening is answered. */
  const release = () => {
    if (!held || asked.size > 0) return;
    const [[event, data], ...others] = held as [Item, ...Item[]];
    held = undefined;
    hand([event, data, toText(low) ?? '']);
    others.forEach(hand);
  };

  const hand = ([event, data, frameId]: Item) => {
    if (closed) return;
    sink.onFrame(event, data, frameId);
    // Reading cannot be stopped, only ended: others read on.
    if (sink.full() !== undefined) end({ full: true });
  };

  return {
    isHeard: () => leader !== undefined || closed,
    ask() {
      if (leader !== undefined || closed) return;
      const { entries, cursor } = opening;
      // The leader's connection stands elsewhere, and of a stream `from` means something else.
      const toOwn = (entry: SubscriptionEntry) =>
        entry.from === undefined && cursor !== undefined && logged.has(entry.key!)
          ? { ...entry, from: cursor }
          : entry;
      post({ open: toUpstream(entries.map(toOwn)) });
    },
    receive(message) {
      if (message.hail && leader !== message.leader) {
        // As a server that is replaced would say it: no failure, and no wait.
        return leader === undefined ? this.ask() : sink.onFrame(FRAME.reconnect, RETURN, '');
      }
      if (message.leader === leader) sink.onLife();
      for (const item of message.items) {
        if (item[0] === SIGNAL.ack && item[3] === id) leader ??= message.leader;
        else if (message.leader === leader && !closed) hear(item);
      }
    },
    end,
    part(base) {
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
        for (const event of remove) hand([FRAME.end, JSON.stringify({ address: event, n }), '']);
      });
      return Promise.resolve(202);
    },
    close,
  };
}
