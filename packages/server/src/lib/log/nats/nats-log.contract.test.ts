import { connect } from '@nats-io/transport-node';
import { afterAll, expect, test } from 'vitest';
import { startNats } from '../../../../test-kit/brokers/nats.ts';
import { logContract } from '../../testing/log-suite.ts';
import { natsLog } from './nats-log.ts';

const server = await startNats();
const connection = await connect({ servers: server.url });
afterAll(async () => {
  await connection.close();
  await server.close();
});

let streams = 0;
const contract = logContract(
  (setup) => {
    streams += 1;
    const stream = `contract-${streams}`;
    return {
      open: () => natsLog({ connection, stream, checkMs: 500, heartbeatMs: 200, ...setup }),
      async dispose() {
        await connection.request(`$JS.API.STREAM.DELETE.${stream}`);
      },
    };
  },
  { persistent: true, ages: true, contains: true, realTime: true },
);

for (const { name, run } of contract) {
  test(name, async () => expect(await run()).toBeUndefined());
}
