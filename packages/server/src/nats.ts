/** A log on NATS JetStream. */
export { natsLog } from './lib/log/nats/nats-log.ts';
export type { NatsLogOptions } from './lib/log/nats/options.ts';
export type { NatsConnection } from './lib/log/nats/connection.ts';
