/** Case 16: publishing in batches, against the bare client of the same server. */
import { ratios, runsOf, type Case } from '../lib/case.ts';
import { takeTurns } from '../lib/fan-out.ts';
import { cpuOfBroker, startBrokers, type Brokers } from '../lib/brokers.ts';
import { BROKER_NAMES } from '../lib/logs.ts';
import { Pair } from '../lib/pair.ts';

const AT_ONCE = 100;
/** By count, so that a slow moment of the machine is a long run and not a small one. */
const BATCHES = 60;

const BARE = {
  redis: 'pipelined `XADD`',
  postgres: 'one `INSERT` of all rows',
  nats: 'JetStream publish',
} as const;

interface Publisher {
  readonly pair: Pair;
  readonly brokerCpu: () => number;
  end(): Promise<void>;
}

export const logPublish: Case = {
  name: 'log-publish',
  title: 'Publishing in batches, by log',
  about: `${AT_ONCE} publishes of 100 B are under way at a time, in one process without a client. Each is validated, encoded and appended, and resolves when the server has it. The bare client encodes and sends batches of the same size to the same server: pipelined \`XADD\`, one \`INSERT\` of all rows with a \`NOTIFY\`, or a JetStream publish for each. It has no keys, no bounds by address, no previous positions. CPU is that of the process. The servers write to the memory of the system, not to the disk, so the ratio is that of the work.`,
  columns: ['cpu', 'brokerCpu', 'rate'],
  usesPeers: false,
  async run(settings) {
    const variant = `batches of ${AT_ONCE}, 100 B`;
    const brokers = await startBrokers(settings);
    try {
      const { measurements, missing } = await takeTurns<Publisher>(
        {
          variant,
          contenders: brokers.logs.flatMap((log) => [`bare-${log}`, `log-${log}`]),
          shown: 'rate',
          start: async ({ name, file, options }) => {
            const pair = await Pair.start(name, file, {
              bytes: 100,
              places: brokers.places,
              key: 'publish',
              ...options,
            });
            const publisher: Publisher = {
              pair,
              brokerCpu: cpuOf(brokers, name),
              end: () => pair.end(),
            };
            try {
              // Three runs, so that the code is compiled.
              for (let run = 0; run < 3; run += 1) await measure(publisher);
              return publisher;
            } catch (error) {
              await pair.end();
              throw error;
            }
          },
          measure,
        },
        settings,
      );
      const rate = (name: string): readonly number[] => runsOf(measurements, variant, name, 'rate');
      return {
        measurements,
        missing: [...missing, ...brokers.missing(variant)],
        targets: BROKER_NAMES.map((name) => ({
          text: `publishes per second of \`${name}Log\` against ${BARE[name]} by the bare client: ${variant}`,
          headline: `publishes of \`${name}Log\`, against ${BARE[name]} by the bare client`,
          runs: ratios(rate(`log-${name}`), rate(`bare-${name}`)),
          limit: 0.7,
          direction: 'at least' as const,
        })),
      };
    } finally {
      await brokers.close();
    }
  },
};

async function measure({ pair, brokerCpu }: Publisher): Promise<Record<string, number>> {
  const [before, brokerBefore] = [await pair.cpu(), brokerCpu()];
  const done = await pair.server.call<{ count: number; ms: number }>('action', {
    name: 'publishBatches',
    argument: { batches: BATCHES, count: AT_ONCE },
  });
  const [after, brokerAfter] = [await pair.cpu(), brokerCpu()];
  const used = after.user + after.system - before.user - before.system;
  const cpu = used / done.count;
  return {
    cpu,
    ...(Number.isNaN(brokerAfter) ? {} : { brokerCpu: (brokerAfter - brokerBefore) / done.count }),
    rate: (done.count / done.ms) * 1_000,
  };
}

/** CPU of the server of a contender; `NaN` if it has none. */
function cpuOf({ running }: Brokers, contender: string): () => number {
  const broker = [...running].find(([name]) => contender.endsWith(`-${name}`))?.[1];
  return () => (broker === undefined ? Number.NaN : cpuOfBroker(broker));
}
