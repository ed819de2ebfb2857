/** The log of a feed process, as text for its environment. Loads only the libraries of that log. */
import type { Log } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';

/** Environment variable with the specification as JSON. */
export const LOG_VARIABLE = 'LINEFEED_LOG';

export interface RedisSpec {
  readonly kind: 'redis';
  readonly library: 'node-redis' | 'ioredis' | 'iovalkey';
  readonly mode: 'single' | 'sentinel' | 'cluster';
  /** The port of the server, those of the Sentinels, or those of the nodes. */
  readonly ports: readonly number[];
}

export interface NatsSpec {
  readonly kind: 'nats';
  readonly servers: readonly string[];
  readonly replicas: number;
}

export interface PostgresSpec {
  readonly kind: 'postgres';
  readonly library: 'pg' | 'postgres';
  /** With more than one, a client of `postgres` takes the primary. */
  readonly ports: readonly number[];
  /** The port of the server itself, if `ports` names a pooler. */
  readonly tailPort?: number;
}

export type LogSpec =
  | { readonly kind: 'sqlite'; readonly path: string }
  | RedisSpec
  | NatsSpec
  | PostgresSpec;

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
    case 'redis': {
      const { redisLog } = await import('@linefeed/server/redis');
      return {
        log: await redisLog({ client: await openRedis(spec), key: LOG_NAME, timeoutMs: TIMEOUT_MS }),
      };
    }
    case 'nats': {
      const { connect } = await import('@nats-io/transport-node');
      const { natsLog } = await import('@linefeed/server/nats');
      const servers = [...spec.servers];
      const connection = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
      const { replicas } = spec;
      return { log: await natsLog({ connection, stream: LOG_NAME, replicas, timeoutMs: TIMEOUT_MS }) };
    }
    case 'postgres':
      return await openPostgres(spec);
  }
}

export async function openRedis({ library, mode, ports }: RedisSpec) {
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }));
  const [{ port } = { port: 0 }] = addresses;
  if (library === 'node-redis') {
    const { createClient, createCluster, createSentinel } = await import('redis');
    const onError = (): void => undefined;
    if (mode === 'sentinel') {
      const client = createSentinel({ name: 'linefeed', sentinelRootNodes: addresses });
      client.on('error', onError);
      return await client.connect();
    }
    if (mode === 'cluster') {
      const client = createCluster({
        rootNodes: ports.map((each) => ({ url: `redis://127.0.0.1:${each}` })),
      });
      client.on('error', onError);
      await client.connect();
      return client;
    }
    const client = createClient({ url: `redis://127.0.0.1:${port}` });
    client.on('error', onError);
    return await client.connect();
  }
  const sentinel = { sentinels: addresses, name: 'linefeed' };
  if (library === 'ioredis') {
    const { Cluster, Redis } = await import('ioredis');
    const client =
      mode === 'cluster' ? new Cluster(addresses) : new Redis(mode === 'sentinel' ? sentinel : { port });
    client.on('error', () => undefined);
    return client;
  }
  const { Cluster, Redis } = await import('iovalkey');
  const client =
    mode === 'cluster' ? new Cluster(addresses) : new Redis(mode === 'sentinel' ? sentinel : { port });
  client.on('error', () => undefined);
  return client;
}

async function openPostgres({ library, ports, tailPort }: PostgresSpec): Promise<OpenedLog> {
  const urlOf = (port: number): string => `postgres://postgres@127.0.0.1:${port}/postgres`;
  const url =
    ports.length === 1
      ? urlOf(ports[0]!)
      : `postgres://postgres@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/postgres?target_session_attrs=primary`;
  const { postgresLog } = await import('@linefeed/server/postgres');
  const options = { table: LOG_NAME, timeoutMs: TIMEOUT_MS };
  if (library === 'pg') {
    const { Pool } = await import('pg');
    const pool = new Pool({ connectionString: url, max: 5 });
    pool.on('error', () => undefined);
    const tailClient =
      tailPort === undefined ? undefined : () => new Pool({ connectionString: urlOf(tailPort) });
    return {
      log: await postgresLog({ client: pool, tailClient, ...options }),
      async transact(work) {
        const client = await pool.connect();
        let broken: Error | undefined;
        client.on('error', (error) => (broken = error));
        try {
          await client.query('BEGIN');
          await work(client);
          await client.query('COMMIT');
        } catch (error) {
          broken ??= error as Error;
          throw error;
        } finally {
          client.removeAllListeners('error');
          client.release(broken);
        }
      },
    };
  }
  const { default: postgres } = await import('postgres');
  // The library does not handle the rejection of that query when the server goes away.
  const plain = { fetch_types: false, onnotice: () => undefined };
  const sql = postgres(url, { ...plain, max: 5, prepare: tailPort === undefined });
  const tailClient = () => postgres(tailPort === undefined ? url : urlOf(tailPort), { ...plain, max: 1 });
  return {
    log: await postgresLog({ client: sql, tailClient, ...options }),
    async transact(work) {
      await sql.begin((transaction) => work(transaction));
    },
  };
}
