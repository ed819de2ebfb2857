/** Serves a tRPC router over Linefeed: every subscription is a stream of one shared connection. */
import type { AnyTRPCRouter, CreateContextCallback, inferRouterContext } from '@trpc/server';
import { getTRPCErrorFromUnknown } from '@trpc/server';
import { parseConnectionParamsFromString } from '@trpc/server/http';
import type { AnyChannel, TopicDefinition } from '@linefeed/shared';
import { CONTROL_PREFIX, refusal } from '@linefeed/shared/wire';
import { openFeed } from '../feed/create-feed.ts';
import { RESPOND, type RequestTarget } from '../http/http.ts';
import type { BaseFeedOptions } from '../feed/option-types.ts';
import type { Feed } from '../feed/types.ts';
import type { UntypedSource } from '../stream/run-stream.ts';
import {
  runProcedure,
  type Caller,
  type ProcedureErrorHandler,
  type SubscriptionContextOptions,
} from './procedure-run.ts';

/** Options of `fromRouter`. Limits, hooks and `cors` are those of `createFeed`. */
export type FromRouterOptions<Router extends AnyTRPCRouter> = Omit<
  BaseFeedOptions<AnyChannel, unknown>,
  'path' | 'context' | 'authorize' | 'log' | 'onError' | 'onGap' | 'maxAddressBytes'
> &
  CreateContextCallback<
    inferRouterContext<Router>,
    (options: SubscriptionContextOptions) => inferRouterContext<Router> | Promise<inferRouterContext<Router>>
  > & {
    /**
     * Path at which it is mounted.
     *
     * @default `/live`
     */
    readonly path?: string | undefined;
    /**
     * Limit of a subscription's path and input in bytes, percent-encoded.
     *
     * @default 65,536
     */
    readonly maxAddressBytes?: number | undefined;
    /**
     * Called once with every error of a subscription, as tRPC's handlers do.
     *
     * @default errors are not reported
     */
    readonly onError?: ProcedureErrorHandler<Router> | undefined;
  };

/** The subscriptions of a router, ready to be mounted. `toNodeHandler` and `closeOnSignal` take it like a feed. */
export type RouterFeed = RequestTarget & Pick<Feed<AnyChannel>, 'handle' | 'disconnect' | 'stats' | 'close'>;

const DEFAULT_PATH = '/live';
const DEFAULT_MAX_ADDRESS_BYTES = 64 * 1024;

/**
 * Serves the subscriptions of a tRPC router to `linefeedLink`, over one connection for each client. The router is
 * unchanged, and tRPC's own handlers can still serve it.
 *
 * @example
 *   import { fromRouter } from '@linefeed/server/trpc';
 *   import { toNodeHandler } from '@linefeed/server/node';
 *   import { initTRPC } from '@trpc/server';
 *
 *   const t = initTRPC.create();
 *   const router = t.router({
 *     ticks: t.procedure.subscription(async function* () {
 *       yield 1;
 *     }),
 *   });
 *   export const handler = toNodeHandler(fromRouter(router, { path: '/live' }));
 *
 * @param router A router of tRPC 11
 * @param options `createContext` is required if the router has a context
 * @returns A feed without topics: mount it with `handle` or `toNodeHandler`
 * @throws LinefeedError `invalid_option`
 */
export function fromRouter<Router extends AnyTRPCRouter>(
  router: Router,
  options: FromRouterOptions<Router>,
): RouterFeed {
  const {
    path: mount = DEFAULT_PATH,
    onError,
    createContext,
    ...limits
  } = options as typeof options & { createContext?: (options: SubscriptionContextOptions) => unknown };
  const served = {
    router,
    createContext,
    onError: onError as ProcedureErrorHandler<AnyTRPCRouter> | undefined,
  };
  const sourceOf =
    (path: string): UntypedSource =>
    (run) =>
      runProcedure(served, path, run);
  const feed = openFeed(
    { topics: lookup((name) => (isProcedurePath(name) ? PROCEDURE : undefined)) },
    { path: mount },
    {
      maxAddressBytes: DEFAULT_MAX_ADDRESS_BYTES,
      ...limits,
      context: readCaller,
      contextPerRequest: true,
      sources: lookup(sourceOf),
    },
    () => undefined,
  );
  const { handle, disconnect, stats, close } = feed;
  return { handle, disconnect, stats, close, [RESPOND]: feed[RESPOND] };
}

/** Finds entries on demand: the procedures of a lazy router are unknown until it is loaded. */
function lookup<T>(get: (name: string) => T | undefined): ReadonlyMap<string, T> {
  return Object.assign(new Map<string, T>(), { get });
}

// The path becomes an event name, or the part of one before `~`.
function isProcedurePath(name: string): boolean {
  return /^[^\s\p{C}~?]+$/u.test(name) && !name.startsWith(CONTROL_PREFIX);
}

/** Accepts any value: the procedure's own parsers validate it. */
const anything: TopicDefinition['data'] = {
  '~standard': { version: 1, vendor: 'linefeed', validate: (value) => ({ value }) },
};

/** Every procedure as a topic. Its one param is the input as JSON text. */
const PROCEDURE: TopicDefinition = {
  kind: 'stream',
  params: Object.assign({ entries: { input: anything } }, anything),
  data: anything,
  keep: 'all',
  result: undefined,
};

/** Reads the caller from the request, before any code of the router runs. */
function readCaller(request: Request): Caller {
  const url = new URL(request.url);
  const params = url.searchParams.get('connectionParams');
  try {
    return {
      request,
      url,
      connectionParams: params === null ? null : parseConnectionParamsFromString(params),
    };
  } catch (error) {
    throw refusal('bad_request', getTRPCErrorFromUnknown(error).message);
  }
}
