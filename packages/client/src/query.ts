/** Linefeed for TanStack Query: a query's state, followed from its cursor. */
export { followQuery, useFollow } from './lib/query/follow.ts';
