/** The contract: the definition of a Linefeed channel, and the types that both sides infer from it. */
export { defineChannel } from './lib/contract/channel.ts';
export { run, stream, topic } from './lib/contract/topic.ts';
export { LinefeedError } from './lib/base/error.ts';
export type {
  AnyChannel,
  Channel,
  LoggedName,
  Params,
  ParamsInput,
  Payload,
  PayloadInput,
  RunName,
  RunResult,
  RunResultInput,
  StreamName,
  TopicName,
  TopicNameOfKind,
  TopicsOf,
} from './lib/contract/channel.ts';
export type { Awaitable } from './lib/base/awaitable.ts';
export type { ErrorCode, Issue, LinefeedErrorOptions } from './lib/base/error.ts';
export type { Input, Output, Schema } from './lib/contract/schema.ts';
export type {
  DataSchema,
  ParamsSchema,
  ResultSchema,
  RunOptions,
  TopicDefinition,
  TopicKind,
  TopicMap,
  TopicOptions,
} from './lib/contract/topic.ts';
