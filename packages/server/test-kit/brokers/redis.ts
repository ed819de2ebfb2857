/** Real Redis servers: one, a replica, Sentinels, a Cluster. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../../../e2e/kit/free-port.ts';
import { findProgram } from '../../../../scripts/lib/find-program.ts';
import { REDIS } from '../../../../scripts/lib/programs.ts';
import { makeFolder, startServerProgram, until, type Broker } from './server-process.ts';

export interface RedisServer extends Broker {
  /** Sends one command on a connection of its own: `command('CONFIG', 'SET', 'maxmemory', '1mb')`. */
  command(...args: readonly [string, ...(string | number)[]]): Promise<unknown>;
}

export interface RedisOptions {
  /** Directives of redis.conf. Default: no snapshots, `appendonly yes`, `appendfsync no`, `noeviction`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Port of the master of this replica. A relay's port makes the link breakable. */
  readonly replicaOf?: number;
}

export async function startRedis({ settings = {}, replicaOf }: RedisOptions = {}): Promise<RedisServer> {
  return await startWith(await freePort(), {
    save: '',
    appendonly: 'yes',
    // A crash of the process loses nothing: the system has the bytes.
    appendfsync: 'no',
    'repl-diskless-sync-delay': '0',
    ...(replicaOf === undefined ? {} : { replicaof: `127.0.0.1 ${replicaOf}` }),
    ...settings,
  });
}

/** A replica of the server, connected and in step. */
export async function startReplica(
  master: { readonly port: number },
  options: RedisOptions = {},
): Promise<RedisServer> {
  const replica = await startRedis({ ...options, replicaOf: master.port });
  await until('the replica has the data of its master', async () => {
    const info = String(await replica.command('INFO', 'replication'));
    if (!info.includes('master_link_status:up')) throw new Error(info);
  });
  return replica;
}

export interface Sentinels {
  /** The name of the master: `linefeed`. */
  readonly name: string;
  readonly sentinels: readonly RedisServer[];
  /** Port of the master, as the first running Sentinel knows it. */
  masterPort(): Promise<number>;
  close(): Promise<void>;
}

export interface SentinelOptions {
  readonly master: RedisServer;
  /** Number of replicas of the master: they are known when this resolves. */
  readonly replicas: number;
  /** Default: 1. The quorum is the majority. */
  readonly count?: number;
  /** Time after which a silent master is down. Default: 500. */
  readonly downAfterMs?: number;
}

export async function startSentinels({
  master,
  replicas,
  count = 1,
  downAfterMs = 500,
}: SentinelOptions): Promise<Sentinels> {
  const name = 'linefeed';
  const sentinels: RedisServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sentinels.map((sentinel) => sentinel.close()));
  };
  const quorum = Math.floor(count / 2) + 1;
  for (let index = 0; index < count; index += 1) {
    const port = await freePort();
    sentinels.push(
      await startWith(port, {}, (folder) =>
        // Sentinel writes what it learns into this file.
        writeFileSync(
          join(folder, 'redis.conf'),
          [
            `port ${port}`,
            'bind 127.0.0.1',
            `dir ${folder}`,
            `sentinel monitor ${name} 127.0.0.1 ${master.port} ${quorum}`,
            `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
            `sentinel failover-timeout ${name} 3000`,
            '',
          ].join('\n'),
        ),
      ),
    );
  }
  try {
    await until('each Sentinel knows the replicas and the other Sentinels', async () => {
      for (const sentinel of sentinels) {
        const known = (await sentinel.command('SENTINEL', 'replicas', name)) as unknown[];
        const others = (await sentinel.command('SENTINEL', 'sentinels', name)) as unknown[];
        if (known.length < replicas || others.length < count - 1) throw new Error('Not known yet.');
      }
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    name,
    sentinels,
    masterPort: async () =>
      await Promise.any(
        sentinels.map(async (sentinel) => {
          const [, port] = (await sentinel.command('SENTINEL', 'get-master-addr-by-name', name)) as string[];
          return Number(port);
        }),
      ),
    close,
  };
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly ports: readonly number[];
  /** The master that holds the slot of a key. */
  ownerOf(key: string): Promise<RedisServer>;
  close(): Promise<void>;
}

const SLOTS = 16_384;

/** A cluster of three masters with all slots. `replicas: true` adds one replica to each. */
export async function startRedisCluster({
  replicas = false,
  nodeTimeoutMs = 1_000,
}: {
  readonly replicas?: boolean;
  readonly nodeTimeoutMs?: number;
} = {}): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
  };
  try {
    const buses: number[] = [];
    for (let index = 0; index < (replicas ? 6 : 3); index += 1) {
      const bus = await freePort();
      buses.push(bus);
      nodes.push(
        await startRedis({
          settings: {
            'cluster-enabled': 'yes',
            'cluster-port': String(bus),
            'cluster-node-timeout': String(nodeTimeoutMs),
            'cluster-require-full-coverage': 'no',
            'cluster-replica-validity-factor': '0',
          },
        }),
      );
      const node = nodes[index]!;
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      if (index >= 3) continue;
      const from = Math.floor((index * SLOTS) / 3);
      await node.command('CLUSTER', 'ADDSLOTSRANGE', from, Math.floor(((index + 1) * SLOTS) / 3) - 1);
    }
    for (const [index, { port }] of nodes.entries()) {
      for (const other of nodes) {
        if (other.port !== port) await other.command('CLUSTER', 'MEET', '127.0.0.1', port, buses[index]!);
      }
    }
    const isAgreed = async (): Promise<void> => {
      for (const node of nodes) {
        const info = String(await node.command('CLUSTER', 'INFO'));
        const agreed = [
          'cluster_state:ok',
          `cluster_known_nodes:${nodes.length}\r`,
          `cluster_slots_ok:${SLOTS}\r`,
        ];
        if (!agreed.every((line) => info.includes(line))) throw new Error(info);
      }
    };
    await until('all nodes know the cluster', isAgreed);
    for (const [index, node] of nodes.entries()) {
      if (index < 3) continue;
      const master = await nodes[index - 3]!.command('CLUSTER', 'MYID');
      await until('a replica may follow', () => node.command('CLUSTER', 'REPLICATE', String(master)));
      await until('the replica has the data of its master', async () => {
        const info = String(await node.command('INFO', 'replication'));
        if (!info.includes('master_link_status:up')) throw new Error(info);
      });
    }
    await until('all nodes agree', isAgreed);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    nodes,
    ports: nodes.map(({ port }) => port),
    async ownerOf(key) {
      const slot = Number(await Promise.any(nodes.map((node) => node.command('CLUSTER', 'KEYSLOT', key))));
      const slots = (await Promise.any(nodes.map((node) => node.command('CLUSTER', 'SLOTS')))) as [
        number,
        number,
        [string, number],
      ][];
      const [, , [, port]] = slots.find(([from, to]) => from <= slot && slot <= to)!;
      return nodes.find((node) => node.port === port)!;
    },
    close,
  };
}

async function startWith(
  port: number,
  settings: Readonly<Record<string, string>>,
  prepare?: (folder: string) => void,
): Promise<RedisServer> {
  const lines = { port: String(port), bind: '127.0.0.1', ...settings };
  const command = async (...[name, ...args]: readonly [string, ...(string | number)[]]): Promise<unknown> => {
    const client = new Redis({
      port,
      lazyConnect: true,
      connectTimeout: 5_000,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
    });
    // The rejection of the call has it.
    client.on('error', () => undefined);
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  };
  const broker = await startServerProgram({
    name: 'redis-server',
    program: findProgram(REDIS),
    args: (folder) => [join(folder, 'redis.conf'), ...(prepare === undefined ? [] : ['--sentinel'])],
    port,
    url: `redis://127.0.0.1:${port}`,
    folder: await makeFolder('redis'),
    prepare: (folder) => {
      if (prepare !== undefined) return prepare(folder);
      const all = Object.entries({ ...lines, dir: folder });
      writeFileSync(
        join(folder, 'redis.conf'),
        all.map(([key, value]) => `${key} ${value === '' ? '""' : value}\n`).join(''),
      );
    },
    deleteData(folder) {
      for (const name of ['appendonlydir', 'dump.rdb', 'nodes.conf']) {
        rmSync(join(folder, name), { recursive: true, force: true });
      }
    },
    // A server that still loads its file answers with an error.
    probe: async () => void (await command('PING')),
  });
  return Object.assign(broker, { command });
}
