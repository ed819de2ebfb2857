/** The contract: what a Linefeed channel is made of, and the types both of its ends infer from it. */
export { defineChannel } from './lib/channel.ts';
export { stream, topic } from './lib/topic.ts';
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
  TopicName,
} from './lib/channel.ts';
export type { ErrorCode, Issue, LinefeedErrorOptions } from './lib/error.ts';
export type { Input, Output, Schema } from './lib/schema.ts';
export type { DataSchema, ParamsSchema, TopicDefinition, TopicMap, TopicOptions } from './lib/topic.ts';
