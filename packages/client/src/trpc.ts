/** Linefeed as a tRPC link: all subscriptions of a client share one connection. */
export { linefeedLink } from './lib/trpc/linefeed-link.ts';
export type { ConnectionParams } from './lib/trpc/connection-params.ts';
export type { LinefeedLinkOptions } from './lib/trpc/linefeed-link.ts';
