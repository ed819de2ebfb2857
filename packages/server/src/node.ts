/** Linefeed on `node:http`, `node:http2` and Connect-style middleware. */
export { closeOnSignal } from './lib/adapters/node/close-on-signal.ts';
export { sendEventStream, toNodeHandler } from './lib/adapters/node/node-handler.ts';
export type {
  ClosableFeed,
  ClosableServer,
  CloseOnSignalOptions,
} from './lib/adapters/node/close-on-signal.ts';
export type {
  NodeHandler,
  NodeOptions,
  NodeRequest,
  NodeResponse,
} from './lib/adapters/node/node-handler.ts';
