/** The leader's work: one upstream connection, and towards the line of each tab what a server would say to it. */
import { LinefeedError } from '@linefeed/shared';
import {
  CONTROL_PREFIX,
  FRAME,
  type ControlRequest,
  type Hello,
  type Subscribed,
  type SubscriptionEntry,
} from '@linefeed/shared/wire';
import type { Clock } from '../clock.ts';
import { createControl } from '../control.ts';
import { networkError } from '../request.ts';
import type { Ending, TransportConnection, TransportSink } from '../transport.ts';
import { encodeEnding, RETURN, SIGNAL, type Item } from './messages.ts';

export interface RelayOptions {
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** Opens the upstream connection. */
  readonly connect: (entries: readonly SubscriptionEntry[], sink: TransportSink) => TransportConnection;
  /** Sends a control request of the upstream connection and gives the status of its answer. */
  readonly send: (
    upstream: TransportConnection,
    request: ControlRequest,
    signal: AbortSignal,
  ) => Promise<number>;
  /** To all tabs, in this order. */
  readonly post: (items: readonly Item[]) => void;
}

export interface Relay {
  readonly open: (id: string, tab: string, entries: readonly SubscriptionEntry[]) => void;
  readonly change: (id: string, request: ControlRequest) => void;
  readonly close: (id: string) => void;
  /** Drops the lines of a tab that has gone. */
  readonly leave: (tab: string) => void;
  /** Somebody else is to lead: every line comes back at once, to the other one. */
  readonly stop: () => void;
}

/** One tab's connection. */
interface Line {
  readonly id: string;
  readonly tab: string;
  readonly wants: Set<Want>;
}

/** What a line asked for, which is an entry of its own upstream: the server answers each where it stands. */
interface Want {
  readonly line: Line;
  readonly address: string;
  readonly from: string;
  /** The key that the line gave, and the control request. */
  readonly key: string | undefined;
  readonly n: number | undefined;
  /** Its event name, once it is accepted. */
  event?: string;
}

/** The shortest time between two signs of life that are no frames. */
const LIFE_MS = 1_000;
/** How late a ping may be. */
const GRACE_MS = 5_000;

export function createRelay({ clock, connectTimeoutMs, connect, send, post }: RelayOptions): Relay {
  const lines = new Map<string, Line>();
  /** Logged addresses by their event names: whether each is in an order of its own until `caughtup`. */
  const topics = new Map<string, boolean | undefined>();
  /** Event names by addresses as asked. */
  const names = new Map<string, string>();
  /** What waits to be asked for, and by their keys upstream what was and is not answered, and streams. */
  const waiting = new Set<Want>();
  const asked = new Map<string, Want>();
  const removals = new Set<string>();
  let upstream: TransportConnection | undefined;
  let hello: Hello | undefined;
  let heardAt = 0;
  let toldAt = 0;
  let keys = 0;
  // A client must not take the stream of another leader's key for its own.
  const prefix = crypto.randomUUID().slice(0, 8);
  let items: Item[] = [];

  const flush = () => {
    if (items.length === 0) return;
    toldAt = clock.now();
    post(items);
    items = [];
  };

  /** At the end of this tick what is wanted is asked for, and what is said is posted. */
  const schedule = () =>
    queueMicrotask(() => {
      if (lines.size === 0) drop();
      else if (upstream) control.flush();
      else if (waiting.size > 0) start();
      flush();
    });

  const say = (target: string, event: string, data: string, id = '') => {
    if (items.push([target, event, data, id]) === 1) schedule();
  };
  const tell = ({ id }: Line, event: string, body: object, frameId?: string) =>
    say(`=${id}`, event, JSON.stringify(body), frameId);

  // Upstream ----------------------------------------------------------------------------------------------------------

  const take = (): SubscriptionEntry[] => {
    const entries = [...waiting].map((want) => {
      const key = `${prefix}${(keys += 1).toString(36)}`;
      asked.set(key, want);
      return { address: want.address, from: want.from, key };
    });
    waiting.clear();
    return entries;
  };

  const control = createControl({
    clock,
    take() {
      const remove = [...removals];
      removals.clear();
      for (const event of remove) topics.delete(event);
      return { add: take(), remove };
    },
    send: (request, signal) => send(upstream!, request, signal),
    onFailure: () => lose({ error: networkError('A change of the subscriptions was not answered.') }),
  });

  const drop = () => {
    upstream?.close();
    upstream = hello = undefined;
    control.reset();
    for (const each of [lines, topics, names, waiting, asked, removals]) each.clear();
  };

  const lose = (ending: Ending) => {
    const refused = !hello && !ending.error?.retryable;
    const concerned = new Set([...asked.values()].map(({ line }) => line));
    for (const line of lines.values()) {
      // A refusal is about what was asked for: who came later has not been answered.
      if (refused && !concerned.has(line)) say(`=${line.id}`, FRAME.reconnect, RETURN);
      else say(`=${line.id}`, SIGNAL.end, encodeEnding(ending));
    }
    drop();
  };

  const start = () => {
    heardAt = clock.now();
    const current: TransportConnection = connect(take(), {
      full: () => undefined,
      onLife() {
        heardAt = clock.now();
        if (heardAt - toldAt < LIFE_MS) return;
        toldAt = heardAt;
        post([]);
      },
      onRetry: (ms) => say('', SIGNAL.retry, String(ms)),
      onFrame(event, data, id) {
        if (current !== upstream) return;
        try {
          receive(event, data, id);
        } catch (cause) {
          const message = `${event} is malformed: ${data}`;
          lose({ error: new LinefeedError('protocol', message, { cause, retryable: true }) });
        }
      },
      onEnd: (ending) => current === upstream && lose(ending),
    });
    upstream = current;
  };

  // What it says ------------------------------------------------------------------------------------------------------

  const greet = (line: Line) => tell(line, FRAME.hello, { ...hello, connection: line.id });

  /** Gives up what nobody wants any more. */
  const prune = () => {
    const events = new Set<string | undefined>();
    for (const { wants } of lines.values()) {
      for (const { event, address } of wants) events.add(event ?? names.get(address));
    }
    for (const event of topics.keys()) if (!events.has(event)) removals.add(event);
    for (const [key, { event }] of asked) {
      if (event !== undefined && !events.has(event) && asked.delete(key)) removals.add(event);
    }
    schedule();
  };

  const onSubscribed = ({ key, event, cursor, tail, rewind }: Subscribed) => {
    const want = asked.get(key!)!;
    upstream!.listen?.(event);
    const answer = (to: Want, isBehind: boolean | undefined) =>
      tell(to.line, FRAME.subscribed, {
        address: cursor ? to.address : event,
        event,
        key: to.key,
        n: to === want ? to.n : undefined,
        cursor,
        tail,
        rewind: isBehind || undefined,
      });
    // A stream is asked for until it is over.
    if (cursor !== undefined) {
      asked.delete(key!);
      names.set(want.address, event);
      removals.delete(event);
      // All who have it get it again from further back.
      if (rewind) {
        for (const { wants } of lines.values())
          for (const other of wants) if (other.event === event) answer(other, true);
      }
      if (rewind || !topics.has(event)) topics.set(event, rewind);
    }
    want.event = event;
    if (lines.get(want.line.id) === want.line && want.line.wants.has(want)) answer(want, topics.get(event));
    else prune();
  };

  const finish = (upKey: string | undefined, event: string, body: object, id: string) => {
    const want = asked.get(upKey!);
    if (!want) return;
    asked.delete(upKey!);
    const { line, address, key, n } = want;
    line.wants.delete(want);
    const isNew = want.event === undefined;
    tell(line, event, { ...body, address: want.event ?? address, key, n: isNew ? n : undefined }, id);
  };

  const receive = (event: string, data: string, id: string) => {
    if (!event.startsWith(CONTROL_PREFIX)) {
      return say(event, event, data, id);
    }
    // oxlint-disable-next-line no-explicit-any -- what the frame is says what it carries
    const body: any = JSON.parse(data);
    switch (event) {
      case FRAME.hello:
        hello = body as Hello;
        control.reset(hello.connection);
        lines.forEach(greet);
        break;
      case FRAME.subscribed:
        onSubscribed(body);
        break;
      case FRAME.error:
      case FRAME.end:
        finish(body.key, event, body, id);
        break;
      case FRAME.reconnect:
        say('', event, data);
        return drop();
      default:
        if (event === FRAME.caughtup) topics.set(body.address, false);
        say(body.address ?? '', event, data, id);
    }
    control.outcome(body.n);
  };

  const want = (line: Line, { address, from = 'now', key }: SubscriptionEntry, n?: number) => {
    const want: Want = { line, address, from, key, n };
    line.wants.add(want);
    waiting.add(want);
    schedule();
  };

  const relay: Relay = {
    open(id, tab, entries) {
      // It asked again before it heard the answer.
      if (lines.has(id)) return;
      // It comes back because it has found silence; a leader sets no timers, which a hidden page would hold back.
      const limitMs = hello ? hello.pingMs + GRACE_MS : connectTimeoutMs;
      if (upstream && hello?.pingMs !== 0 && clock.now() - heardAt >= limitMs) {
        lose({
          error: new LinefeedError('silence', 'The connection of all tabs is silent.', { retryable: true }),
        });
      }
      const line: Line = { id, tab, wants: new Set() };
      lines.set(id, line);
      say(`=${id}`, SIGNAL.ack, '');
      if (hello) greet(line);
      for (const entry of entries) want(line, entry);
    },
    change(id, { n, add = [], remove = [] }) {
      const line = lines.get(id);
      if (!line) return;
      for (const event of remove) {
        for (const want of line.wants) if (want.event === event) line.wants.delete(want);
        tell(line, FRAME.end, { address: event, n });
      }
      if (remove.length > 0) prune();
      for (const entry of add) want(line, entry, n);
    },
    close(id) {
      if (lines.delete(id)) prune();
    },
    leave(tab) {
      for (const line of lines.values()) if (line.tab === tab) relay.close(line.id);
    },
    stop() {
      say('', FRAME.reconnect, RETURN);
      drop();
      flush();
    },
  };
  return relay;
}
