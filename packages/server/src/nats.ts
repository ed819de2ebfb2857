/** A log on NATS JetStream. */
export { natsLog } from './lib/log/nats/nats-log.ts';
export type { NatsLogOptions } from './lib/log/nats/options.ts';
export type { NatsConnection, NatsHeaders, NatsMessage } from './lib/log/nats/connection.ts';
export type { LogBounds } from './lib/log/bounds.ts';
