/**
 * The leader's side: one upstream connection for the entries of all connections. Each of its frames is posted to all tabs.
 */
import { LinefeedError } from '@linefeed/shared';
import {
  CONTROL_PREFIX,
  FRAME,
  type ControlRequest,
  type Hello,
  type SubscriptionEntry,
} from '@linefeed/shared/wire';
import { soon, type Clock } from '../base/clock.ts';
import { readControl } from '../connection/control-frame.ts';
import { createControl } from '../subscriptions/control-channel.ts';
import { networkError } from '../transport/request.ts';
import type { Ending, Opening, TransportConnection, TransportSink } from '../transport/transport.ts';
import {
  encodeEnding,
  CONNECTION_ID_LENGTH,
  RETURN,
  SIGNAL,
  type Item,
  type TabMessage,
} from './messages.ts';

export interface LeaderRelayOptions {
  /** Id of the leading tab. */
  readonly tab: string;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** Opens the upstream connection. */
  readonly connect: (opening: RelayOpening, sink: TransportSink) => TransportConnection;
  /** Sends a control request of the upstream connection and resolves with the status of the response. */
  readonly send: (
    upstream: TransportConnection,
    request: ControlRequest,
    signal: AbortSignal,
  ) => Promise<number>;
  /** Posts items to all tabs, in this order. */
  readonly post: (items: readonly Item[]) => void;
  /** Called when the server refuses this tab's request. Another tab may have access, so it should lead. */
  readonly resign: () => void;
}

type RelayOpening = Pick<Opening, 'entries' | 'openOnly'>;

export interface LeaderRelay {
  readonly receive: (message: TabMessage) => void;
  /** Deletes the connections of a tab that was closed. */
  readonly leave: (tab: string) => void;
  /** Another tab leads: all connections reconnect to it at once. */
  readonly stop: () => void;
}

/** One connection of a tab. */
interface RelayedConnection {
  readonly tab: string;
  /** Its entries by key; each is a separate entry of the upstream connection. The value is the event name, once accepted. */
  readonly wants: Map<string, string | undefined>;
}

/** Minimum time between two posts that only show that the upstream connection is alive. */
const LIFE_MS = 1_000;
/** How late a ping may be before the upstream connection counts as silent. */
const GRACE_MS = 5_000;
/** Limit of entries per request: servers limit the length of a list. */
const MAX_ASKED = 100;

export function createLeaderRelay(options: LeaderRelayOptions): LeaderRelay {
  const { clock, connect, send, post } = options;
  const connections = new Map<string, RelayedConnection>();
  /** Entries to request, by key. */
  const waiting = new Map<string, SubscriptionEntry>();
  /** Event names of the upstream connection. True: its events are out of order until `caughtup`. */
  const names = new Map<string, boolean>();
  /** A connection has removed an entry, so an event name may be unused. */
  let isStale = false;
  let upstream: TransportConnection | undefined;
  let hello: Hello | undefined;
  let lastLifeAt = 0;
  let lastPostAt = 0;
  let retry: string | undefined;
  let items: Item[] = [];

  const flush = () => {
    if (items.length === 0) return;
    lastPostAt = clock.now();
    post(items);
    items = [];
  };

  /** At the end of this tick: requests the waiting entries and posts the queued items. */
  const schedule = () =>
    soon(() => {
      if (connections.size === 0) drop();
      else if (upstream) control.flush();
      else if (waiting.size > 0) start();
      flush();
    });

  const queue = (...item: Item) => {
    if (items.push(item) === 1) schedule();
  };

  const request = (entry: SubscriptionEntry) => waiting.set(entry.key!, entry);

  // Upstream ----------------------------------------------------------------------------------------------------------

  const takeEntries = () => {
    const entries = [...waiting.values()].slice(0, MAX_ASKED);
    for (const { key } of entries) waiting.delete(key!);
    return entries;
  };

  /** Returns the event names that no connection uses. An entry without an answer may get one of these names: wait for it. */
  const takeRemovals = () => {
    const wanted = new Set([...connections.values()].flatMap(({ wants }) => [...wants.values()]));
    if (wanted.has(undefined)) return [];
    isStale = false;
    return [...names.keys()].filter((event) => !wanted.has(event) && names.delete(event));
  };

  const control = createControl(
    clock,
    () => ({ remove: isStale ? takeRemovals() : [], add: takeEntries() }),
    (request, signal) => send(upstream!, request, signal),
    ({ add }, error) => {
      // A new shared connection would get the same refusal. The requesting connections continue alone; the others keep this
      // one.
      if (error && !error.retryable && error.code !== 'unknown_connection') {
        for (const { key } of add)
          queue(SIGNAL.alone, error.message, '', key!.slice(0, CONNECTION_ID_LENGTH));
        return false;
      }
      lose({ error: networkError('A change of the subscriptions was not answered.') });
      return undefined;
    },
  );

  const drop = () => {
    upstream?.close();
    upstream = hello = undefined;
    control.reset();
    for (const each of [connections, waiting, names]) each.clear();
  };

  const lose = (ending: Ending) => {
    const refused = !hello && !ending.error?.retryable;
    for (const [id, { tab, wants }] of connections) {
      // The refusal concerns entries that this tab requested with its own headers. Other tabs' connections, and entries not
      // yet requested, go to the next leader.
      const isAnswer = tab === options.tab && [...wants.keys()].some((key) => !waiting.has(key));
      if (!refused || isAnswer) queue(SIGNAL.end, encodeEnding(ending), '', id);
    }
    drop();
    if (refused) options.resign();
  };

  const fail = (code: 'silence' | 'protocol', message: string, cause?: unknown) =>
    lose({ error: new LinefeedError(code, message, { cause, retryable: true }) });

  const start = () => {
    lastLifeAt = clock.now();
    const entries = takeEntries();
    const openOnly = (count: number) => entries.slice(count).forEach(request);
    const current: TransportConnection = connect(
      { entries, openOnly },
      {
        full: () => undefined,
        onLife() {
          lastLifeAt = clock.now();
          if (lastLifeAt - lastPostAt < LIFE_MS) return;
          lastPostAt = lastLifeAt;
          post([]);
        },
        onRetry: (ms) => queue(SIGNAL.retry, (retry = String(ms)), ''),
        onFrame(event, data, id) {
          if (current !== upstream) return;
          try {
            onUpstreamFrame(event, data, id);
          } catch (cause) {
            fail('protocol', `${event} is malformed: ${data}`, cause);
          }
        },
        onEnd: (ending) => current === upstream && lose(ending),
      },
    );
    upstream = current;
  };

  const onUpstreamFrame = (event: string, data: string, id: string) => {
    if (!event.startsWith(CONTROL_PREFIX)) return queue(event, data, id);
    const body = readControl(event.slice(CONTROL_PREFIX.length), data);
    const { key = '', address, n } = body;
    const wants = connections.get(key.slice(0, CONNECTION_ID_LENGTH))?.wants;
    if (event === FRAME.hello) {
      hello = body;
      control.reset(body.connection);
    } else if (event === FRAME.subscribed) {
      const name = body.event;
      upstream!.listen?.(name);
      names.set(name, (body.rewind ??= names.get(name) || undefined) ?? false);
      if (wants?.has(key)) wants.set(key, name);
      else isStale = true;
      data = JSON.stringify(body);
    } else if (event === FRAME.caughtup) {
      names.set(address, false);
    } else if (key) {
      // Refused, or ended.
      names.delete(wants?.get(key) ?? '');
      wants?.delete(key);
    }
    queue(event, data, id);
    if (event === FRAME.reconnect) drop();
    else control.outcome(n);
  };

  // Downstream --------------------------------------------------------------------------------------------------------

  const close = (id: string) => {
    for (const key of connections.get(id)?.wants.keys() ?? []) waiting.delete(key);
    isStale = connections.delete(id) || isStale;
    schedule();
  };

  const add = ({ wants }: RelayedConnection, entries: readonly SubscriptionEntry[] = []) => {
    for (const entry of entries) {
      wants.set(entry.key!, undefined);
      request({ from: 'now', ...entry });
    }
    schedule();
  };

  return {
    receive({ connection: id, tab, open, change }) {
      const connection = connections.get(id);
      if (open) {
        // The connection repeated its opening before it received the answer.
        if (connection) return;
        // A connection reopens after it noticed silence. The leader has no liveness timer, because hidden pages run timers
        // late.
        const limitMs = hello ? hello.pingMs + GRACE_MS : options.connectTimeoutMs;
        if (upstream && hello?.pingMs !== 0 && clock.now() - lastLifeAt >= limitMs)
          fail('silence', 'The connection of all tabs is silent.');
        const created: RelayedConnection = { tab, wants: new Map() };
        connections.set(id, created);
        queue(SIGNAL.ack, '', '', id);
        if (retry) queue(SIGNAL.retry, retry, '', id);
        if (hello) queue(FRAME.hello, JSON.stringify(hello), '', id);
        add(created, open);
      } else if (!change) {
        close(id);
      } else if (connection) {
        for (const [key, event] of connection.wants) {
          if (change.remove?.includes(event!)) isStale = connection.wants.delete(key);
        }
        add(connection, change.add);
      }
    },
    leave(tab) {
      for (const [id, connection] of connections) if (connection.tab === tab) close(id);
    },
    stop() {
      queue(FRAME.reconnect, RETURN, '');
      drop();
      flush();
    },
  };
}
