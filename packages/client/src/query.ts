/** Linefeed for TanStack Query: events update a query's state from its cursor on. */
export { followQuery, useFollow } from './lib/query/follow.ts';
