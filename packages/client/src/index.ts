/** The client: typed subscriptions that reconnect and resume by themselves. */
export { createClient } from './lib/client.ts';
export { persistCursor } from './lib/persist.ts';
export { eventSourceTransport } from './lib/transports/event-source.ts';
export { fetchTransport } from './lib/transports/fetch.ts';
export { LinefeedError } from '@linefeed/shared';
export type { Client, ClientOptions, IterateArguments, SubscribeArguments } from './lib/client.ts';
export type { Clock } from './lib/clock.ts';
export type { ConnectionReason, ConnectionSnapshot, ConnectionState } from './lib/connection-state.ts';
export type { CursorStorage, Persist, PersistOptions } from './lib/persist.ts';
export type { RetryOptions } from './lib/retry-policy.ts';
export type { Readable } from './lib/store.ts';
export type {
  EventInfo,
  Gap,
  Subscription,
  SubscriptionOptions,
  SubscriptionSnapshot,
} from './lib/subscription.ts';
export type {
  Ending,
  Opening,
  RequestOptions,
  Transport,
  TransportConnection,
  TransportSink,
} from './lib/transport.ts';
export type { EventSourceTransportOptions } from './lib/transports/event-source.ts';
export type { FetchTransportOptions } from './lib/transports/fetch.ts';
