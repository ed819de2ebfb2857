/** One connection of a client, as a line to the leader: to the client it is a response like any other. */
import {
  FRAME,
  formatCursor,
  parseCursor,
  type ControlRequest,
  type Cursor,
  type Subscribed,
  type SubscriptionEntry,
} from '@linefeed/shared/wire';
import type { Ending, Opening, Transport, TransportConnection, TransportSink } from '../transport.ts';
import { isAtOrBefore } from '../place.ts';
import { networkError } from '../request.ts';
import { decodeEnding, RETURN, SIGNAL, type Item, type LeaderMessage } from './messages.ts';

export interface LineOptions {
  readonly id: string;
  readonly opening: Opening;
  readonly sink: TransportSink;
  /** Keys of addresses that are known to be logged. */
  readonly logged: Set<string | undefined>;
  readonly post: (message: {
    readonly open?: readonly SubscriptionEntry[];
    readonly control?: ControlRequest;
  }) => void;
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

export function createLine({ id, opening, sink, logged, post, onEnd }: LineOptions): Line {
  const names = new Set<string>();
  let leader: string | undefined;
  let greeted = false;
  let closed = false;
  let own: TransportConnection | undefined;

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

  /** Entries of the opening that have no answer. */
  const open = new Set(opening.entries.map(({ key }) => key));
  /** What waits for that, because an id speaks for all that is subscribed. */
  let held: Item[] = [];
  /** The lowest position from which one of them starts: the id of hello. */
  let low: Cursor | undefined;

  const hear = (item: Item) => {
    const [, event, data, frameId] = item;
    if (event === SIGNAL.end) return end(decodeEnding(data));
    if (event === SIGNAL.retry) return sink.onRetry(Number(data));
    const isSubscribed = event === FRAME.subscribed;
    const {
      event: name,
      key,
      cursor,
      rewind,
    } = JSON.parse(isSubscribed || event === FRAME.error ? data : '{}') as Partial<Subscribed>;
    if (isSubscribed) {
      names.add(name!);
      if (cursor !== undefined) logged.add(key);
      const start = parseCursor(cursor ?? '');
      if (start && !rewind && !isAtOrBefore(low, start)) low = start;
    }
    if (open.size === 0 || event === FRAME.reconnect) return hand(event, data, frameId);
    if (held.push(item) > MAX_HELD) {
      return end({ error: networkError('Too much came before what was asked for.') });
    }
    open.delete(key);
    if (open.size > 0) return;
    const [[, ...hello], ...others] = held as [Item, ...Item[]];
    hand(hello[0], hello[1], low ? formatCursor(low.epoch, low.position) : '');
    for (const [, ...frame] of others) if (!closed) hand(...frame);
    held = [];
  };

  const hand = (event: string, data: string, frameId: string) => {
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
        entry.from === undefined && cursor !== undefined && logged.has(entry.key)
          ? { ...entry, from: cursor }
          : entry;
      post({ open: entries.map(toOwn) });
    },
    receive(message) {
      const own = `=${id}`;
      if (leader === undefined) {
        if (message.hail) return this.ask();
        if (message.items.some(([target, event]) => target === own && event === SIGNAL.ack))
          leader = message.leader;
      } else if (message.hail && message.leader !== leader) {
        // As a server that is replaced would say it: no failure, and no wait.
        return sink.onFrame(FRAME.reconnect, RETURN, '');
      }
      if (message.leader !== leader) return;
      sink.onLife();
      for (const item of message.items) {
        const [target, event] = item;
        if (target === own && event === FRAME.hello) greeted = true;
        const isMine =
          target === own || names.has(target) || (target === '' && (greeted || event === FRAME.reconnect));
        if (!closed && isMine && event !== SIGNAL.ack) hear(item);
      }
    },
    end,
    part(base) {
      if (closed || own) return;
      own = base(opening, sink);
    },
    listen: (event) => own?.listen?.(event),
    control(request) {
      for (const event of request.remove ?? []) names.delete(event);
      post({ control: request });
      return Promise.resolve(202);
    },
    close,
  };
}
