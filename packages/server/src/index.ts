/** The server end of a Linefeed channel. */
export { eventStream } from './lib/adapters/fetch.ts';
export { createFeed } from './lib/feed/create-feed.ts';
export { LinefeedError } from '@linefeed/shared';
export { defineStream } from './lib/feed/define-stream.ts';
export { memoryLog } from './lib/log/memory-log.ts';
export { memoryRuns } from './lib/runs/memory-runs.ts';
export { message } from './lib/stream/message.ts';
export type { Gap, GapReason, Position, ReconnectReason, RunOutcome } from '@linefeed/shared/wire';
export type { FetchEventStreamOptions } from './lib/adapters/fetch.ts';
export type { ContentContext, EventStreamContent, IterableContent } from './lib/event-stream/content.ts';
export type { Cookie, Cookies } from './lib/http/cookie.ts';
export type { EncodingOptions } from './lib/event-stream/encode.ts';
export type { EventStreamOptions, StreamEnd, StreamEndHook } from './lib/event-stream/options.ts';
export type { RequestTarget } from './lib/http/http.ts';
export type {
  AuthorizeSubject,
  BaseFeedOptions,
  ConnectionInfo,
  ContextFunction,
  ContextFields,
  ContextReply,
  ContextRuntime,
  FeedHooks,
  FeedOptions,
  StreamContent,
  StreamDefinition,
  StreamEndpointOptions,
  StreamSource,
  StreamSources,
} from './lib/feed/option-types.ts';
export type {
  CloseOptions,
  Feed,
  FeedStats,
  FeedSubscribeArguments,
  FeedSubscribeOptions,
  PublishArguments,
  Published,
  PublishOptions,
  TransactionPublishArguments,
  TransactionPublishOptions,
} from './lib/feed/types.ts';
export type {
  RunContent,
  RunReturn,
  RunContext,
  RunInfo,
  RunListArguments,
  RunSource,
  RunStartArguments,
  RunStopArguments,
  RunStopOptions,
} from './lib/feed/run-types.ts';
export type { HeaderOptions, HeaderValue, HeadOptions } from './lib/http/head.ts';
export type { CloseReason } from './lib/connection/types.ts';
export type { FeedLimitOptions, FeedLimits, OptionalLimit } from './lib/base/default-options.ts';
export type { Appended, AppendOptions, Log, LogCursor, LogEntry, LogEvent } from './lib/log/log.ts';
export type { ReadPage, ReadQuery, Tail, TailListener } from './lib/log/log.ts';
export type { LogBounds, MemoryLogOptions } from './lib/log/memory-log.ts';
export type { WhenBusy } from './lib/runs/claim.ts';
export type { MemoryRunsOptions } from './lib/runs/memory-runs.ts';
export type {
  AppendedEvents,
  ReadLimit,
  RecordChange,
  RunStore,
  StoredRecord,
} from './lib/runs/run-store.ts';
export type { RunStarted, RunStopped } from './lib/runs/runs.ts';
export type { RunStartOptions } from './lib/runs/start-options.ts';
export type { Message, MessageFields, SSEData, TrackedYield } from './lib/stream/message.ts';
export type { CorsOptions } from './lib/http/origin.ts';
export type { StreamContext } from './lib/stream/run-stream.ts';
export type { FeedEvent } from './lib/delivery/feed-subscription.ts';
