/** Real NATS servers with JetStream: one, or a cluster of three. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../../e2e/kit/free-port.ts';
import { findProgram } from '../../../../scripts/lib/find-program.ts';
import { NATS } from '../../../../scripts/lib/programs.ts';
import { makeFolder, startServerProgram, until, type Broker } from './server-process.ts';

export interface NatsServer extends Broker {
  /** Its name in the cluster; leaders are named by it. */
  readonly name: string;
  /** An answer of its monitoring: `monitor('jsz')`. */
  monitor(path: string): Promise<unknown>;
}

export interface NatsOptions {
  /** More lines of the configuration file, for example `max_payload: 64KB`. */
  readonly config?: string;
}

export async function startNats({ config = '' }: NatsOptions = {}): Promise<NatsServer> {
  return await startWith('n1', await freePort(), config);
}

export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  readonly urls: readonly string[];
  /** Waits until the cluster has a leader, which streams need. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** Three servers; streams may have three replicas. */
export async function startNatsCluster({ config = '' }: NatsOptions = {}): Promise<NatsCluster> {
  const routes = [await freePort(), await freePort(), await freePort()];
  const servers = await Promise.all(
    routes.map(async (route, index) =>
      startWith(
        `n${index + 1}`,
        await freePort(),
        `cluster { name: linefeed, listen: "127.0.0.1:${route}", routes: [${routes
          .map((port) => `"nats://127.0.0.1:${port}"`)
          .join(', ')}] }\n${config}`,
      ),
    ),
  );
  const cluster: NatsCluster = {
    servers,
    urls: servers.map(({ url }) => url),
    ready: async () =>
      await until('the cluster has a leader', async () => {
        const { meta_cluster: meta } = (await Promise.any(
          servers.map((server) => server.monitor('jsz')),
        )) as { meta_cluster?: { leader?: string; cluster_size: number } };
        if (!meta?.leader || meta.cluster_size < 3) throw new Error('There is no leader.');
      }),
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
  await cluster.ready();
  return cluster;
}

async function startWith(name: string, port: number, config: string): Promise<NatsServer> {
  const monitorPort = await freePort();
  const monitor = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${monitorPort}/${path}`, {
      headers: { connection: 'close' },
    });
    if (!response.ok) throw new Error(await response.text());
    return await response.json();
  };
  const broker = await startServerProgram({
    name: 'nats-server',
    program: findProgram(NATS),
    args: (folder) => ['-c', join(folder, 'nats.conf')],
    port,
    url: `nats://127.0.0.1:${port}`,
    folder: await makeFolder('nats'),
    prepare: (folder) =>
      writeFileSync(
        join(folder, 'nats.conf'),
        [
          `server_name: ${name}`,
          `listen: "127.0.0.1:${port}"`,
          `http: "127.0.0.1:${monitorPort}"`,
          `jetstream { store_dir: "${folder}/data" }`,
          config,
          '',
        ].join('\n'),
      ),
    deleteData: (folder) => rmSync(join(folder, 'data'), { recursive: true, force: true }),
    probe: async () => {
      // A server of a cluster is healthy only with the others.
      if (config.includes('cluster {')) await monitor('varz');
      else await monitor('healthz');
    },
  });
  return Object.assign(broker, { name, monitor });
}
