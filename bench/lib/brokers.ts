/** The servers of the logs that the bench compares. Only the main process starts them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrokerName } from '../../packages/server/test-kit/brokers/bare-log.ts';
import { startNats } from '../../packages/server/test-kit/brokers/nats.ts';
import { startPostgres } from '../../packages/server/test-kit/brokers/postgres.ts';
import { startRedis } from '../../packages/server/test-kit/brokers/redis.ts';
import type { Broker } from '../../packages/server/test-kit/brokers/server-process.ts';
import type { Missing, Settings } from './case.ts';
import { makeFolder } from './folder.ts';
import { BROKER_NAMES, LOG_NAMES, type LogName, type Places } from './logs.ts';

export interface Brokers {
  readonly places: Places;
  readonly running: ReadonlyMap<BrokerName, Broker>;
  /** Logs that can be measured. */
  readonly logs: readonly LogName[];
  missing(variant: string): Missing[];
  close(): Promise<void>;
}

const START: Readonly<Record<BrokerName, () => Promise<Broker>>> = {
  redis: startRedis,
  postgres: startPostgres,
  nats: startNats,
};

/** Starts one server of each kind that is installed, with its contents in a temporary folder. */
export async function startBrokers({ only, say }: Settings): Promise<Brokers> {
  const running = new Map<BrokerName, Broker>();
  const failures = new Map<BrokerName, string>();
  for (const name of BROKER_NAMES) {
    if (only !== undefined && !only.some((chosen) => chosen.endsWith(`-${name}`))) continue;
    try {
      running.set(name, await START[name]());
    } catch (error) {
      failures.set(name, (error as Error).message.split('\n', 1)[0]!);
      say(`  ${name} is left out: ${failures.get(name)}`);
    }
  }
  return {
    places: {
      folder: makeFolder('linefeed-bench-logs-'),
      urls: Object.fromEntries([...running].map(([name, { url }]) => [name, url])),
    },
    running,
    logs: LOG_NAMES.filter((name) => name === 'memory' || name === 'sqlite' || running.has(name)),
    missing: (variant) => [...failures].map(([name, why]) => ({ variant, contender: `log-${name}`, why })),
    async close() {
      await Promise.all([...running.values()].map((broker) => broker.close()));
    },
  };
}

/** CPU of all threads of a server, in microseconds. */
export function cpuOfBroker(broker: Broker): number {
  let ns = 0;
  for (const pid of broker.pids()) {
    for (const thread of threadsOf(pid)) {
      try {
        ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
      } catch {
        // It has ended.
      }
    }
  }
  return ns / 1_000;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(join('/proc', String(pid), 'task'));
  } catch {
    return [];
  }
}
