/** Case 2: many events in one tick. */
import { many, ratios, runsOf, type Case, type Measurement, type Missing, type Target } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';

/** A contender that needs over 20 µs for an event would need seconds for one tick of 100. */
const QUICK_ONES = ['linefeed', 'floor', 'res-write', 'nchan', 'fastify-sse', 'better-sse'];

export const burst: Case = {
  name: 'burst',
  title: 'Bursts: 10 and 100 events per tick',
  about:
    'As above, but each tick brings several events. The bare loop writes each event by itself; Linefeed writes what a tick brought to a connection in one piece.',
  columns: ['cpu', 'system', 'perCpuSecond', 'rate'],
  plot: 'cpu',
  usesPeers: true,
  async run(settings) {
    const { connections = 1_000, bytes = 100 } = settings;
    const measurements: Measurement[] = [];
    const missing: Missing[] = [];
    const targets: Target[] = [];
    for (const [count, limit, names] of [
      [10, 5, [...QUICK_ONES, 'h3', 'hono', 'trpc']],
      [100, 20, QUICK_ONES],
    ] as const) {
      const variant = `${count} events per tick, ${many(connections)} connections, ${many(bytes)} B`;
      const measured = await measureFanOut(
        { variant, connections, bytes, contenders: names, count, minTicks: 2 },
        settings,
      );
      measurements.push(...measured.measurements);
      missing.push(...measured.missing);
      const rate = (name: string): readonly number[] => runsOf(measurements, variant, name, 'perCpuSecond');
      targets.push({
        text: `events per CPU second against a bare loop that writes each: ${count} per tick`,
        runs: ratios(rate('linefeed'), rate('floor')),
        limit,
        direction: 'at least',
        headline: `events for the same CPU, ${count} in a tick, against a loop that writes each`,
      });
    }
    return { measurements, targets, missing };
  },
};
