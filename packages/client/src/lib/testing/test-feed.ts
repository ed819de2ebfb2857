/** A feed in memory. It behaves towards one client as a server does. */
import {
  ERROR_STATUS,
  FRAME,
  formatCursor,
  parseAddress,
  parseCursor,
  PROTOCOL_VERSION,
  streamEventName,
  type ControlRequest,
  type StopRequest,
  type SubscriptionEntry,
} from '@linefeed/shared/wire';
import { LinefeedError } from '@linefeed/shared';
import { networkError } from '../transport/request.ts';
import type { Transport, TransportSink } from '../transport/transport.ts';
import type { TestContract } from './test-contract.ts';
import { createTestRuns, type TestRuns } from './test-runs.ts';

export interface TestFeed {
  readonly transport: Transport;
  /** Answers control requests, and requests that stop a run. */
  readonly fetch: typeof fetch;
  /** Whether the feed is reachable. */
  online: boolean;
  readonly publish: (address: string, json: string) => void;
  /** Loses all events of an address, and one more that was never delivered. */
  readonly lose: (address: string) => void;
  readonly end: (address: string) => void;
  readonly runs: TestRuns;
  /** Ends the open response like a network failure. */
  readonly cut: () => void;
}

interface LoggedEvent {
  readonly address: string;
  readonly position: number;
  readonly prev: number;
  readonly json: string;
  readonly isLatest: boolean;
}

/** An entry with its canonical address, or with the reason for its refusal. */
interface Resolved extends SubscriptionEntry {
  readonly event: string;
  readonly error?: LinefeedError;
}

/** One open response. */
interface Line {
  readonly id: string;
  readonly sink: TransportSink;
  /** Per subscribed address: the position after which delivery continues. */
  readonly logged: Map<string, number>;
  /** Per stream address: the event names of its runs. */
  readonly runs: Map<string, Set<string>>;
}

const EPOCH = 'test';

export function createTestFeed(
  { isStream, isRun, isLatest, resolve }: TestContract,
  now: () => number,
): TestFeed {
  const log: LoggedEvent[] = [];
  /** Per address: the last lost position. */
  const losses = new Map<string, number>();
  const newest = new Map<string, number>();
  let tail = 0;
  let lines = 0;
  let steps = 0;
  let line: Line | undefined;

  const cursor = (position: number): string => formatCursor(EPOCH, position.toString(36));
  const positionOf = (text: string): number => parseInt(parseCursor(text)?.position ?? '0', 36);
  const send = (event: string, json: string, id = ''): void => {
    line?.sink.onLife();
    line?.sink.onFrame(event, json, id);
  };
  const tell = (event: string, body: object, id?: string): void => send(event, JSON.stringify(body), id);

  const runs = createTestRuns(send, () => cursor(tail), now);

  const topicOf = (address: string): string => parseAddress(address)?.topic ?? address;

  const deliver = ({ address, position, prev, json, isLatest }: LoggedEvent): void => {
    line?.logged.set(address, position);
    // `keep: 'latest'`: the event has no previous position.
    send(address, json, isLatest ? cursor(position) : `${cursor(position)}.${prev.toString(36)}`);
  };

  /** The start position of `now`. For `keep: 'latest'`, it is before the newest value. */
  const nowOf = (event: string): number => {
    const held = isLatest(topicOf(event)) && log.find(({ address }) => address === event);
    return held ? held.position - 1 : tail;
  };

  const startOf = ({ from, event }: Resolved, shared: number | undefined): number => {
    if (from === 'earliest') return 0;
    if (from === 'now' || (from === undefined && shared === undefined)) return nowOf(event);
    return from === undefined ? shared! : positionOf(from);
  };

  const look = (entries: readonly SubscriptionEntry[]): Promise<Resolved[]> =>
    Promise.all(
      entries.map((entry) =>
        resolve(entry.address).then(
          (event) => ({ ...entry, event }),
          (error: LinefeedError) => ({ ...entry, event: entry.address, error }),
        ),
      ),
    );

  /**
   * Accepts entries that start at `shared` unless they have a start of their own. Then sends the events they missed.
   */
  const accept = (entries: readonly Resolved[], shared: number | undefined, n?: number): void => {
    const echo = n === undefined ? {} : { n };
    const rewound: string[] = [];
    const replays: Array<() => void> = [];
    for (const entry of entries) {
      const { address, key, event, error } = entry;
      const named = key === undefined ? echo : { ...echo, key };
      const topic = topicOf(address);
      if (error) {
        const { code, message } = error;
        tell(FRAME.error, { address, code, message, retryable: false, ...named });
        continue;
      }
      if (isStream(topic)) {
        const run = streamEventName(topic, key);
        line?.runs.set(event, (line.runs.get(event) ?? new Set()).add(run));
        tell(FRAME.subscribed, { address: run, event: run, ...named });
        continue;
      }
      if (isRun(topic)) {
        const { start, deliver } = runs.accept(event, entry.from);
        tell(FRAME.subscribed, { address, event, run: start, ...named });
        replays.push(deliver);
        continue;
      }
      const start = startOf(entry, shared);
      const rewind = shared !== undefined && start < shared;
      if (rewind) rewound.push(event);
      line?.logged.set(event, start);
      tell(FRAME.subscribed, {
        address,
        event,
        cursor: cursor(start),
        tail: cursor(tail),
        ...(rewind && { rewind }),
        ...named,
      });
    }
    announce();
    for (const address of rewound) {
      replay((event) => event.address === address);
      tell(FRAME.caughtup, { address });
    }
    replay(() => true);
    for (const deliver of replays) deliver();
  };

  const announce = (): void => {
    for (const [address, at] of line?.logged ?? []) {
      const loss = losses.get(address);
      if (loss === undefined || loss <= at) continue;
      line?.logged.set(address, loss);
      tell(FRAME.gap, {
        address,
        from: cursor(at),
        to: cursor(loss),
        reason: 'trimmed',
      });
    }
  };

  const replay = (fits: (event: LoggedEvent) => boolean): void => {
    for (const event of log) {
      const at = line?.logged.get(event.address);
      if (at !== undefined && event.position > at && fits(event)) deliver(event);
    }
  };

  const forget = (address: string): void => {
    for (let index = log.length - 1; index >= 0; index -= 1) {
      if (log[index]?.address === address) log.splice(index, 1);
    }
  };

  const feed: TestFeed = {
    online: true,
    transport({ entries, cursor: asked }, sink) {
      let open = true;
      void (async () => {
        const looked = await look(entries);
        if (!open) return;
        if (!feed.online)
          return sink.onEnd({ error: networkError('The test has disconnected this client.') });
        const refused = looked.find(({ error }) => error)?.error;
        if (refused && looked.every(({ error }) => error)) {
          const { status = ERROR_STATUS[refused.code], message } = refused;
          return sink.onEnd({
            error: new LinefeedError(
              refused.code,
              `${message} (the feed answered ${status} ${refused.code})`,
              {
                status,
                body: JSON.stringify({ code: refused.code, title: message }),
              },
            ),
          });
        }
        lines += 1;
        const id = `test-${lines}`;
        line = { id, sink, logged: new Map(), runs: new Map() };
        const resumed = asked === undefined ? undefined : positionOf(asked);
        runs.leave();
        const starts = looked
          .filter(({ event }) => !isRun(topicOf(event)))
          .map((entry) => startOf(entry, resumed));
        // No pings: the clock advances only when the test advances it.
        const hello = {
          protocol: PROTOCOL_VERSION,
          connection: id,
          pingMs: 0,
          timeoutMs: 0,
          maxDurationMs: 0,
        };
        tell(FRAME.hello, hello, cursor(resumed ?? Math.min(tail, ...starts)));
        accept(looked, resumed);
      })();
      return {
        close() {
          open = false;
          if (line?.sink === sink) line = undefined;
        },
      };
    },
    async fetch(_, init) {
      if (!feed.online) throw new TypeError('The test has disconnected this client.');
      const body = JSON.parse(init?.body as string) as ControlRequest | StopRequest;
      if ('stop' in body) return Response.json(runs.stop(await resolve(body.stop.address), body.stop));
      const { connection, n, add = [], remove = [] } = body;
      if (connection !== line?.id) return new Response(null, { status: 409 });
      void (async () => {
        const looked = await look(add);
        if (connection !== line?.id) return;
        for (const event of remove) {
          line.logged.delete(event);
          runs.leave(event);
          for (const events of line.runs.values()) events.delete(event);
          tell(FRAME.end, { address: event, n });
        }
        // An added entry starts at the connection's position, which is `tail`, or before it.
        if (add.length > 0) accept(looked, tail, n);
      })();
      return new Response(null, { status: 202 });
    },
    publish(address, json) {
      const topic = topicOf(address);
      if (isStream(topic)) {
        steps += 1;
        for (const event of line?.runs.get(address) ?? []) send(event, json, `${cursor(tail)}~${steps}`);
        return;
      }
      tail += 1;
      const event = {
        address,
        position: tail,
        prev: newest.get(address) ?? 0,
        json,
        isLatest: isLatest(topic),
      };
      newest.set(address, tail);
      if (event.isLatest) forget(address);
      log.push(event);
      if (line?.logged.has(address) === true) deliver(event);
    },
    lose(address) {
      tail += 1;
      newest.set(address, tail);
      losses.set(address, tail);
      forget(address);
      announce();
    },
    end(address) {
      const events = line?.runs.get(address) ?? [];
      line?.runs.delete(address);
      for (const event of events) tell(FRAME.end, { address: event }, `${cursor(tail)}~!`);
    },
    runs,
    cut() {
      const cut = line;
      line = undefined;
      cut?.sink.onEnd({ error: networkError('The test has disconnected this client.') });
    },
  };
  return feed;
}
