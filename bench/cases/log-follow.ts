/** Case 17: the cost of following a log, for a process and for the server of the log. */
import type { Case, Measurement, Missing } from '../lib/case.ts';
import { takeTurns } from '../lib/fan-out.ts';
import type { BrokerName } from '../../packages/server/test-kit/brokers/bare-log.ts';
import { cpuOfBroker, startBrokers, type Brokers } from '../lib/brokers.ts';
import { cpuOfHost, endAll, startHost, waitUntilSeen, type Host } from '../lib/host-process.ts';

const FOLLOWERS = 3;
const BATCH = 100;
const INTERVAL_MS = 20;

/** Two logs on one server: one with its publisher alone, one that other processes follow. */
interface Group {
  readonly alone: Host;
  readonly publisher: Host;
  readonly followers: readonly Host[];
  readonly brokerCpu: () => number;
  end(): Promise<void>;
}

export const logFollow: Case = {
  name: 'log-follow',
  title: 'Following, by log',
  about: `One process publishes batches of ${BATCH} events of 100 B every ${INTERVAL_MS} ms. It follows the log, as every feed does, and so do ${FOLLOWERS} other processes without a connection. The first columns are the CPU for each event of the publisher, and of a process that only follows. CPU of the log’s server: for each event, with the publisher alone. The last column is what each process that follows adds to it. docs/scaling.md uses these values.`,
  columns: ['cpu', 'followCpu', 'brokerCpu', 'sendCpu'],
  usesPeers: false,
  async run(settings) {
    const variant = `batches of ${BATCH}, 100 B`;
    const batches = settings.quick ? 25 : 75;
    const measurements: Measurement[] = [];
    const missing: Missing[] = [];
    const brokers = await startBrokers(settings);
    try {
      // One log after the other: they are not compared, and each has several processes.
      for (const log of brokers.logs) {
        const measured = await takeTurns<Group>(
          {
            variant,
            contenders: [`log-${log}`],
            shown: 'followCpu',
            start: async ({ file, options }) => {
              const group = await startGroup(brokers, file, { ...options }, log !== 'memory');
              try {
                await measure(group, 10);
                return group;
              } catch (error) {
                await group.end();
                throw error;
              }
            },
            measure: (group) => measure(group, batches),
          },
          settings,
        );
        measurements.push(...measured.measurements);
        missing.push(...measured.missing);
      }
      return { measurements, missing: [...missing, ...brokers.missing(variant)], targets: [] };
    } finally {
      await brokers.close();
    }
  },
};

async function startGroup(
  { places, running }: Brokers,
  file: string,
  options: Readonly<Record<string, unknown>>,
  isShared: boolean,
): Promise<Group> {
  const hosts: Host[] = [];
  const start = async (key: string): Promise<Host> => {
    const host = await startHost(file, { bytes: 100, places, key, ...options });
    hosts.push(host);
    return host;
  };
  try {
    const [alone, publisher] = [await start('alone'), await start('followed')];
    for (let index = 0; index < (isShared ? FOLLOWERS : 0); index += 1) await start('followed');
    const broker = running.get(options['log'] as BrokerName);
    return {
      alone,
      publisher,
      followers: hosts.slice(2),
      brokerCpu: () => (broker === undefined ? Number.NaN : cpuOfBroker(broker)),
      end: () => endAll(hosts),
    };
  } catch (error) {
    await endAll(hosts);
    throw error;
  }
}

async function measure(group: Group, batches: number): Promise<Record<string, number>> {
  const alone = await publishWith(group, group.alone, [], batches);
  const followed = await publishWith(group, group.publisher, group.followers, batches);
  const { length } = group.followers;
  return {
    cpu: alone.cpu,
    ...(length === 0 ? {} : { followCpu: followed.followCpu / length }),
    ...(Number.isNaN(alone.brokerCpu)
      ? {}
      : { brokerCpu: alone.brokerCpu, sendCpu: (followed.brokerCpu - alone.brokerCpu) / length }),
  };
}

async function publishWith(
  { brokerCpu }: Group,
  publisher: Host,
  followers: readonly Host[],
  batches: number,
): Promise<{ readonly cpu: number; readonly followCpu: number; readonly brokerCpu: number }> {
  const all = [publisher, ...followers];
  const seen = await Promise.all(all.map((host) => host.action<number>('seen')));
  const [before, brokerBefore] = [await Promise.all(all.map(cpuOfHost)), brokerCpu()];
  const count = await publisher.action<number>('publishAt', {
    batches,
    count: BATCH,
    intervalMs: INTERVAL_MS,
  });
  for (const [index, host] of all.entries()) await waitUntilSeen(host, seen[index]! + count);
  const [after, brokerAfter] = [await Promise.all(all.map(cpuOfHost)), brokerCpu()];
  const each = all.map((_, index) => (after[index]! - before[index]!) / count);
  return {
    cpu: each[0]!,
    followCpu: each.slice(1).reduce((sum, value) => sum + value, 0),
    brokerCpu: (brokerAfter - brokerBefore) / count,
  };
}
