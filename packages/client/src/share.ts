/** Linefeed in many tabs: one connection for all of them. */
export { createSharedClient } from './lib/share/shared-client.ts';
export type { SharedClientOptions } from './lib/share/shared-client.ts';
