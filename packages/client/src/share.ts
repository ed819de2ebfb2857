/** One connection for all tabs of an origin and identity. */
export { createSharedClient } from './lib/share/shared-client.ts';
export type { SharedClientOptions } from './lib/share/shared-client.ts';
