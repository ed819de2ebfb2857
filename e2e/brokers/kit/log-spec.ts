/** The log of a feed process, as text for its environment. Loads only the libraries of that log. */
import type { Log } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';

/** Environment variable with the specification as JSON. */
export const LOG_VARIABLE = 'LINEFEED_LOG';

export interface NatsSpec {
  readonly kind: 'nats';
  readonly servers: readonly string[];
  readonly replicas: number;
}

export type LogSpec = { readonly kind: 'sqlite'; readonly path: string } | NatsSpec;

/** Shorter than the default, so that a test of an outage is short. */
export const TIMEOUT_MS = 1_500;

/** The name of the log on its server: Redis key, stream, prefix of tables. */
export const LOG_NAME = 'board';

/** Runs a function in a transaction of the log's database. */
type Transact = (work: (transaction: unknown) => Promise<void>) => Promise<void>;

export interface OpenedLog {
  readonly log: Log;
  readonly transact?: Transact | undefined;
}

export async function openLog(spec: LogSpec): Promise<OpenedLog> {
  switch (spec.kind) {
    case 'sqlite':
      return { log: sqliteLog({ path: spec.path }) };
    case 'nats': {
      const { connect } = await import('@nats-io/transport-node');
      const { natsLog } = await import('@linefeed/server/nats');
      const servers = [...spec.servers];
      const connection = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
      const { replicas } = spec;
      return { log: await natsLog({ connection, stream: LOG_NAME, replicas, timeoutMs: TIMEOUT_MS }) };
    }
  }
}
