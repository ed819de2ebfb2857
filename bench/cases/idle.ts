/** Case 3: idle connections, and the pings that keep them open. */
import {
  many,
  ratios,
  runsOf,
  type Case,
  type Measurement,
  type Settings,
  type Target,
} from '../lib/case.ts';
import { takeTurns, type Measured } from '../lib/fan-out.ts';
import { metricsOf, NO_PINGS_MS, SMALL_YOUNG, weighConnections } from '../lib/memory.ts';
import { Pair, sleep } from '../lib/pair.ts';

const NAMES = [
  'linefeed',
  'res-write',
  'nchan',
  'fastify-sse',
  'better-sse',
  'h3',
  'hono',
  'graphql-sse',
  'orpc',
  'trpc',
];
/** Opened before the first memory measurement, or half of them: one-time allocations are not counted. */
const FIRST = 1_000;
const PING_MS = 15_000;

export const idle: Case = {
  name: 'idle',
  title: 'Idle connections: memory, connecting, pings',
  about:
    'Memory that each further connection adds to the process, after a full garbage collection; each run is a process of its own. V8 sizes the young generation of its heap by the recent rate of allocation, and does not shrink it when it is empty. The first column includes its growth, the second does not. The second table limits it to its minimum in both servers (`--max-semi-space-size=1`), so that it cannot grow. CPU per connect is the CPU time of one opening. Pings: all connections are silent, and get a ping every 15 s; the CPU time of the same connections without pings is subtracted.',
  columns: ['rss', 'rssLessYoung', 'heap', 'connectCpu', 'pingCore'],
  plot: 'rss',
  usesPeers: true,
  async run(settings) {
    const { connections = settings.quick ? 5_000 : 10_000, say } = settings;
    const variant = `${many(connections)} connections`;
    const small = `${variant}, young generation held at its least`;
    const weighed = [
      await weighInTurns(variant, connections, NAMES, [], settings),
      await weighInTurns(small, connections, ['linefeed', 'res-write'], SMALL_YOUNG, settings),
    ];
    const measurements: Measurement[] = weighed.flatMap((one) => one.measurements);
    let pings: number[] = [];
    if (settings.only?.includes('linefeed') ?? true) {
      // A run takes the time of a ping interval.
      const rounds = settings.quick ? 1 : settings.rounds;
      say(`  pings: ${((rounds + 1.5) * PING_MS) / 1_000} s`);
      pings = (await measurePings(connections, PING_MS, rounds)).map((us) => (us / (PING_MS * 1_000)) * 100);
      measurements.push({
        variant: `${variant}, pings`,
        contender: 'linefeed',
        metrics: { pingCore: pings },
      });
    }
    const compare = (which: string, metric: string): readonly number[] =>
      ratios(
        runsOf(measurements, which, 'linefeed', metric),
        runsOf(measurements, which, 'res-write', metric),
      );
    const target = (text: string, runs: readonly number[]): Target => ({
      text: `${text}: ${variant}`,
      runs,
      limit: 1.25,
      direction: 'at most',
    });
    return {
      measurements,
      missing: weighed.flatMap((one) => one.missing),
      targets: [
        {
          ...target('RSS per idle connection against a bare `res.write` server', compare(variant, 'rss')),
          headline: 'memory (RSS) of an idle connection, against a bare response of Node',
        },
        target('the same without V8’s young generation', compare(variant, 'rssLessYoung')),
        target('the same RSS, young generation held at its least in both', compare(small, 'rss')),
        {
          text: `pings to ${variant} every 15 s, of one core`,
          headline: `a ping every 15 s to ${variant}, of one core`,
          runs: pings,
          limit: 3,
          direction: 'at most',
          unit: '%',
        },
      ],
    };
  },
};

async function weighInTurns(
  variant: string,
  connections: number,
  contenders: readonly string[],
  flags: readonly string[],
  settings: Settings,
): Promise<Measured> {
  const sizes = [Math.min(FIRST, Math.floor(connections / 2)), connections];
  return await takeTurns(
    {
      variant,
      contenders,
      shown: 'rss',
      // Each run starts its own process.
      start: (entry) => Promise.resolve({ entry, end: () => Promise.resolve() }),
      measure: async ({ entry }) => {
        const [weight] = await weighConnections(entry, sizes, flags);
        return metricsOf(weight!);
      },
    },
    settings,
  );
}

/** Microseconds of CPU for the pings of one interval, minus the cost of the same connections without pings. */
export async function measurePings(connections: number, pingMs: number, rounds: number): Promise<number[]> {
  const pairs: Pair[] = [];
  try {
    for (const interval of [pingMs, NO_PINGS_MS]) {
      const pair = await Pair.start('linefeed', 'contenders/linefeed.ts', { bytes: 100, pingMs: interval });
      pairs.push(pair);
      await pair.connect(connections);
    }
    // The pings are in the middle of each run, not at its edge.
    await sleep(pingMs * 1.5);
    const values: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const before = await Promise.all(pairs.map((pair) => pair.cpu()));
      const bytes = await pairs[0]!.load.call<number>('received');
      await sleep(pingMs);
      const after = await Promise.all(pairs.map((pair) => pair.cpu()));
      const got = (await pairs[0]!.load.call<number>('received')) - bytes;
      if (got < connections) throw new Error(`${got} bytes of pings came to ${connections} connections.`);
      const [pinging = 0, silent = 0] = after.map(
        ({ user, system }, index) => user + system - before[index]!.user - before[index]!.system,
      );
      values.push(pinging - silent);
    }
    return values;
  } finally {
    await Promise.all(pairs.map((pair) => pair.end()));
  }
}
