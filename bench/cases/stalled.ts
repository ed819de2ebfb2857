/** Case 8: one reader that takes nothing, among many that do. */
import { many, ratios, type Case, type Measurement } from '../lib/case.ts';
import { note } from '../lib/fan-out.ts';
import { Pair } from '../lib/pair.ts';

/** The stalled reader must stay connected to the last run; a feed cuts it after 30 s by default. */
const STALL_TIMEOUT_MS = 1_800_000;

export const stalled: Case = {
  name: 'stalled',
  title: 'One stalled reader among many',
  about: 'Latencies of the others, with ticks at fixed times, beside those of the same server without it.',
  columns: ['p50', 'p99', 'p999'],
  usesPeers: false,
  async run(settings) {
    const { connections = 1_000, bytes = 1_000 } = settings;
    const variant = `${many(connections)} connections, ${many(bytes)} B`;
    const pairs: Pair[] = [];
    const metrics: Array<Record<string, number[]>> = [{}, {}];
    try {
      for (const name of ['all read', 'one stalled']) {
        const pair = await Pair.start(name, 'contenders/linefeed.ts', {
          bytes,
          stallTimeoutMs: STALL_TIMEOUT_MS,
        });
        pairs.push(pair);
        await pair.connect(connections + 1);
        await pair.cost({ ms: settings.runMs });
      }
      await pairs[1]!.load.call('stall');
      // More than the kernel and the connection's bound can buffer for it; the other server gets the same warm-up.
      for (const pair of pairs) await pair.cost({ ms: 10_000, minTicks: 2, maxTicks: 1_500, count: 10 });
      for (let round = 0; round < settings.rounds; round += 1) {
        const turn = [...pairs.entries()];
        for (const [index, pair] of round % 2 === 0 ? turn : turn.toReversed()) {
          const latency = await pair.latency({ ticks: settings.quick ? 20 : 100, intervalMs: 25 });
          // Including the stalled one.
          const open = await pair.server.call<number>('subscribers');
          if (open !== connections + 1) throw new Error(`${open} of ${connections + 1} streams are open.`);
          for (const metric of ['p50', 'p99', 'p999'] as const)
            note(metrics[index]!, metric, latency[metric]);
        }
        settings.say(
          `  run ${round + 1} of ${settings.rounds}, p99 in ms: ${metrics.map(({ p99 }) => p99!.at(-1)!.toFixed(2)).join(', with one stalled ')}`,
        );
      }
    } finally {
      await Promise.all(pairs.map((pair) => pair.end()));
    }
    const measurements: Measurement[] = [
      { variant, contender: '**Linefeed**, all read', metrics: metrics[0]! },
      { variant, contender: '**Linefeed**, one stalled', metrics: metrics[1]! },
    ];
    return {
      title: `One stalled reader among ${many(connections)}`,
      measurements,
      targets: [
        {
          text: 'p99 of the others against p99 where all read',
          headline: 'p99 latency of the others when one reader stalls, against that when all read',
          runs: ratios(metrics[1]!['p99']!, metrics[0]!['p99']!),
          limit: 1.2,
          direction: 'at most',
        },
      ],
    };
  },
};
