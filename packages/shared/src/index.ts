/** The contract: the definition of a Linefeed channel, and the types that both sides infer from it. */
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
