/** A tab that shares a connection: leader election, its connections, and its relay while it leads. */
import { soon, type Clock } from '../base/clock.ts';
import { sendChange } from '../subscriptions/control-channel.ts';
import { networkError } from '../transport/request.ts';
import type { Opening, Transport } from '../transport/transport.ts';
import { createTabConnection, type TabConnection } from './tab-connection.ts';
import { CONNECTION_ID_LENGTH, readMessage, type Message } from './messages.ts';
import { createLeaderRelay, type LeaderRelay } from './leader-relay.ts';

/** The browser APIs that tabs need. */
export interface Surroundings {
  readonly locks: Pick<LockManager, 'request'>;
  readonly openChannel: (name: string) => BroadcastChannel;
  readonly isHidden: () => boolean;
  /** Calls `task` when the page is hidden for the back-forward cache, unloaded or frozen, until the signal aborts. */
  readonly onAway: (task: () => void, signal: AbortSignal) => void;
}

export interface TabOptions {
  /** The transport of the shared connection. */
  readonly base: Transport;
  /** Tabs with the same name share one connection. */
  readonly name: string;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly surroundings: Surroundings;
}

export interface Tab {
  readonly transport: Transport;
  readonly close: () => void;
}

/** A running leader answers at once. After this time without an answer, a visible tab takes over. */
const STEAL_MS = 750;
/** A hidden tab waits longer, so that a visible one takes over first. */
const STEAL_HIDDEN_MS = 2_750;
/** A second wait, so that a busy page reads an answer that has already arrived. */
const STEAL_GRACE_MS = 250;
const STEAL_JITTER_MS = 250;

export function createTab({ base, name, clock, connectTimeoutMs, surroundings }: TabOptions): Tab {
  const { locks } = surroundings;
  const id = crypto.randomUUID();
  const connections = new Map<string, TabConnection>();
  const logged = new Set<string>();
  let request: Opening;
  /** Aborts when the tab leaves. `undefined` until it joins again. */
  let stay: AbortController | undefined;
  let channel: BroadcastChannel | undefined;
  /** This tab holds its own lock. Other tabs watch that lock to notice when the tab is gone. */
  let isPresent = false;
  let refused = false;
  let relay: LeaderRelay | undefined;
  let cancelSteal = () => {};

  const post = (message: Message) => {
    const to = channel;
    to?.postMessage(message);
    // A BroadcastChannel does not deliver to its sender.
    soon(() => to === channel && receive(message));
  };

  const receive = (message: Message) => {
    // Without its lock, this tab counts as closed.
    if (!isPresent) return;
    if ('leader' in message) {
      for (const connection of connections.values()) connection.receive(message);
      return;
    }
    if (!relay) return;
    relay.receive(message);
    if (message.open) watch(message.tab);
  };

  // Leading -----------------------------------------------------------------------------------------------------------

  let watched = new Set<string>();
  let leading = new AbortController();

  /** Waits for another tab's lock. The lock is free when that tab is gone, for any reason. */
  const watch = (tab: string) => {
    if (tab === id || watched.has(tab)) return;
    watched.add(tab);
    locks
      .request(`${name} ${tab}`, { signal: leading.signal }, () => {
        watched.delete(tab);
        relay?.leave(tab);
      })
      .catch(() => {});
  };

  const lead = (): LeaderRelay => {
    // A tab that steals the lock can already be the leader.
    stepDown();
    const own = crypto.randomUUID();
    const led = (relay = createLeaderRelay({
      tab: id,
      clock,
      connectTimeoutMs,
      connect: (opening, sink) => base({ ...request, ...opening, cursor: undefined }, sink),
      send: (upstream, change, signal) => upstream.control?.(change) ?? sendChange(request, change, signal),
      post: (items) => post({ leader: own, items }),
      resign() {
        stepDown();
        campaign(stay!.signal, false);
      },
    }));
    post({ leader: own, announce: true, items: [] });
    return led;
  };

  const stepDown = () => {
    leading.abort();
    leading = new AbortController();
    watched = new Set();
    relay?.stop();
    relay = undefined;
  };

  /** Campaigns for leadership: waits for the leader lock, or steals it from a silent leader. */
  const campaign = (signal: AbortSignal, steal: boolean) => {
    let led: LeaderRelay | undefined;
    locks
      .request(name, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return;
        led = lead();
        return new Promise((resolve) => leading.signal.addEventListener('abort', resolve));
      })
      .catch(() => {
        if (signal.aborted) return;
        if (!led) return refuse();
        // Another tab stole the lock.
        if (led === relay) stepDown();
        if (!steal) campaign(signal, false);
      });
  };

  /** Stops sharing permanently. */
  const refuse = (each = (connection: TabConnection) => connection.continueAlone(base)) => {
    refused = true;
    leave(each);
  };

  const scheduleSteal = () => {
    cancelSteal();
    const waitMs = surroundings.isHidden() ? STEAL_HIDDEN_MS : STEAL_MS;
    const wait = (ms: number, then: () => void) => {
      cancelSteal = clock.after(ms, () => {
        if (relay || !stay || [...connections.values()].every((connection) => connection.hasLeader())) return;
        then();
      });
    };
    wait(waitMs + clock.random() * STEAL_JITTER_MS, () =>
      // In a page that was busy, a late timer runs before the message of an answer that has already arrived. A second
      // timer lets the page read the message first.
      wait(STEAL_GRACE_MS, () => {
        campaign(stay!.signal, true);
        scheduleSteal();
      }),
    );
  };

  // Joining and leaving -----------------------------------------------------------------------------------------------

  const join = () => {
    const { signal } = (stay = new AbortController());
    try {
      channel = surroundings.openChannel(name);
    } catch {
      return refuse();
    }
    channel.addEventListener('message', ({ data }) => {
      const message = readMessage(data);
      if (message) receive(message);
    });
    surroundings.onAway(
      () => leave((connection) => connection.end({ error: networkError('The page was hidden or frozen.') })),
      signal,
    );
    locks
      .request(`${name} ${id}`, { signal }, () => {
        // The tab left between the grant of the lock and this call.
        if (signal.aborted) return;
        isPresent = true;
        campaign(signal, false);
        for (const connection of connections.values()) connection.requestOpening();
        return new Promise((resolve) => signal.addEventListener('abort', resolve));
      })
      .catch(() => signal.aborted || refuse());
  };

  const leave = (each: (connection: TabConnection) => void) => {
    cancelSteal();
    stepDown();
    stay?.abort();
    channel?.close();
    stay = channel = undefined;
    isPresent = false;
    for (const connection of [...connections.values()]) each(connection);
  };

  return {
    transport(opening, sink) {
      if (refused) return base(opening, sink);
      request = opening;
      const connectionId = crypto.randomUUID().slice(-CONNECTION_ID_LENGTH);
      const connection = createTabConnection({
        id: connectionId,
        opening,
        sink,
        logged,
        post: (message) => post({ connection: connectionId, tab: id, ...message }),
        onAlone: (why) => refuse((each) => each.end({ error: networkError(why) })),
        onEnd: () => connections.delete(connectionId),
      });
      connections.set(connectionId, connection);
      // A transport must not call the sink before it returns.
      soon(() => {
        if (!connections.has(connectionId)) return;
        if (!stay && !refused) join();
        else if (refused) connection.continueAlone(base);
        else if (isPresent) connection.requestOpening();
        scheduleSteal();
      });
      return connection;
    },
    close() {
      leave((connection) => connection.close());
    },
  };
}
