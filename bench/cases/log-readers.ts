/** Case 18: what readers cost the server of a log: nothing. */
import { many, ratios, runsOf, type Case } from '../lib/case.ts';
import { note, takeTurns } from '../lib/fan-out.ts';
import type { BrokerName } from '../../packages/server/test-kit/brokers/bare-log.ts';
import { cpuOfBroker, startBrokers } from '../lib/brokers.ts';
import { Pair } from '../lib/pair.ts';

const BATCH = 100;
const BYTES = 100;
/** One batch to 5,000 connections takes about 0.1 s. */
const INTERVAL_MS = 300;

interface Both {
  readonly empty: Pair;
  /** Writes as much as `full` while `empty` is measured. */
  readonly beside: Pair;
  readonly full: Pair;
  end(): Promise<void>;
}

export const logReaders: Case = {
  name: 'log-readers',
  title: 'An append at the server of a log, without and with readers',
  about: `Two processes, each with a log of its own on the same server: one has no connection, the other one many. Each publishes batches of ${BATCH} events of ${BYTES} B every ${INTERVAL_MS} ms, in turns. Writing to many sockets slows every other process of the machine down. So while the one without connections is measured, a third process with \`memoryLog\` writes the same events to as many connections. The CPU is that of all threads of the server, for each event. It includes the tail of the process.`,
  columns: ['brokerCpu'],
  usesPeers: false,
  async run(settings) {
    const connections = settings.connections ?? (settings.quick ? 1_000 : 5_000);
    const batches = settings.quick ? 5 : 10;
    const [without, withReaders] = ['no reader', `${many(connections)} readers`];
    const full = new Map<string, Record<string, number[]>>();
    const brokers = await startBrokers(settings);
    try {
      const { measurements, missing } = await takeTurns<Both>(
        {
          variant: without,
          contenders: brokers.logs
            .filter((log) => brokers.running.has(log as BrokerName))
            .map((log) => `log-${log}`),
          shown: 'brokerCpu',
          start: async ({ name, file, options }) => {
            const pairs: Pair[] = [];
            const end = async (): Promise<void> => {
              await Promise.all(pairs.map((pair) => pair.end()));
            };
            const start = async (key: string, own: object): Promise<Pair> => {
              const pair = await Pair.start(name, file, {
                bytes: BYTES,
                places: brokers.places,
                key,
                ...options,
                ...own,
              });
              pairs.push(pair);
              return pair;
            };
            try {
              const both: Both = {
                empty: await start('no-readers', {}),
                beside: await start('beside', { log: 'memory' }),
                full: await start('readers', {}),
                end,
              };
              for (const pair of [both.beside, both.full]) await pair.connect(connections);
              for (const pair of pairs) await publishIn(pair, 2);
              return both;
            } catch (error) {
              await end();
              throw error;
            }
          },
          measure: async ({ empty, beside, full: pair }) => {
            const broker = brokers.running.get(pair.name.replace('log-', '') as BrokerName)!;
            const metrics = full.get(pair.name) ?? {};
            full.set(pair.name, metrics);
            const cost = async (one: Pair): Promise<number> => {
              const before = cpuOfBroker(broker);
              const [count] = await Promise.all([
                publishIn(one, batches),
                one === empty ? publishIn(beside, batches) : undefined,
              ]);
              return (cpuOfBroker(broker) - before) / count;
            };
            // The order changes, so that a drift of the machine does not favour one of them.
            const isOdd = (metrics['brokerCpu']?.length ?? 0) % 2 === 1;
            const first = await cost(isOdd ? pair : empty);
            const second = await cost(isOdd ? empty : pair);
            note(metrics, 'brokerCpu', isOdd ? first : second);
            return { brokerCpu: isOdd ? second : first };
          },
        },
        settings,
      );
      return {
        measurements: [
          ...measurements,
          ...[...full].map(([contender, metrics]) => ({ variant: withReaders, contender, metrics })),
        ],
        missing: [...missing, ...brokers.missing(without)],
        targets: measurements.map(({ contender }) => ({
          text: `CPU of an append at the server of \`${contender.replace('log-', '')}Log\`: ${withReaders} against none`,
          ...(contender === 'log-redis'
            ? { headline: `CPU of an append at Redis with ${withReaders}, against none` }
            : {}),
          runs: ratios(
            full.get(contender)?.['brokerCpu'] ?? [],
            runsOf(measurements, without, contender, 'brokerCpu'),
          ),
          limit: 0.05,
          direction: 'within' as const,
        })),
      };
    } finally {
      await brokers.close();
    }
  },
};

async function publishIn({ server }: Pair, batches: number): Promise<number> {
  return await server.call<number>('action', {
    name: 'publishAt',
    argument: { batches, count: BATCH, intervalMs: INTERVAL_MS },
  });
}
