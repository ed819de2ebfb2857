/** Linefeed in several tabs: all tabs share one connection. */
export { createSharedClient } from './lib/share/shared-client.ts';
export type { SharedClientOptions } from './lib/share/shared-client.ts';
