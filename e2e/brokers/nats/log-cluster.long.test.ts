/** A natsLog on a stream with three replicas: leaders step down, servers die, a majority is away. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, test, vi } from 'vitest';
import type { Log } from '@linefeed/server';
import { natsLog } from '@linefeed/server/nats';
import { startNatsCluster, type NatsCluster } from '../../../packages/server/test-kit/brokers/nats.ts';

const WAIT = { timeout: 60_000, interval: 50 };

interface Reader {
  readonly values: number[];
  readonly resets: string[];
  readonly errors: unknown[];
}

function read(log: Log): Reader {
  const reader: Reader = { values: [], resets: [], errors: [] };
  log.tail({
    onEvents: (events) => reader.values.push(...events.map(({ data }) => Number(data))),
    onReset: (reason) => reader.resets.push(reason),
    onError: (error) => reader.errors.push(error),
  });
  return reader;
}

/** Publishes numbers one after another, each until it succeeds, with a key of its own. */
function publishSteadily(log: Log) {
  let count = 0;
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      const entry = { address: 'a', data: String(count), keep: 'all' as const };
      try {
        await log.append([entry], { idempotencyKey: `n${count}` });
        count += 1;
      } catch (error) {
        expect(error).toMatchObject({ code: 'log_failed', retryable: true });
      }
    }
  };
  const running = run();
  return {
    get count() {
      return count;
    },
    async stop() {
      isOver = true;
      await running;
      return count;
    },
  };
}

async function withLogs(
  body: (scene: {
    cluster: NatsCluster;
    connections: NatsConnection[];
    logs: Log[];
    admin: NatsConnection;
  }) => Promise<void>,
): Promise<void> {
  const cluster = await startNatsCluster();
  const connectTo = async (servers: readonly string[]): Promise<NatsConnection> =>
    await connect({
      servers: [...servers],
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      noRandomize: true,
    });
  const connections = [
    await connectTo(cluster.urls),
    await connectTo([cluster.urls[1]!, cluster.urls[2]!, cluster.urls[0]!]),
  ];
  const admin = await connectTo([cluster.urls[2]!, cluster.urls[1]!, cluster.urls[0]!]);
  const logs: Log[] = [];
  try {
    for (const connection of connections)
      logs.push(
        await natsLog({ connection, stream: 'board', replicas: 3, heartbeatMs: 300, timeoutMs: 3_000 }),
      );
    await body({ cluster, connections, logs, admin });
  } finally {
    for (const log of logs) await log.close?.();
    for (const connection of [...connections, admin]) await connection.close();
    await cluster.close();
  }
}

async function leaderOf(admin: NatsConnection): Promise<string | undefined> {
  const answer = await admin.request('$JS.API.STREAM.INFO.board', '', { timeout: 2_000 });
  return answer.json<{ cluster?: { leader?: string } }>().cluster?.leader;
}

test('a step-down, a killed leader and a lost majority lose and double no event of a natsLog', async () => {
  await withLogs(async ({ cluster, logs, admin }) => {
    const [writer, other] = logs as [Log, Log];
    const readers = [read(writer), read(other)];
    const publisher = publishSteadily(writer);
    const progress = async (more = 20): Promise<void> => {
      const wanted = publisher.count + more;
      await vi.waitFor(() => expect(publisher.count).toBeGreaterThanOrEqual(wanted), WAIT);
    };
    await progress();
    await admin.request('$JS.API.STREAM.LEADER.STEPDOWN.board', '', { timeout: 5_000 });
    await progress();

    const leader = await vi.waitFor(async () => (await leaderOf(admin)) ?? Promise.reject(new Error()), WAIT);
    const killed = cluster.servers.find(({ name }) => name === leader)!;
    await killed.kill();
    await progress();
    await killed.start();
    await progress();

    // Two of three: nothing can be stored, and no reader is cut or told a gap.
    const [, second, third] = cluster.servers;
    await Promise.all([second!.kill(), third!.kill()]);
    const before = publisher.count;
    await vi.waitFor(() => expect(readers.every(({ errors }) => errors.length > 0)).toBe(true), WAIT);
    expect(publisher.count).toBeLessThanOrEqual(before + 1);
    await Promise.all([second!.start(), third!.start()]);
    await progress();

    const count = await publisher.stop();
    for (const { values, resets } of readers) {
      await vi.waitFor(() => expect(values.length).toBeGreaterThanOrEqual(count), WAIT);
      expect(values).toEqual(Array.from({ length: count }, (_, n) => n));
      expect(resets).toEqual([]);
    }
    expect(other.epoch).toBe(writer.epoch);
  });
});
