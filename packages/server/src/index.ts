/** The server end of a Linefeed channel. */
export { eventStream } from './lib/adapters/fetch.ts';
export { createFeed } from './lib/create-feed.ts';
export { defineStream } from './lib/define-stream.ts';
export { memoryLog } from './lib/logs/memory.ts';
export { message } from './lib/message.ts';
export type { FetchEventStreamOptions } from './lib/adapters/fetch.ts';
export type { ContentContext, EventStreamContent, IterableContent } from './lib/content.ts';
export type { Cookie, Cookies } from './lib/cookie.ts';
export type { EncodingOptions } from './lib/encode.ts';
export type { EventStreamOptions, StreamEnd, StreamEndHook } from './lib/event-stream-options.ts';
export type { Answerer } from './lib/exchange.ts';
export type {
  AuthorizeSubject,
  CloseOptions,
  ConnectionInfo,
  ContextFields,
  ContextReply,
  ContextRuntime,
  Feed,
  FeedEvent,
  FeedOptions,
  FeedStats,
  FeedSubscribeArguments,
  FeedSubscribeOptions,
  PublishArguments,
  Published,
  PublishOptions,
  StreamContent,
  StreamDefinition,
  StreamEndpointOptions,
  StreamSource,
  StreamSources,
} from './lib/feed-types.ts';
export type { HeaderOptions, HeadOptions } from './lib/head.ts';
export type { FeedLimitOptions } from './lib/limits.ts';
export type {
  Appended,
  AppendOptions,
  Log,
  LogEntry,
  LogEvent,
  ReadPage,
  ReadQuery,
  TailListener,
} from './lib/log.ts';
export type { LogBounds, MemoryLogOptions } from './lib/logs/memory.ts';
export type { Message, MessageFields, SSEData } from './lib/message.ts';
export type { CorsOptions } from './lib/origin.ts';
export type { StreamContext } from './lib/stream-run.ts';
