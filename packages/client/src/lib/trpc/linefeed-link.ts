/** A terminating tRPC link. The subscriptions of a tRPC client are streams of one Linefeed connection. */
import { TRPCClientError, type TRPCLink } from '@trpc/client';
import type { TransformerOptions, TRPCConnectionState } from '@trpc/client/unstable-internals';
import type {
  AnyTRPCRouter,
  inferTRPCClientTypes,
  TRPCCombinedDataTransformer,
  TRPCDataTransformer,
} from '@trpc/server';
import { observable } from '@trpc/server/observable';
import { LinefeedError, type AnyChannel } from '@linefeed/shared';
import { createClient, type ClientOptions } from '../client/client.ts';
import type { EventInfo, Subscription, SubscriptionOptions } from '../subscriptions/types.ts';
import { fetchTransport } from '../transport/fetch.ts';
import { toClientError } from './client-error.ts';
import { withConnectionParams, type ConnectionParams } from './connection-params.ts';
import { refuseStockEndpoint } from './stock-endpoint.ts';

/** Options of `linefeedLink`. The connection options are those of `createClient`. */
export type LinefeedLinkOptions<Router extends AnyTRPCRouter> = Pick<
  ClientOptions,
  | 'transport'
  | 'headers'
  | 'credentials'
  | 'fetch'
  | 'retry'
  | 'connectTimeoutMs'
  | 'pauseWhenHidden'
  | 'maxQueuedEvents'
  | 'onInvalid'
  | 'clock'
> &
  TransformerOptions<inferTRPCClientTypes<Router>> & {
    /** URL where `fromRouter` is mounted, relative to the page or absolute. */
    readonly url: string | URL;
    /**
     * `createContext` gets this as `info.connectionParams`. A function is called for each request. The params are sent
     * in the URL, which logs record: send secrets in `headers`.
     */
    readonly connectionParams?: ConnectionParams | undefined;
  };

type Subscribe = (
  topic: string,
  params: object,
  handler: (data: unknown, event: EventInfo) => unknown,
  options: SubscriptionOptions,
) => Subscription;

/**
 * Runs all subscriptions of a tRPC client over one connection to `fromRouter` of `@linefeed/server/trpc`. It replaces
 * `httpSubscriptionLink`; the yields of a procedure and all callbacks are unchanged.
 *
 * @example
 *   import { linefeedLink } from '@linefeed/client/trpc';
 *   import { createTRPCClient, httpBatchLink, splitLink } from '@trpc/client';
 *
 *   const trpc = createTRPCClient<Router>({
 *     links: [
 *       splitLink({
 *         condition: ({ type }) => type === 'subscription',
 *         true: linefeedLink({ url: '/live' }),
 *         false: httpBatchLink({ url: '/trpc' }),
 *       }),
 *     ],
 *   });
 *
 * @param options `url` is required
 * @returns A terminating link
 * @throws LinefeedError `invalid_option` (from the client that gets the link) with tRPC 10
 */
export function linefeedLink<Router extends AnyTRPCRouter>(
  options: LinefeedLinkOptions<Router>,
): TRPCLink<Router> {
  const { transport = fetchTransport(), fetch, connectionParams, transformer: given, ...rest } = options;
  const transformer = toTransformer(given as Transformer | undefined);
  return (runtime) => {
    // Only clients before tRPC 11 pass a transformer to their links.
    if ('combinedTransformer' in runtime) {
      const message =
        'linefeedLink needs tRPC 11, and this client is older: update @trpc/client and @trpc/server.';
      throw new LinefeedError('invalid_option', message);
    }
    const params = withConnectionParams(connectionParams, fetch);
    const client = createClient<AnyChannel>({
      ...rest,
      fetch: params.fetch,
      transport: refuseStockEndpoint(params.transport(transport)),
      lingerMs: 0,
      // Each subscription gets the errors that concern it.
      onError: () => undefined,
      // oxlint-disable-next-line no-console -- the documented default; no other callback gets this error
      onInvalid: options.onInvalid ?? ((error) => console.error(error)),
    });
    return ({ op: { type, path, input, signal } }) =>
      observable((observer) => {
        if (type !== 'subscription') {
          throw new Error(
            `linefeedLink only supports subscriptions, and ${path} is a ${type}: route it to another link by splitLink.`,
          );
        }
        let shown: State<Router> = { type: 'state', state: 'connecting', error: null };
        let done = false;

        const show = (state: State<Router>) => {
          if (state.state === shown.state && state.error === shown.error) return;
          shown = state;
          observer.next({ result: state });
        };
        // As in tRPC, an exception in a user's callback ends its subscription.
        const guarded = (call: () => void) => {
          try {
            call();
          } catch (cause) {
            fail(TRPCClientError.from(cause as Error));
          }
        };
        const look = () => {
          const { status, error } = subscription.getSnapshot();
          const connection = client.connection.getSnapshot();
          if (done || status === 'ended' || status === 'failed') return;
          if (status === 'subscribed' && connection.state === 'connected') {
            if (shown.state === 'pending') return;
            // tRPC's link passes its EventSource here.
            observer.next({ result: { type: 'started' }, context: { connection: client.connection } });
            show({ type: 'state', state: 'pending', error: null });
          } else {
            const cause = connection.error ?? error;
            show({ type: 'state', state: 'connecting', error: cause ? toError(cause) : null });
          }
        };
        let lastCause: LinefeedError | undefined;
        let lastError: TRPCClientError<Router>;
        // One error object per cause, so that an unchanged state is not emitted again.
        const toError = (cause: LinefeedError) => {
          if (cause !== lastCause) lastError = toClientError(cause, transformer);
          lastCause = cause;
          return lastError;
        };
        const leave = () => {
          done = true;
          signal?.removeEventListener('abort', finish);
          unwatch();
          unwatchConnection();
          subscription();
        };
        const finish = () => {
          if (done) return;
          leave();
          observer.next({ result: { type: 'stopped' } });
          show({ type: 'state', state: 'idle', error: null });
          observer.complete();
        };
        const fail = (error: TRPCClientError<Router>) => {
          if (done) return;
          leave();
          observer.error(error);
        };

        observer.next({ result: shown });
        const serialized: unknown = transformer.input.serialize(input);
        // `from: 'now'` gives each subscription a run of its own, from the start. `restart`: tRPC runs a subscription
        // again after a disconnect, even if its events have no ids.
        const subscription = (client.subscribe as Subscribe)(
          path,
          serialized === undefined ? {} : { input: JSON.stringify(serialized) },
          (encoded, { id }) =>
            guarded(() => {
              const data: unknown = transformer.output.deserialize(encoded);
              observer.next({ result: id === undefined ? { data } : { id, data } });
            }),
          { from: 'now', restart: true, onEnd: finish, onError: (error) => fail(toError(error)) },
        );
        const unwatch = subscription.subscribe(() => guarded(look));
        const unwatchConnection = client.connection.subscribe(() => guarded(look));
        if (signal?.aborted) finish();
        else signal?.addEventListener('abort', finish);

        return () => {
          observer.complete();
          if (!done) leave();
        };
      });
  };
}

type State<Router extends AnyTRPCRouter> = TRPCConnectionState<TRPCClientError<Router>>;
type Transformer = TRPCCombinedDataTransformer | TRPCDataTransformer;

function toTransformer(given: Transformer | undefined): TRPCCombinedDataTransformer {
  if (given === undefined) return toTransformer({ serialize: identity, deserialize: identity });
  return 'input' in given ? given : { input: given, output: given };
}

function identity<T>(value: T): T {
  return value;
}
