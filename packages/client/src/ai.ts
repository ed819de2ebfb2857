/** Linefeed for the AI SDK: a chat transport over runs. */
export { runTransport } from './lib/ai/run-transport.ts';
export type {
  ChatParams,
  RunTransport,
  RunTransportOptions,
  StopOptions,
  StoppedRun,
} from './lib/ai/run-transport.ts';
export type { RunEnding } from './lib/ai/ending.ts';
export type { StartedRun, StartFunction, StartRequest } from './lib/ai/start.ts';
export type { RunOutcome } from '@linefeed/shared/wire';
