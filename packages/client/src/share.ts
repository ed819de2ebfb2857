/** Linefeed in several tabs: all tabs share one connection. */
export { createSharedClient } from './lib/tabs/shared-client.ts';
export type { SharedClientOptions } from './lib/tabs/shared-client.ts';
