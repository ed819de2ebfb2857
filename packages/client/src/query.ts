/** Linefeed for TanStack Query: events update a query's state from its cursor on. */
export { followQuery, useFollow } from './lib/query/follow.ts';
export type { Followed, FollowedQuery, FollowOptions } from './lib/query/follow.ts';
export type { ParamsOption } from './lib/react/options.ts';
