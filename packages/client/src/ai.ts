/** Linefeed for the AI SDK: a chat transport over runs. */
export { runTransport } from './lib/ai/run-transport.ts';
export type { ChatParams, RunTransport, RunTransportOptions } from './lib/ai/run-transport.ts';
export type { StartedRun, StartFunction, StartRequest } from './lib/ai/start.ts';
