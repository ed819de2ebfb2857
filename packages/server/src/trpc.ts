/** Linefeed and tRPC: a router's subscriptions over one connection, and a feed's topics as a router. */
export { fromRouter } from './lib/trpc/from-router.ts';
export { toRouter } from './lib/trpc/to-router.ts';
export type { FromRouterOptions, RouterFeed } from './lib/trpc/from-router.ts';
export type { ProcedureErrorHandler, SubscriptionContextOptions } from './lib/trpc/procedure-run.ts';
export type {
  FeedRouter,
  TopicInput,
  TopicOutput,
  ToRouterOptions,
  TrackedPayload,
} from './lib/trpc/to-router.ts';
