/** The contract of a log with the faults of a real server: stops, pauses, broken connections, backups, deletion. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, describe, expect, test } from 'vitest';
import { startNats, type NatsServer } from '../../../../test-kit/brokers/nats.ts';
import { startRelay } from '../../../../test-kit/brokers/relay.ts';
import {
  backUpStream,
  restoreStream,
  type StreamBackup,
} from '../../../../test-kit/brokers/nats-stream-backup.ts';
import { logContract } from '../../testing/log-suite.ts';
import { FAULTS, type CreateLogUnderTest, type LogSetup } from '../../testing/log-under-test.ts';
import type { Log } from '../log.ts';
import { natsLog } from './nats-log.ts';

const connectTo = async ({ port }: { port: number }) =>
  await connect({
    ...{ servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1 },
    ...{ reconnectTimeWait: 50, reconnectJitter: 0 },
  });
const shared = await startNats();
const sharedAdmin = await connectTo(shared);
afterAll(async () => {
  await sharedAdmin.close();
  await shared.close();
});

let streams = 0;

interface Settings {
  readonly backsUp: boolean;
  readonly timeoutMs: number;
}

function createOn(
  server: NatsServer,
  admin: NatsConnection,
  { backsUp, timeoutMs }: Settings,
): CreateLogUnderTest {
  return async (setup) => {
    streams += 1;
    const stream = `faults-${streams}`;
    const relay = await startRelay(server.port);
    const backups = new Map<string, StreamBackup>();
    const connections: NatsConnection[] = [];
    let backingUp = Promise.resolve();
    const openWith = async ({ clock, ...bounds }: LogSetup): Promise<Log> => {
      const connection = await connectTo(relay);
      connections.push(connection);
      const log = await natsLog({
        ...{ connection, stream, clock, ...bounds },
        ...{ timeoutMs, heartbeatMs: 150, checkMs: 500, createAfterMs: 100 },
      });
      if (!backsUp) return log;
      const append = log.append.bind(log);
      return Object.assign(log, {
        async append(...args: Parameters<Log['append']>) {
          const appended = await append(...args);
          // The server makes one backup of a stream at a time.
          backingUp = backingUp.then(async () => {
            backups.set(appended.position, await backUpStream(admin, stream));
          });
          await backingUp;
          return appended;
        },
      });
    };
    return {
      open: () => openWith(setup),
      openWithClock: (clock) => openWith({ ...setup, clock }),
      rollBack: async (to) => await restoreStream(admin, stream, backups.get(to)!),
      recreate: async () => void (await admin.request(`$JS.API.STREAM.DELETE.${stream}`)),
      evictKey: async () => void (await admin.request(`$JS.API.STREAM.PURGE.${stream}`)),
      async stop() {
        await server.stop();
        return async () => await server.start();
      },
      pause() {
        server.pause();
        return () => server.resume();
      },
      resetConnections: () => relay.cut(),
      halfOpen: () => relay.halfOpen(),
      loseAnswers: () => relay.loseAnswers(),
      async dispose() {
        await Promise.all(connections.map(async (connection) => await connection.close()));
        await relay.close();
        await admin.request(`$JS.API.STREAM.DELETE.${stream}`);
      },
    };
  };
}

const plainTraits = { persistent: true, ages: true, contains: true, realTime: true, pauseMs: 2_500 };
const traits = { ...plainTraits, faults: FAULTS };
const create = createOn(shared, sharedAdmin, { backsUp: false, timeoutMs: 1_000 });
const plain = new Set(logContract(create, plainTraits).map(({ name }) => name));
const names = logContract(create, traits).map(({ name }) => name);

// The cases wait for deadlines and heartbeats most of the time.
describe.concurrent('a natsLog', () => {
  for (const name of names.filter((one) => !plain.has(one))) {
    test(name, async () => {
      const isOwn = /server (restarts|pauses)|is away/.test(name);
      const server = isOwn ? await startNats() : shared;
      const admin = isOwn ? await connectTo(server) : sharedAdmin;
      const backsUp = /roll|lost event/.test(name);
      // Only these cases wait for deadlines. For the others, a busy machine may take long.
      const timeoutMs = isOwn || /connections|half-open|answers/.test(name) ? 2_000 : 10_000;
      try {
        const contract = logContract(createOn(server, admin, { backsUp, timeoutMs }), traits);
        expect(await contract.find((one) => one.name === name)!.run()).toBeUndefined();
      } finally {
        if (isOwn) {
          await admin.close();
          await server.close();
        }
      }
    });
  }
});
