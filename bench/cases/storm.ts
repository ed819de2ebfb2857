/** Cases 6 and 7: clients that come back for what they missed. */
import { ratios, runsOf, type Case, type Measurement, type Settings, type Target } from '../lib/case.ts';
import { chooseContenders, note } from '../lib/fan-out.ts';
import { Pair } from '../lib/pair.ts';

interface Resumption {
  readonly variant: string;
  readonly clients: number;
  readonly events: number;
  readonly contenders: readonly string[];
}

/** All clients at once, from the same cursor; then they leave, and the other contender has its turn. */
async function measureResuming(
  { variant, clients, events, contenders }: Resumption,
  settings: Settings,
): Promise<Measurement[]> {
  const { chosen } = chooseContenders(contenders, settings.only);
  const pairs: Pair[] = [];
  const metrics = new Map<string, Record<string, number[]>>();
  try {
    for (const { name, file, options } of chosen) {
      pairs.push(await Pair.start(name, file, { bytes: settings.bytes ?? 100, events, ...options }));
      metrics.set(name, {});
    }
    // Two to warm up.
    for (let round = -1; round <= settings.rounds; round += 1) {
      for (const pair of pairs) {
        const cursor = await pair.server.call<string | undefined>('action', { name: 'cursor' });
        await pair.server.call('gc');
        await pair.server.call('watchLoop');
        const { marks } = await pair.load.call<{ marks: number }>('received');
        const before = await pair.cpu();
        const began = performance.now();
        await pair.load.call('connect', {
          target: pair.target,
          count: clients,
          parallel: clients,
          ...(cursor === undefined ? {} : { lastEventId: cursor }),
        });
        await pair.load.call('awaitMarks', { count: clients * events, from: marks });
        const ms = performance.now() - began;
        const after = await pair.cpu();
        const stall = await pair.server.call<number>('longestStall');
        await pair.load.call('disconnect');
        await pair.waitForSubscribers(0);
        if (round < 1) continue;
        const values = metrics.get(pair.name)!;
        const system = after.system - before.system;
        const used = after.user - before.user + system;
        note(values, 'connectCpu', used / clients);
        note(values, 'cpu', used / clients / events);
        note(values, 'system', system / clients / events);
        note(values, 'rate', (clients * events * 1_000) / ms);
        note(values, 'stall', stall);
      }
      if (round < 1) continue;
      const line = [...metrics].map(([name, { cpu }]) => `${name} ${cpu!.at(-1)!.toFixed(2)}`);
      settings.say(`  run ${round} of ${settings.rounds}, µs per event: ${line.join(', ')}`);
    }
  } finally {
    await Promise.all(pairs.map((pair) => pair.end()));
  }
  return [...metrics].map(([contender, values]) => ({ variant, contender, metrics: values }));
}

export const storm: Case = {
  name: 'storm',
  title: 'A storm: 5,000 clients come back at once',
  about:
    'Each resumes 100 events. The floor is a server that writes the head and the same bytes, made before. The longest stall is the longest time in which the event loop of the server did nothing else.',
  columns: ['connectCpu', 'rate', 'stall'],
  usesPeers: false,
  async run(settings) {
    const clients = settings.connections ?? (settings.quick ? 2_000 : 5_000);
    const variant = `${clients.toLocaleString('en')} clients, 100 events each`;
    const measurements = await measureResuming(
      { variant, clients, events: 100, contenders: ['linefeed-history', 'floor-history'] },
      settings,
    );
    const runs = (name: string, metric: string): readonly number[] =>
      runsOf(measurements, variant, name, metric);
    return {
      measurements,
      targets: [
        {
          text: 'CPU per resumed connection against a bare connect and the bytes',
          runs: ratios(runs('linefeed-history', 'connectCpu'), runs('floor-history', 'connectCpu')),
          limit: 2,
          direction: 'at most',
        },
        {
          text: `longest stall of the event loop: ${variant}`,
          runs: runs('linefeed-history', 'stall'),
          limit: 50,
          direction: 'at most',
          unit: 'ms',
        },
        {
          text: 'the same stall against that of the bare server',
          runs: ratios(runs('linefeed-history', 'stall'), runs('floor-history', 'stall')),
          limit: 1,
          direction: 'at most',
        },
      ] satisfies Target[],
    };
  },
};

export const replay: Case = {
  name: 'replay',
  title: 'A long replay: 100,000 events to one client',
  about:
    'Read page by page from the log in memory. The floor writes the same bytes, made before; the other bare loop makes them as it goes, as Linefeed does, which keeps no encoded copy of its log.',
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const events = settings.quick ? 20_000 : 100_000;
    const variant = `${events.toLocaleString('en')} events, ${settings.bytes ?? 100} B`;
    const measurements = await measureResuming(
      { variant, clients: 1, events, contenders: ['linefeed-history', 'floor-history', 'floor-encoding'] },
      settings,
    );
    const rate = (name: string): readonly number[] => runsOf(measurements, variant, name, 'rate');
    return {
      measurements,
      targets: [
        {
          text: 'events per second against writing the same bytes',
          runs: ratios(rate('linefeed-history'), rate('floor-history')),
          limit: 0.8,
          direction: 'at least',
        },
        {
          text: 'events per second against a bare loop that encodes each page',
          runs: ratios(rate('linefeed-history'), rate('floor-encoding')),
          limit: 0.8,
          direction: 'at least',
        },
      ],
    };
  },
};
