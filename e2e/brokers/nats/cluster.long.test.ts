/** Servers of a NATS cluster die while two feed processes publish to a stream with three replicas. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startNatsCluster, type NatsCluster } from '../../../packages/server/test-kit/brokers/nats.ts';
import { LOG_NAME } from '../kit/log-spec.ts';
import { expectOutage, missingOf } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

let cluster: NatsCluster;
let scene: Scene;

beforeEach(async () => {
  cluster = await startNatsCluster();
  scene = await startScene({ kind: 'nats', servers: cluster.urls, replicas: 3 });
  await scene.read('one');
  await scene.read('two');
});

afterEach(async () => {
  await scene.close();
  await cluster.close();
});

async function leader(): Promise<string> {
  const connection = await connect({ servers: [...cluster.urls] });
  try {
    const { cluster: state } = await (await jetstreamManager(connection)).streams.info(LOG_NAME);
    return state?.leader ?? '';
  } finally {
    await connection.close();
  }
}

test('a leader that steps down loses and doubles no event', async () => {
  const runs = [scene.publish(0, 'first'), scene.publish(1, 'second')];
  for (const run of runs) await scene.progress(run, 30);
  const old = await leader();
  const connection = await connect({ servers: [...cluster.urls] });
  await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${LOG_NAME}`);
  await connection.close();
  await vi.waitFor(async () => expect([old, '']).not.toContain(await leader()), 60_000);
  for (const run of runs) await scene.progress(run, 30);
  expect(missingOf(await scene.settle())).toEqual([0, 0]);
});

test('kill -9 of each server in turn loses and doubles no event', async () => {
  // One of them leads the stream, one holds the consumer of a process, one has its connection.
  const runs = [scene.publish(0, 'first'), scene.publish(1, 'second')];
  for (const server of cluster.servers) {
    for (const run of runs) await scene.progress(run, 20);
    await server.kill();
    for (const run of runs) await scene.progress(run, 20);
    await server.start();
    await cluster.ready();
  }
  for (const run of runs) await scene.progress(run, 20);
  expect(missingOf(await scene.settle())).toEqual([0, 0]);
});

test('a lost and regained quorum loses and doubles no event', async () => {
  const [, second, third] = cluster.servers;
  await expectOutage(scene, {
    name: 'quorum',
    async away() {
      await second!.kill();
      await third!.kill();
    },
    async back() {
      await second!.start();
      await third!.start();
      await cluster.ready();
    },
    rejections: 2,
  });
});
