/** Case 1: one event per tick to every connection. */
import { many, ratios, runsOf, type Case, type Measurement, type Missing, type Target } from '../lib/case.ts';
import { BROADCASTER_NAMES } from '../lib/contenders.ts';
import { measureFanOut } from '../lib/fan-out.ts';

/** The pace at which latencies are measured: less than half of a bare loop's maximum here. */
const EVENTS_PER_SECOND = 50_000;

export const fanout: Case = {
  name: 'fanout',
  title: 'Broadcast: one event per tick to everybody',
  about: `All connections are open and get every event. A tick is sent when the one before has arrived everywhere. Latencies are taken apart from that, with ticks at fixed times that make ${many(EVENTS_PER_SECOND)} events per second; whose CPU does not suffice for a fifth more than that has none.`,
  columns: ['cpu', 'system', 'rate', 'p50', 'p99', 'p999'],
  plot: 'cpu',
  usesPeers: true,
  async run(settings) {
    const sizes = settings.connections === undefined ? [1_000, 5_000] : [settings.connections];
    const payloads = settings.bytes === undefined ? [100, 1_000] : [settings.bytes];
    const measurements: Measurement[] = [];
    const missing: Missing[] = [];
    const targets: Target[] = [];
    for (const connections of sizes) {
      for (const bytes of payloads) {
        const variant = `${many(connections)} connections, ${many(bytes)} B`;
        const measured = await measureFanOut(
          {
            variant,
            connections,
            bytes,
            contenders: BROADCASTER_NAMES,
            open: {
              ticks: settings.quick ? 20 : 100,
              intervalMs: (connections * 1_000) / EVENTS_PER_SECOND,
            },
          },
          settings,
        );
        measurements.push(...measured.measurements);
        missing.push(...measured.missing);
        const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
        const limits = [
          ['floor', 1.1, 'a bare loop of `socket.write`'],
          ['nchan', 1, 'nchan'],
          ['better-sse', 1 / 2, 'better-sse'],
          ['trpc', 1 / 15, 'tRPC'],
        ] as const;
        for (const [name, limit, title] of limits) {
          targets.push({
            text: `CPU per event against ${title}: ${variant}`,
            runs: ratios(cpu('linefeed'), cpu(name)),
            limit,
            direction: 'at most',
            ...(name === 'floor' ? {} : { floor: ratios(cpu('floor'), cpu(name)) }),
            ...(connections === sizes[0] && (bytes === payloads[0] || name === 'better-sse')
              ? {
                  headline: `CPU of an event of ${many(bytes)} B to ${many(connections)} connections, against ${title}`,
                }
              : {}),
          });
        }
      }
    }
    return { measurements, targets, missing };
  },
};
