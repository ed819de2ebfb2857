/** The client: typed subscriptions that reconnect and resume by themselves. */
export { createClient } from './lib/client/client.ts';
export { iterate } from './lib/client/iterate.ts';
export { persistCursor } from './lib/subscriptions/persist.ts';
export { eventSourceTransport } from './lib/transport/event-source.ts';
export { fetchTransport } from './lib/transport/fetch.ts';
export { LinefeedError } from '@linefeed/shared';
export type {
  ControlRequest,
  GapReason,
  ReconnectReason,
  RunOutcome,
  SubscriptionEntry,
} from '@linefeed/shared/wire';
export type {
  Client,
  ClientOptions,
  EventInfoOf,
  Handler,
  OptionsOf,
  SubscribeArguments,
} from './lib/client/client.ts';
export type { StopArguments, StopOptions, StoppedRun } from './lib/client/stop.ts';
export type { IterateArguments, IterateReturn } from './lib/client/iterate.ts';
export type { Clock } from './lib/base/clock.ts';
export type { ConnectionReason, ConnectionSnapshot, ConnectionState } from './lib/connection/state.ts';
export type { CursorStorage, Persist, PersistOptions } from './lib/subscriptions/persist.ts';
export type { RetryOptions } from './lib/connection/retry-policy.ts';
export type { Readable } from './lib/base/store.ts';
export type {
  EventInfo,
  Gap,
  RunEnd,
  RunEventInfo,
  RunStarted,
  RunSubscriptionOptions,
  Subscription,
  SubscriptionOptions,
  SubscriptionSnapshot,
} from './lib/subscriptions/types.ts';
export type {
  Ending,
  Opening,
  RequestOptions,
  Transport,
  TransportConnection,
  TransportSink,
} from './lib/transport/transport.ts';
export type { EventSourceTransportOptions } from './lib/transport/event-source.ts';
export type { FetchTransportOptions } from './lib/transport/fetch.ts';
