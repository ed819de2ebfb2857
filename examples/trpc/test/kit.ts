/** A node server with a router on both of its routes, and a client for each: the base of the interop tests. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { linefeedLink, type LinefeedLinkOptions } from '@linefeed/client/trpc';
import { toNodeHandler } from '@linefeed/server/node';
import { fromRouter, type FromRouterOptions, type RouterFeed } from '@linefeed/server/trpc';
import { createTRPCClient, httpSubscriptionLink, type TRPCClient, type TRPCLink } from '@trpc/client';
import type { AnyTRPCRouter } from '@trpc/server';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { EventSource } from 'eventsource';
import { vi } from 'vitest';

/** Answers a request itself and returns true; the routes are not called then. */
export type Intercept = (req: IncomingMessage, res: ServerResponse) => boolean;

export interface Served<Router extends AnyTRPCRouter> {
  readonly origin: string;
  readonly feed: RouterFeed;
  /** Requests so far, as method and path with query. */
  readonly requests: string[];
  /** Open sockets. */
  readonly sockets: ReadonlySet<Socket>;
  /** Over `linefeedLink`. */
  ours(options?: Partial<LinefeedLinkOptions<Router>>, before?: TRPCLink<Router>[]): TRPCClient<Router>;
  /** Over `httpSubscriptionLink`, with the `eventsource` package. */
  stock(options?: object, before?: TRPCLink<Router>[]): TRPCClient<Router>;
  /** Cuts every connection. */
  cut(): void;
  /** Nothing more is written to the connections that are open now, and nothing closes. */
  silence(): void;
  intercept(next: Intercept | undefined): void;
  close(): Promise<void>;
}

interface ServeOptions<Router extends AnyTRPCRouter> {
  readonly feed?: Partial<FromRouterOptions<Router>>;
  /** For both routes. */
  readonly createContext?: (options: {
    readonly headers: Headers;
    readonly connectionParams: Readonly<Record<string, string | undefined>> | null;
  }) => object;
  readonly onError?: (options: { error: Error; path?: string | undefined }) => void;
  /** Default: any free one. */
  readonly port?: number;
}

const QUICK = { baseMs: 20, floorMs: 10, capMs: 100 };

/** Serves a router at `/live` by Linefeed and at `/trpc` by tRPC's own handler. */
export async function serve<Router extends AnyTRPCRouter>(
  router: Router,
  { feed: feedOptions, createContext = () => ({}), onError, port = 0 }: ServeOptions<Router> = {},
): Promise<Served<Router>> {
  const feed = fromRouter(router, {
    createContext: ({
      req,
      info,
    }: {
      req: Request;
      info: { connectionParams: Record<string, string | undefined> | null };
    }) => createContext({ headers: req.headers, connectionParams: info.connectionParams }),
    retryMs: 20,
    onError,
    ...feedOptions,
  } as unknown as FromRouterOptions<Router>);
  const live = toNodeHandler(feed);
  const stockHandler = createHTTPHandler({
    router,
    basePath: '/trpc/',
    ...(onError === undefined ? {} : { onError }),
    createContext: async ({ req, info }) =>
      createContext({
        headers: new Headers(req.headers as never),
        connectionParams: info.connectionParams,
      }) as never,
  });
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let intercept: Intercept | undefined;

  const server = createServer((req, res) => {
    requests.push(`${req.method} ${req.url}`);
    if (intercept?.(req, res) === true) return;
    live(req, res, () => stockHandler(req, res));
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin,
    feed,
    requests,
    sockets,
    ours: (options, before = []) =>
      createTRPCClient<Router>({
        links: [
          ...before,
          linefeedLink<Router>({
            url: `${origin}/live`,
            retry: QUICK,
            ...options,
          } as LinefeedLinkOptions<Router>),
        ],
      }),
    stock: (options, before = []) =>
      createTRPCClient<Router>({
        links: [
          ...before,
          httpSubscriptionLink({
            url: `${origin}/trpc`,
            EventSource,
            ...options,
          } as never),
        ],
      }),
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    silence() {
      for (const socket of sockets) socket.write = () => true;
    },
    intercept(next) {
      intercept = next;
    },
    async close() {
      await feed.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The arguments of all callbacks of a subscription. */
export interface Log<T> {
  readonly data: T[];
  readonly errors: Array<{ message: string; data?: unknown; meta?: unknown; shape?: unknown }>;
  /** `started`, `stopped` and `complete`, in order. */
  readonly calls: string[];
  /** States, with the message of the error if there was one. */
  readonly states: string[];
}

/** Callbacks that record their arguments. */
export function record<T = unknown>() {
  const log: Log<T> = { data: [], errors: [], calls: [], states: [] };
  return {
    log,
    callbacks: {
      onStarted: () => void log.calls.push('started'),
      onData: (value: T) => void log.data.push(value),
      onError: (error: { message: string }) => void log.errors.push(error),
      onStopped: () => void log.calls.push('stopped'),
      onComplete: () => void log.calls.push('complete'),
      onConnectionStateChange: ({ state, error }: { state: string; error: { message: string } | null }) =>
        void log.states.push(error === null ? state : `${state} (${error.message})`),
    },
  };
}

export const until = vi.waitFor;

/** Waits in real time, to check that something does not happen in it. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
