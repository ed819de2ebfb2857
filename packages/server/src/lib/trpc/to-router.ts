/** A feed as a tRPC router: one subscription procedure for each topic, resumed by tRPC's own last event id. */
import {
  initTRPC,
  tracked,
  TRPCError,
  type AnyTRPCProcedure,
  type TRPCBuiltRouter,
  type TRPCDefaultErrorShape,
  type TRPCSubscriptionProcedure,
} from '@trpc/server';
import type {
  AnyChannel,
  ParamsInput,
  Payload,
  StreamName,
  TopicDefinition,
  TopicName,
} from '@linefeed/shared';
import {
  checkOptions,
  invalidOption,
  LinefeedError,
  paramNames,
  resolveParams,
  type ResolvedParams,
} from '@linefeed/shared/wire';
import { readVerdict } from '../request/authorize.ts';
import { checkAddressSize } from '../publish/address.ts';
import { captureScope, type AsyncScope } from '../base/async-scope.ts';
import { toReportedRefusal } from '../http/http.ts';
import { coreOf, type FeedCore } from '../feed/feed.ts';
import type { Feed } from '../feed/types.ts';
import { followLog, refuseGap } from '../delivery/follow.ts';
import { encodePayload } from '../publish/publisher.ts';
import { untilAborted } from '../base/promise.ts';
import { pullSource } from '../stream/source.ts';
import { readYield } from '../stream/run-stream.ts';
import { randomId } from '../base/random-id.ts';

/** A tracked event in the form that tRPC delivers. */
export interface TrackedPayload<T> {
  /** The cursor of a logged event, or the id of a stream's event. */
  id: string;
  /** The payload. */
  data: T;
}

/** The input of a topic's procedure: the params, and tRPC's last event id. */
export type TopicInput<C extends AnyChannel, K extends TopicName<C>> = [ParamsInput<C, K>] extends [undefined]
  ? { lastEventId?: string | null | undefined } | void
  : ParamsInput<C, K> & { lastEventId?: string | null | undefined };

/** The output of a topic's procedure. */
export type TopicOutput<C extends AnyChannel, K extends TopicName<C>> = AsyncIterable<
  | TrackedPayload<Payload<C, K>>
  // The source of a stream decides whether its events have ids.
  | (K extends StreamName<C> ? Payload<C, K> : never),
  void
>;

/** The router of a feed. */
export type FeedRouter<C extends AnyChannel> = TRPCBuiltRouter<
  { ctx: object; meta: object; errorShape: TRPCDefaultErrorShape; transformer: false },
  {
    [K in TopicName<C>]: TRPCSubscriptionProcedure<{
      input: TopicInput<C, K>;
      output: TopicOutput<C, K>;
      meta: object;
      errorShape: TRPCDefaultErrorShape;
    }>;
  }
>;

/** The options of `toRouter`. */
export interface ToRouterOptions<Context, Ctx extends object = object> {
  /**
   * Converts tRPC's context to the context of the feed, for its `authorize` and its sources. An error that it throws
   * refuses the subscription.
   *
   * @default tRPC's own context
   */
  readonly context?: ((options: { readonly ctx: Ctx }) => Context | Promise<Context>) | undefined;
  /**
   * Behaviour for events that can no longer be replayed, because tRPC has no frame for a gap. `error` ends the
   * subscription with `CONFLICT`, so that the client fetches the state and subscribes again. `ignore` continues after
   * the gap.
   *
   * @default `error`
   */
  readonly gapPolicy?: 'error' | 'ignore' | undefined;
}

/**
 * Creates a tRPC router from a feed. Serve it alone or merge it into a larger router. A topic's params are the input.
 * Logged events are tracked by their cursors, stream events by the ids of their sources. The feed's `authorize`
 * applies.
 *
 * A client that is cut off before its first event starts anew: tRPC stores no position without an event.
 *
 * @example
 *   import { toRouter } from '@linefeed/server/trpc';
 *
 *   export const router = toRouter(feed);
 *
 * @param feed A feed, which keeps serving its own clients
 * @param options The context and the policy for gaps
 * @returns A router with one subscription procedure for each topic
 * @throws LinefeedError `invalid_option` for an unknown option, for an invalid value, and for a topic with a param
 * `lastEventId`, which is tRPC's.
 */
export function toRouter<C extends AnyChannel, Context, Ctx extends object = object>(
  feed: Feed<C, Context>,
  options: ToRouterOptions<Context, Ctx> = {},
): FeedRouter<C> {
  const gapPolicy = readGapPolicy(options);
  const t = initTRPC.context<object>().create();
  const procedures: Record<string, AnyTRPCProcedure> = {};
  for (const [topic, definition] of feed.channel.topics) {
    checkParamNames(topic, definition);
    procedures[topic] = t.procedure
      .input((raw: unknown) => readInput(topic, definition, raw))
      .subscription(({ input, ctx, signal }) =>
        subscribe(
          coreOf(feed),
          { topic, definition, ...input, signal },
          async () => (options.context === undefined ? ctx : await options.context({ ctx: ctx as Ctx })),
          gapPolicy === 'ignore',
        ),
      );
  }
  return t.router(procedures) as unknown as FeedRouter<C>;
}

const ROUTER_OPTIONS = {
  context: 'function',
  gapPolicy: 'any',
} satisfies Record<keyof ToRouterOptions<unknown>, string>;

function readGapPolicy(options: Pick<ToRouterOptions<unknown>, 'gapPolicy'>): 'error' | 'ignore' {
  checkOptions('toRouter', options, ROUTER_OPTIONS);
  const { gapPolicy = 'error' } = options;
  if (gapPolicy === 'error' || gapPolicy === 'ignore') return gapPolicy;
  throw invalidOption(`gapPolicy must be "error" or "ignore", not ${String(gapPolicy)}.`);
}

function checkParamNames(topic: string, { params }: TopicDefinition): void {
  if (params === undefined || paramNames(params)?.includes('lastEventId') !== true) return;
  throw new LinefeedError(
    'invalid_option',
    `Topic "${topic}" has a param "lastEventId", which in tRPC is where a subscription goes on; rename it.`,
  );
}

interface TopicRequest extends ResolvedParams {
  readonly lastEventId: string | undefined;
}

async function readInput(
  topic: string,
  { params: schema }: TopicDefinition,
  raw: unknown,
): Promise<TopicRequest> {
  const { lastEventId, ...given } = (raw ?? {}) as Record<string, unknown>;
  if (lastEventId !== undefined && lastEventId !== null && typeof lastEventId !== 'string') {
    throw new TRPCError({ code: 'BAD_REQUEST', message: 'lastEventId must be a string.' });
  }
  const request = { params: undefined, address: topic, lastEventId: lastEventId ?? undefined };
  if (schema === undefined) return request;
  try {
    return { ...request, ...(await resolveParams(topic, schema, given)) };
  } catch (error) {
    if (!LinefeedError.is(error) || error.code !== 'invalid_params') throw error;
    throw new TRPCError({ code: 'BAD_REQUEST', message: error.message });
  }
}

interface TopicSubscription extends TopicRequest {
  readonly topic: string;
  readonly definition: TopicDefinition;
  readonly signal: AbortSignal | undefined;
}

/** Abort reason of a session whose receiver left. The receiver gets no error. */
const LEFT = Symbol('left');

/** Makes `return()` end the subscription immediately. A plain generator waits until its pending await settles. */
function subscribe(
  core: FeedCore,
  subscription: TopicSubscription,
  readContext: () => Promise<unknown>,
  ignoreGaps: boolean,
): AsyncGenerator<unknown, void, void> {
  const session = new AbortController();
  // `disconnect` and the heartbeat abort the session from another async context.
  const scope = captureScope();
  const events = serve(core, subscription, readContext, ignoreGaps, session, scope);
  const end = events.return.bind(events);
  events.return = (value) => {
    scope.run(() => session.abort(LEFT));
    return end(value);
  };
  return events;
}

async function* serve(
  core: FeedCore,
  subscription: TopicSubscription,
  readContext: () => Promise<unknown>,
  ignoreGaps: boolean,
  session: AbortController,
  scope: AsyncScope,
): AsyncGenerator<unknown, void, void> {
  const { topic, definition, params, address, lastEventId, signal } = subscription;
  const leave = (): void => scope.run(() => session.abort());
  if (signal?.aborted === true) leave();
  signal?.addEventListener('abort', leave, { once: true });
  let release = leave;
  const assertOpen = (): void => {
    // On this error, tRPC's client reconnects by itself, and `createContext` runs again.
    if (session.signal.aborted && signal?.aborted !== true && session.signal.reason !== LEFT) {
      throw new TRPCError({ code: 'SERVICE_UNAVAILABLE', message: 'The session has ended; reconnect.' });
    }
  };
  try {
    checkAddressSize(address, core.limits.maxAddressBytes);
    const { authorize } = core.serving;
    const context = await untilAborted(session.signal, readContext());
    const guest = {
      id: randomId(),
      context,
      ...core.readSession(context),
      events: () => [address],
      end: leave,
    };
    release = core.sessions.add(guest);
    // Checked at each delivery, because the heartbeat may be late, for example after a suspend.
    const assertLive = (): void => {
      if (guest.expiry.isOver) leave();
      assertOpen();
    };
    assertOpen();
    const isAllowed =
      authorize === undefined ||
      readVerdict(
        authorize,
        await untilAborted(session.signal, authorize({ context, topic, params, address })),
        (error) => core.onError(error),
      );
    if (!isAllowed) {
      throw new TRPCError({ code: 'FORBIDDEN', message: `Not allowed to subscribe to ${topic}.` });
    }
    assertLive();
    if (definition.kind === 'stream') {
      for await (const event of runStream(core, subscription, context, session.signal)) {
        assertLive();
        yield event;
      }
    } else {
      const isLatest = definition.keep === 'latest';
      // The last event id comes from the client: a malformed one is a gap, not an invalid option of this server.
      const onGap = ignoreGaps ? () => undefined : refuseGap;
      const options = { from: lastEventId, signal: session.signal, onGap, isLatest };
      for await (const { data, cursor } of followLog(core.hub, address, options)) {
        assertLive();
        yield tracked(cursor, data);
      }
    }
    assertOpen();
  } catch (error) {
    if (signal?.aborted === true || session.signal.reason === LEFT) return;
    // The abort ended a pending wait.
    if (error === session.signal.reason) assertOpen();
    throw toTrpcError(error, (failure) => core.onError(failure));
  } finally {
    signal?.removeEventListener('abort', leave);
    release();
    // Aborts the session, so that a source that still waits ends.
    leave();
  }
}

async function* runStream(
  core: FeedCore,
  { topic, definition, params, lastEventId }: TopicSubscription,
  context: unknown,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, void> {
  const source = core.serving.sources.get(topic)!;
  const values = pullSource({
    open: (ended) => source({ params, context, lastEventId, signal: ended }),
    signal,
    clock: core.clock,
    onCleanupError: (error) => core.onError(error),
  });
  for await (const value of values) {
    const { data, id } = readYield(topic, value);
    const encoding = encodePayload(topic, definition, data, core.limits.maxPayloadBytes);
    const payload: unknown = JSON.parse(await untilAborted(signal, encoding));
    yield id === undefined ? payload : tracked(id, payload);
  }
}

const CODES: Readonly<Record<number, TRPCError['code']>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

function toTrpcError(error: unknown, onError: (error: unknown) => void): unknown {
  if (error instanceof TRPCError) return error;
  if (LinefeedError.is(error) && error.code === 'hole') {
    return new TRPCError({ code: 'CONFLICT', message: error.message, cause: error });
  }
  const { status = 500, message } = toReportedRefusal(error, onError);
  return new TRPCError({ code: CODES[status] ?? 'INTERNAL_SERVER_ERROR', message, cause: error });
}
