/** The contract: what a Linefeed channel is made of, and the types both of its ends infer from it. */
export { defineChannel, stream, topic } from './lib/channel.ts';
export { LinefeedError } from './lib/error.ts';
export type {
  AnyChannel,
  Channel,
  LoggedName,
  Params,
  ParamsInput,
  Payload,
  PayloadInput,
  StreamName,
  TopicDefinition,
  TopicMap,
  TopicName,
  TopicOptions,
} from './lib/channel.ts';
export type { ErrorCode, Issue, LinefeedErrorOptions } from './lib/error.ts';
export type { Schema } from './lib/schema.ts';
