/** The started NATS servers do what tests of logs need. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { startNats, startNatsCluster } from '../../../packages/server/test-kit/brokers/nats.ts';

test('a NATS server keeps a stream over a crash, and can start empty', async () => {
  const server = await startNats();
  try {
    let connection: NatsConnection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'board', subjects: ['board'] });
    expect((await jetstream(connection).publish('board', 'a')).seq).toBe(1);
    await connection.close();
    await server.restart({ kill: true });
    connection = await connect({ servers: server.url });
    const { state } = await (await jetstreamManager(connection)).streams.info('board');
    expect(state.last_seq).toBe(1);
    await connection.close();
    await server.restart({ keepData: false });
    connection = await connect({ servers: server.url });
    await expect((await jetstreamManager(connection)).streams.info('board')).rejects.toThrow(
      'stream not found',
    );
    await connection.close();
  } finally {
    await server.close();
  }
});

test('a cluster of three NATS servers holds a stream with three replicas', async () => {
  const cluster = await startNatsCluster();
  try {
    const connection = await connect({ servers: [...cluster.urls] });
    const manager = await jetstreamManager(connection);
    const { cluster: replicas } = await manager.streams.add({
      name: 'board',
      subjects: ['board'],
      num_replicas: 3,
    });
    expect(replicas?.replicas).toHaveLength(2);
    await connection.close();
  } finally {
    await cluster.close();
  }
});
