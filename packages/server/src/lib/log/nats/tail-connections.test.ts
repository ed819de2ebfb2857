import { connect } from '@nats-io/transport-node';
import { afterAll, expect, test } from 'vitest';
import { startNats } from '../../../../test-kit/brokers/nats.ts';
import { expectOneConnectionOfTheTail } from '../../../../test-kit/brokers/tail-connections.ts';
import { natsLog } from './nats-log.ts';

const server = await startNats();
const connection = await connect({ servers: server.url });
afterAll(async () => {
  await connection.close();
  await server.close();
});

interface Connections {
  readonly num_connections: number;
  readonly connections: ReadonlyArray<{ readonly subscriptions: number }>;
}

async function read(): Promise<Connections> {
  return (await server.monitor('connz')) as Connections;
}

test('the tails and readers of a process use the connection of the application to NATS', async () => {
  await expectOneConnectionOfTheTail(
    async () => {
      const log = await natsLog({ connection, stream: 'connections' });
      expect((await read()).num_connections).toBe(1);
      return log;
    },
    async () => (await read()).num_connections,
  );
  expect((await read()).num_connections).toBe(1);
});
