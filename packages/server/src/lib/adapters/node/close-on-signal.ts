/** Ends a Node server and its feeds on a signal of the process manager. */
import cluster from 'node:cluster';
import type { ServerResponse } from 'node:http';
import type { Http2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { constants } from 'node:os';
import { checkOptions, invalidOption } from '@linefeed/shared/wire';
import { systemClock } from '../../base/clock.ts';
import { createReporter } from '../../base/report.ts';
import { endConnectionAfter } from './raw-writes.ts';

/** A server of `node:http`, `node:https` or `node:http2`. */
export type ClosableServer = Server & {
  closeIdleConnections?(): void;
  closeAllConnections?(): void;
};

/** The part of a feed that `closeOnSignal` uses. */
export interface ClosableFeed {
  /** Ends the connections over the grace period. */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** The options of `closeOnSignal`. */
export interface CloseOnSignalOptions {
  /**
   * Period over which the clients of the feed are told to reconnect. Half a second later, connections that are still
   * open are cut. The process manager must wait longer than both before it kills the process. Milliseconds.
   *
   * @default 1,000
   */
  readonly graceMs?: number | undefined;
  /**
   * The signals that end the server.
   *
   * @default `SIGTERM` (systemd, Docker, Kubernetes) and `SIGINT` (pm2, Ctrl-C)
   */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /**
   * Called on the first signal, before anything is closed. Stop timers here, and everything else that would keep the process alive.
   */
  readonly onSignal?: ((signal: NodeJS.Signals) => void) | undefined;
  /** Called when the feeds and the server are closed. Close their log here, and everything else that they needed. */
  readonly onClosed?: (() => void) | undefined;
}

const report = createReporter(undefined);

/** Time to send the last bytes of responses that end with the grace. */
const LAST_BYTES_MS = 500;
/** Ctrl-C can send one signal twice: from the terminal, and from the npm or pnpm that started the process. */
const SAME_SIGNAL_MS = 500;

/**
 * Ends a server on a signal, so that its clients move to its successor. On the first signal:
 *
 * 1. The server accepts no more connections, and idle ones are closed.
 * 2. The feed is closed over the grace. Each response ends its connection.
 * 3. Connections that are still open after the grace are cut. The process ends if nothing else keeps it alive. A worker of `node:cluster`
 *    is disconnected.
 *
 * A second signal ends the process immediately. Call it once the server and the feed exist.
 *
 * @example
 *   import { closeOnSignal, toNodeHandler } from '@linefeed/server/node';
 *   import { createServer } from 'node:http';
 *
 *   const server = createServer(toNodeHandler(feed)).listen(4600);
 *   closeOnSignal(server, feed, { graceMs: 2_000 });
 *
 * @returns a function that removes the handlers again.
 * @throws LinefeedError `invalid_option`
 */
export function closeOnSignal(
  server: ClosableServer,
  feed: ClosableFeed | readonly ClosableFeed[],
  options: CloseOnSignalOptions = {},
): () => void {
  const feeds = [feed].flat();
  if (typeof (server as Partial<Server> | null | undefined)?.close !== 'function') {
    throw invalidOption('closeOnSignal takes a server of node:http or node:http2, and its feed.');
  }
  for (const each of feeds) {
    if (typeof (each as Partial<ClosableFeed> | null | undefined)?.close === 'function') continue;
    throw invalidOption('The second argument of closeOnSignal is a feed, or an array of feeds.');
  }
  checkOptions('closeOnSignal', options, {
    graceMs: 'number',
    signals: 'object',
    onSignal: 'function',
    onClosed: 'function',
  });
  const { graceMs = 1_000, signals = ['SIGTERM', 'SIGINT'], onSignal, onClosed } = options;
  if (!Number.isFinite(graceMs) || graceMs < 0) {
    throw invalidOption(`graceMs must be a number of milliseconds, 0 or more, not ${graceMs}.`);
  }
  const connections = trackConnections(server);
  let closingSince: number | undefined;

  const remove = (): void => {
    for (const signal of signals) process.off(signal, receive);
    if (closingSince === undefined) connections.forget();
  };
  const receive = (signal: NodeJS.Signals): void => {
    if (closingSince === undefined) {
      closingSince = systemClock.now();
      onSignal?.(signal);
      void close().finally(() => {
        remove();
        // The channel to its primary would keep a worker alive.
        cluster.worker?.disconnect();
        onClosed?.();
      });
    } else if (systemClock.now() - closingSince > SAME_SIGNAL_MS) {
      process.exit(128 + constants.signals[signal]);
    }
  };
  const close = async (): Promise<void> => {
    // `close` fails only if the server does not listen.
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections?.();
    connections.end();
    const cutting = systemClock.after(graceMs + LAST_BYTES_MS, () => connections.cut());
    for (const result of await Promise.allSettled(feeds.map((each) => each.close({ graceMs })))) {
      if (result.status === 'rejected') report(result.reason);
    }
    await closed;
    cutting.clear();
  };
  for (const signal of signals) process.on(signal, receive);
  return remove;
}

interface Connections {
  /**
   * Each response in progress and each later one ends its connection, and each session ends after its streams.
   * Connections that sent nothing are closed.
   */
  end(): void;
  cut(): void;
  forget(): void;
}

/** `closeAllConnections` of a server misses sessions of HTTP/2, upgraded connections and those without a TLS handshake. */
function trackConnections(server: ClosableServer): Connections {
  const sockets = new Set<Socket>();
  const sessions = new Set<Http2Session>();
  const responses = new Set<ServerResponse>();
  let isEnding = false;
  // One function for all: a closure for each would cost memory per connection.
  const track = <T extends Socket | Http2Session | ServerResponse>(open: Set<T>) => {
    function onClose(this: T): void {
      open.delete(this);
    }
    return (one: T): void => {
      open.add(one);
      one.once('close', onClose);
    };
  };
  const trackResponse = track(responses);
  const onConnection = track(sockets);
  const onSession = track(sessions);
  const onRequest = (_req: unknown, res: ServerResponse): void => {
    if (isEnding) endConnectionAfter(res);
    else trackResponse(res);
  };
  server.on('connection', onConnection).on('session', onSession);
  // Not on a server of HTTP/2: there, a listener of this event would enable the compatibility layer.
  const isHttp1 = server.closeAllConnections !== undefined;
  if (isHttp1) server.prependListener('request', onRequest);
  return {
    end() {
      isEnding = true;
      for (const response of responses) endConnectionAfter(response);
      for (const session of sessions) session.close();
      // A browser opens connections ahead of its requests. Node does not count them as idle.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    },
    cut() {
      server.closeAllConnections?.();
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    },
    forget() {
      server.off('connection', onConnection).off('session', onSession).off('request', onRequest);
    },
  };
}
