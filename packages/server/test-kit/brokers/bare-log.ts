/** The bare client of a server: appends and follows events with no promise of a log. The bench compares logs with it. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { Redis } from 'ioredis';
import { Pool } from 'pg';

export type BrokerName = 'redis' | 'postgres' | 'nats';

export interface BareLog {
  /** Appends payloads in one batch, and resolves when the server has them. */
  append(payloads: readonly string[]): Promise<void>;
  /** Calls back with each payload that is appended after this resolves. */
  follow(onPayload: (payload: string) => void): Promise<void>;
  close(): Promise<void>;
}

/** At most so many events are held, as in the log. */
const HELD = 10_000;

export async function openBareLog(name: BrokerName, url: string, key: string): Promise<BareLog> {
  switch (name) {
    case 'redis':
      return openBareRedis(url, key);
    case 'postgres':
      return await openBarePostgres(url, key);
    case 'nats':
      return await openBareNats(url, key);
  }
}

/** A pipelined XADD for each payload, and a loop of XREAD BLOCK on a connection of its own. */
function openBareRedis(url: string, key: string): BareLog {
  const client = openRedis(url);
  const tail = openRedis(url);
  let isOpen = true;
  return {
    async append(payloads) {
      const pipeline = client.pipeline();
      for (const payload of payloads) pipeline.xadd(key, 'MAXLEN', '~', HELD, '*', 'd', payload);
      const results = await pipeline.exec();
      for (const [error] of results!) if (error) throw error;
    },
    async follow(onPayload) {
      const [newest] = await tail.xrevrange(key, '+', '-', 'COUNT', 1);
      let last = newest?.[0] ?? '0-0';
      const run = async (): Promise<void> => {
        while (isOpen) {
          const answer = await tail.xread('COUNT', 500, 'BLOCK', 1_000, 'STREAMS', key, last);
          for (const [id, fields] of answer?.[0]?.[1] ?? []) {
            last = id;
            onPayload(fields[1]!);
          }
        }
      };
      // Closing ends the blocked read with an error.
      void run().catch(() => undefined);
    },
    async close() {
      isOpen = false;
      tail.disconnect();
      await client.quit();
    },
  };
}

export function openPostgres(url: string): Pool {
  const pool = new Pool({ connectionString: url, max: 4 });
  // The rejection of a query has the error.
  pool.on('error', () => undefined);
  return pool;
}

/** One INSERT of several rows with a NOTIFY, and a SELECT after each notification. */
async function openBarePostgres(url: string, key: string): Promise<BareLog> {
  const pool = openPostgres(url);
  const table = `"bare_${key}"`;
  const channel = `bare_${key}`;
  await pool.query(
    `CREATE TABLE IF NOT EXISTS ${table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text)`,
  );
  const listener = await pool.connect();
  const insert = {
    name: 'append',
    text: `WITH added AS (INSERT INTO ${table} (data) SELECT unnest($1::text[])) SELECT pg_notify('${channel}', '')`,
  };
  return {
    async append(payloads) {
      await pool.query({ ...insert, values: [payloads] });
    },
    async follow(onPayload) {
      const { rows } = await pool.query<{ id: string }>(`SELECT coalesce(max(id), 0) AS id FROM ${table}`);
      let last = rows[0]!.id;
      let isReading = false;
      let isStale = false;
      const read = async (): Promise<void> => {
        isStale = true;
        if (isReading) return;
        isReading = true;
        while (isStale) {
          isStale = false;
          const page = await listener.query<{ id: string; data: string }>({
            name: 'page',
            text: `SELECT id, data FROM ${table} WHERE id > $1 ORDER BY id LIMIT 500`,
            values: [last],
          });
          for (const { id, data } of page.rows) {
            last = id;
            onPayload(data);
          }
        }
        isReading = false;
      };
      listener.on('notification', () => void read().catch(() => undefined));
      await listener.query(`LISTEN ${channel}`);
    },
    async close() {
      listener.release(true);
      await pool.end();
    },
  };
}

/** Clients as an application opens them. */
export function openRedis(url: string): Redis {
  return new Redis(url);
}

export function openNats(url: string): ReturnType<typeof connectNats> {
  return connectNats({ servers: url });
}

/** One JetStream publish for each payload, without waiting in between, and an ordered consumer. */
async function openBareNats(url: string, key: string): Promise<BareLog> {
  const connection = await openNats(url);
  const manager = await jetstreamManager(connection);
  const stream = `bare_${key}`;
  await manager.streams.add({ name: stream, subjects: [stream], max_msgs: HELD }).catch(async () => {
    // Another process has made it.
    await manager.streams.info(stream);
  });
  const js = jetstream(connection);
  return {
    async append(payloads) {
      await Promise.all(payloads.map((payload) => js.publish(stream, payload)));
    },
    async follow(onPayload) {
      const { state } = await manager.streams.info(stream);
      const consumer = await js.consumers.get(stream, { opt_start_seq: state.last_seq + 1 });
      const messages = await consumer.consume();
      const run = async (): Promise<void> => {
        for await (const message of messages) onPayload(message.string());
      };
      void run().catch(() => undefined);
    },
    async close() {
      await connection.close();
    },
  };
}
