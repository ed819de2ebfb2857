/** Linefeed for TanStack AI: the durability of a response over runs. */
export { runDurability } from './lib/tanstack-ai/run-durability.ts';
export type { DurabilityParams, RunDurabilityOptions } from './lib/tanstack-ai/run-durability.ts';
export type { RunDurability } from './lib/tanstack-ai/durability.ts';
