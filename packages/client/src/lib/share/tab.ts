/** A tab's end of tab sharing: its line to the leader, and its part in who leads. */
import { CONTROL_PREFIX, FRAME, type ControlRequest } from '@linefeed/shared/wire';
import type { Clock } from '../clock.ts';
import type { Opening, TransportConnection, TransportSink } from '../transport.ts';
import type { Hub, HubOptions } from './hub.ts';
import { fromPlain, type Message, type Reply, type Request } from './messages.ts';

/** What a page has for talking to its other tabs. */
export interface Platform {
  readonly locks: Pick<LockManager, 'request'>;
  readonly channel: Pick<BroadcastChannel, 'postMessage' | 'onmessage' | 'close'>;
}

export interface TabOptions {
  readonly clock: Clock;
  /** What is shared: the same words in every tab that shares it. */
  readonly name: string;
  readonly platform: Platform;
  readonly createHub: (options: Pick<HubOptions, 'leader' | 'post' | 'watch'>) => Hub;
  /** Opens a line anew, where the client has one, had one, or waits to try again. */
  readonly reconnect: () => void;
  /** Web Locks are refused to this page. */
  readonly onRefused: () => void;
}

export interface Tab {
  readonly open: (opening: Opening, sink: TransportSink) => TransportConnection;
  readonly change: (change: ControlRequest) => void;
  /** Leaves to the others what they share; `open` comes back. */
  readonly leave: () => void;
  /** Back on a page that had left. */
  readonly enter: () => void;
}

interface Line {
  readonly number: number;
  readonly opening: Opening;
  readonly sink: TransportSink;
  /** Event names that this tab wants. */
  readonly names: Set<string>;
  /** Who said hello. */
  hub?: string;
}

// A leader answers an opening within one turn of its event loop; one that does not is frozen.
const HEARD_MS = 1_000;

export function createTab({ clock, name, platform, createHub, reconnect, onRefused }: TabOptions): Tab {
  const { locks, channel } = platform;
  const id = `${clock.random()}`.slice(2, 14);
  let joined: AbortController | undefined;
  let present = false;
  let term: AbortController | undefined;
  let hub: Hub | undefined;
  let line: Line | undefined;
  let numbers = 0;
  let cancelSteal = () => {};

  const post = (message: Message) => {
    channel.postMessage(message);
    // A channel does not speak to itself.
    queueMicrotask(() => receive(message));
  };

  /** Holds a lock until the signal comes. */
  const hold = (lock: string, signal: AbortSignal, steal: boolean, onGranted: () => void) =>
    locks.request(
      lock,
      steal ? { steal } : { signal },
      () =>
        new Promise<void>((resolve) => {
          if (signal.aborted) return resolve();
          signal.addEventListener('abort', () => resolve());
          onGranted();
        }),
    );

  const campaign = (steal = false) => {
    const { signal } = (term = new AbortController());
    let led = false;
    hold(name, signal, steal, () => {
      led = true;
      hub = createHub({
        leader: id,
        post,
        watch(tab, until, onGone) {
          locks.request(`${name} ${tab}`, { signal: until }, onGone).catch(() => {});
        },
      });
    }).catch(() => {
      if (signal.aborted) return;
      hub?.close(true);
      hub = undefined;
      if (led) campaign();
      else onRefused();
    });
  };

  const stop = () => {
    hub?.close();
    hub = undefined;
    term?.abort();
  };

  const join = () => {
    const { signal } = (joined = new AbortController());
    channel.onmessage = ({ data }: MessageEvent<Message>) => receive(data);
    // The others see by this lock that the tab is alive.
    hold(`${name} ${id}`, signal, false, () => {
      present = true;
      campaign();
      call();
    }).catch(() => signal.aborted || onRefused());
  };

  const call = () => {
    cancelSteal();
    if (!present || !line) return;
    const { entries, cursor } = line.opening;
    // Chance keeps two tabs from stealing from each other.
    cancelSteal = clock.after(HEARD_MS * (1 + clock.random() / 2), () => {
      stop();
      campaign(true);
    });
    post({ type: 'open', tab: id, line: line.number, entries, cursor });
  };

  const receive = (message: Message) => {
    if (!present) return;
    if (!('hub' in message)) hub?.receive(message);
    else if (!('to' in message) || message.to === id) listen(message);
  };

  const listen = (reply: Reply) => {
    switch (reply.type) {
      case 'lead':
        if (line && !line.hub) call();
        else reconnect();
        return;
      case 'heard':
        return cancelSteal();
      case 'hello':
        if (!line || line.hub || reply.line !== line.number) return;
        line.hub = reply.hub;
    }
    if (!line || line.hub !== reply.hub) return;
    const { sink, names } = line;
    sink.onLife();
    if (reply.type === 'life') return;
    if (reply.type === 'end') {
      line = undefined;
      return sink.onEnd(fromPlain(reply.ending));
    }
    const { event, data, id: eventId } = reply;
    if (reply.type === 'hello' && reply.retryMs !== undefined) sink.onRetry(reply.retryMs);
    if ('name' in reply && reply.name) names.add(reply.name);
    if (names.has(event) || event.startsWith(CONTROL_PREFIX)) sink.onFrame(event, data, eventId);
    else if (!('apart' in reply && reply.apart)) sink.onFrame(FRAME.bookmark, '{}', eventId.split('~')[0]!);
    // One tab must not keep the others from reading.
    if (line?.sink !== sink || !sink.full()) return;
    close(line);
    sink.onEnd({ full: true });
  };

  const close = (closed: Line) => {
    if (line !== closed) return;
    line = undefined;
    cancelSteal();
    // Unless it comes back at once.
    queueMicrotask(() => line || !present || post({ type: 'bye', tab: id }));
  };

  const leave = () => {
    if (!joined) return;
    if (present) channel.postMessage({ type: 'bye', tab: id } satisfies Request);
    cancelSteal();
    stop();
    joined.abort();
    joined = undefined;
    present = false;
  };

  return {
    open(opening, sink) {
      numbers += 1;
      const opened: Line = (line = { number: numbers, opening, sink, names: new Set() });
      if (joined) call();
      else join();
      return { close: () => close(opened) };
    },
    change(change) {
      if (line) post({ type: 'change', tab: id, line: line.number, change });
    },
    leave,
    enter: reconnect,
  };
}
