/** Case 9: a source that runs for each client. */
import { ratios, runsOf, type Case, type Measurement, type Target } from '../lib/case.ts';
import { chooseContenders, measureFanOut, note } from '../lib/fan-out.ts';
import { Pair } from '../lib/pair.ts';

export const streams: Case = {
  name: 'streams',
  title: 'Streams: 1,000 sources at once',
  about:
    'Each client opens a stream of its own: an async generator that yields events with ids. First one event per tick, when an emitter says so; then 100 as fast as they are taken, connecting included. Linefeed validates each event, as its contract wants; the tRPC procedure has no output schema.',
  columns: ['cpu', 'system', 'rate'],
  plot: 'cpu',
  usesPeers: true,
  async run(settings) {
    const { connections = 1_000, bytes = 100 } = settings;
    const events = 100;
    const variant = `${connections.toLocaleString('en')} streams of ${events} events, ${bytes} B`;
    const { chosen, missing } = chooseContenders(['linefeed-streams', 'trpc'], settings.only);
    const pairs: Pair[] = [];
    const metrics = new Map<string, Record<string, number[]>>();
    try {
      for (const { name, file } of chosen) {
        pairs.push(await Pair.start(name, file, { bytes, streamEvents: events }));
        metrics.set(name, {});
      }
      for (let round = 0; round <= settings.rounds; round += 1) {
        for (const pair of pairs) {
          await pair.server.call('gc');
          const { marks } = await pair.load.call<{ marks: number }>('received');
          const before = await pair.cpu();
          const began = performance.now();
          await pair.load.call('connect', { target: pair.target, count: connections, parallel: connections });
          await pair.load.call('awaitMarks', { count: connections * events, from: marks });
          const ms = performance.now() - began;
          const after = await pair.cpu();
          await pair.load.call('disconnect');
          if (round === 0) continue;
          const values = metrics.get(pair.name)!;
          const system = after.system - before.system;
          note(values, 'cpu', (after.user - before.user + system) / connections / events);
          note(values, 'system', system / connections / events);
          note(values, 'rate', (connections * events * 1_000) / ms);
        }
        if (round === 0) continue;
        const line = [...metrics].map(([name, { cpu }]) => `${name} ${cpu!.at(-1)!.toFixed(2)}`);
        settings.say(`  run ${round} of ${settings.rounds}, µs per event: ${line.join(', ')}`);
      }
    } finally {
      await Promise.all(pairs.map((pair) => pair.end()));
    }
    const paced = `${connections.toLocaleString('en')} streams, one event per tick, ${bytes} B`;
    const ticking = await measureFanOut(
      { variant: paced, connections, bytes, contenders: ['linefeed-streams', 'trpc'] },
      settings,
    );
    const measurements: Measurement[] = [
      ...ticking.measurements,
      ...[...metrics].map(([contender, values]) => ({ variant, contender, metrics: values })),
    ];
    const targets: Target[] = [paced, variant].map((which) => ({
      ...(which === paced ? { headline: 'CPU of an event of 1,000 streams, against tRPC' } : {}),
      text: `CPU per event against tRPC: ${which}`,
      runs: ratios(
        runsOf(measurements, which, 'linefeed-streams', 'cpu'),
        runsOf(measurements, which, 'trpc', 'cpu'),
      ),
      limit: 1 / 5,
      direction: 'at most',
    }));
    return { measurements, missing, targets };
  },
};
