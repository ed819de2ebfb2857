/** Linefeed on `node:http`, `node:http2` and Connect-style middleware. */
export { sendEventStream, toNodeHandler } from './lib/adapters/node.ts';
export type { NodeHandler, NodeOptions, NodeRequest, NodeResponse } from './lib/adapters/node.ts';
