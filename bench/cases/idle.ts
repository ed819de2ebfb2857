/** Case 3: connections that only stay open, and the pings that keep them so. */
import { ratios, runsOf, type Case, type Measurement, type Target } from '../lib/case.ts';
import { chooseContenders, firstLine, note } from '../lib/fan-out.ts';
import { Pair, sleep } from '../lib/pair.ts';
import { median } from '../lib/stats.ts';

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
/** Opened before the first look at the memory: what is made once is not counted. */
const FIRST = 1_000;
const PING_MS = 15_000;
const NO_PINGS_MS = 3_600_000;

export const idle: Case = {
  name: 'idle',
  title: 'Idle connections: memory, connecting, pings',
  about:
    'What each further connection adds to the process, after a full garbage collection. The young generation of the heap is left out: V8 lets it grow to its bound (some 100 MB) with the first few thousand connections, and no further. CPU per connect is that of opening them. Each run is a process of its own. Pings: all connections are silent, and get one every 15 s.',
  columns: ['rss', 'heap', 'connectCpu', 'pingCore'],
  plot: 'rss',
  usesPeers: true,
  async run(settings) {
    const { connections = settings.quick ? 5_000 : 10_000, say } = settings;
    const rounds = Math.min(settings.rounds, 3);
    const variant = `${connections.toLocaleString('en')} connections`;
    const { chosen, missing } = chooseContenders(NAMES, settings.only);
    const metrics = new Map<string, Record<string, number[]>>();
    for (let round = 1; round <= rounds; round += 1) {
      for (const { name, file } of chosen) {
        if (missing[name] !== undefined) continue;
        try {
          const values = metrics.get(name) ?? {};
          const seen = await measureMemory(name, file, connections);
          for (const [metric, value] of Object.entries(seen)) note(values, metric, value);
          metrics.set(name, values);
        } catch (error) {
          missing[name] = firstLine(error);
        }
      }
      const line = [...metrics].map(([name, { rss }]) => `${name} ${rss!.at(-1)!.toFixed(1)}`);
      say(`  run ${round} of ${rounds}, kB per connection: ${line.join(', ')}`);
    }
    const linefeed = metrics.get('linefeed');
    if (linefeed !== undefined)
      linefeed['pingCore'] = await measurePings(connections, settings.quick ? 1 : 3);
    const measurements: Measurement[] = [...metrics].map(([contender, values]) => ({
      variant,
      contender,
      metrics: values,
    }));
    const targets: Target[] = [
      {
        text: `RSS per idle connection against a bare \`res.write\` server: ${variant}`,
        runs: ratios(
          runsOf(measurements, variant, 'linefeed', 'rss'),
          runsOf(measurements, variant, 'res-write', 'rss'),
        ),
        headline: 'memory of an idle connection, against a bare response of Node',
        limit: 1.25,
        direction: 'at most',
      },
      {
        text: `pings to ${variant} every 15 s, of one core`,
        runs: linefeed?.['pingCore'] ?? [],
        limit: 3,
        direction: 'at most',
        unit: '%',
      },
    ];
    return { measurements, targets, missing };
  },
};

/** RSS of an idle connection of Linefeed against one of a bare `res.write` server. */
export async function compareMemory(connections: number, rounds: number): Promise<number> {
  const values: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const linefeed = await measureMemory('linefeed', 'contenders/linefeed.ts', connections);
    const bare = await measureMemory('res-write', 'contenders/res-write.ts', connections);
    values.push(linefeed.rss / bare.rss);
  }
  return median(values);
}

async function measureMemory(
  name: string,
  file: string,
  connections: number,
): Promise<Record<'rss' | 'heap' | 'connectCpu', number>> {
  const pair = await Pair.start(name, file, { bytes: 100, pingMs: NO_PINGS_MS });
  try {
    await pair.connect(FIRST);
    const before = await pair.memory();
    const began = await pair.cpu();
    await pair.connect(connections - FIRST);
    const ended = await pair.cpu();
    const after = await pair.memory();
    const each = (bytes: number): number => bytes / 1_024 / (connections - FIRST);
    return {
      rss: each(after.rss - after.young - (before.rss - before.young)),
      heap: each(after.heapUsed - before.heapUsed),
      connectCpu: (ended.user + ended.system - began.user - began.system) / (connections - FIRST),
    };
  } finally {
    await pair.end();
  }
}

/** Percent of a core, less what the same connections take without pings. */
async function measurePings(connections: number, rounds: number): Promise<number[]> {
  const pairs: Pair[] = [];
  try {
    for (const pingMs of [PING_MS, NO_PINGS_MS]) {
      const pair = await Pair.start('linefeed', 'contenders/linefeed.ts', { bytes: 100, pingMs });
      pairs.push(pair);
      await pair.connect(connections);
    }
    await sleep(PING_MS);
    const values: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const before = await Promise.all(pairs.map((pair) => pair.cpu()));
      await sleep(PING_MS);
      const after = await Promise.all(pairs.map((pair) => pair.cpu()));
      const [pinging = 0, silent = 0] = after.map(
        ({ user, system }, index) => user + system - before[index]!.user - before[index]!.system,
      );
      values.push(((pinging - silent) / (PING_MS * 1_000)) * 100);
    }
    return values;
  } finally {
    await Promise.all(pairs.map((pair) => pair.end()));
  }
}
