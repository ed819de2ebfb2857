/** Case 15: the broadcast, by log. */
import { many, ratios, runsOf, type Case } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';
import { startBrokers } from '../lib/brokers.ts';
import { LOG_NAMES } from '../lib/logs.ts';

export const logFanout: Case = {
  name: 'log-fanout',
  title: 'Broadcast, by log',
  about:
    'The broadcast of the first case with each log. One process publishes, follows the log and writes to its connections. The CPU is that of this process. The server of the log has its own.',
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const { connections = 1_000, bytes = 100 } = settings;
    const variant = `${many(connections)} connections, ${many(bytes)} B`;
    const brokers = await startBrokers(settings);
    try {
      const { measurements, missing } = await measureFanOut(
        {
          variant,
          connections,
          bytes,
          contenders: brokers.logs.map((log) => `log-${log}`),
          options: { places: brokers.places, key: 'fanout' },
        },
        settings,
      );
      const cpu = (log: string): readonly number[] => runsOf(measurements, variant, `log-${log}`, 'cpu');
      return {
        measurements,
        missing: [...missing, ...brokers.missing(variant)],
        targets: LOG_NAMES.slice(1).map((log) => ({
          text: `CPU per event with \`${log}Log\` against \`memoryLog\`: ${variant}`,
          ...(log === 'redis' ? { headline: 'CPU of an event with `redisLog`, against `memoryLog`' } : {}),
          runs: ratios(cpu(log), cpu('memory')),
          limit: 1.1,
          direction: 'at most' as const,
        })),
      };
    } finally {
      await brokers.close();
    }
  },
};
