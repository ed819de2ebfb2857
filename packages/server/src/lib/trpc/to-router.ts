/** A feed as a tRPC router: one subscription procedure for each topic, resumed by tRPC's own last event id. */
import {
  initTRPC,
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
  RunName,
  StreamName,
  TopicDefinition,
  TopicName,
} from '@linefeed/shared';
import { checkOptions, invalidOption, LinefeedError, paramNames, resolveParams } from '@linefeed/shared/wire';
import { coreOf } from '../feed/feed.ts';
import type { Feed } from '../feed/types.ts';
import { subscribe, type TopicRequest } from './router-subscription.ts';

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
    [K in Exclude<TopicName<C>, RunName<C>>]: TRPCSubscriptionProcedure<{
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
 * A client that is cut off before its first event starts anew: tRPC stores no position without an event. Runs are not
 * served: tRPC has no frame for their begin and their end.
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
    if (definition.kind === 'run') {
      procedures[topic] = t.procedure.subscription(() => refuseRun(topic));
      continue;
    }
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

/** Without a procedure, tRPC would report a misspelt name. */
// oxlint-disable-next-line require-yield -- a subscription is a generator
async function* refuseRun(topic: string): AsyncGenerator<never, void, void> {
  throw new TRPCError({
    code: 'METHOD_NOT_SUPPORTED',
    message: `"${topic}" is a run, which tRPC cannot deliver; subscribe to it at the path of the feed.`,
  });
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
    `Topic "${topic}" has a param "lastEventId", which is the resume position in tRPC; rename it.`,
  );
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
