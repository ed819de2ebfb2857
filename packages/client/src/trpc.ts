/** Linefeed as a link of a tRPC client: every subscription over one connection. */
export { linefeedLink } from './lib/trpc/linefeed-link.ts';
export type { ConnectionParams } from './lib/trpc/connection-params.ts';
export type { LinefeedLinkOptions } from './lib/trpc/linefeed-link.ts';
