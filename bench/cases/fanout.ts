/** Case 1: one event per tick to every connection. */
import { ratios, runsOf, type Case, type Measurement, type Target } from '../lib/case.ts';
import { BROADCASTER_NAMES } from '../lib/contenders.ts';
import { measureFanOut } from '../lib/fan-out.ts';

export const fanout: Case = {
  name: 'fanout',
  title: 'Broadcast: one event per tick to everybody',
  about:
    'All connections are open and get every event. A tick is sent when the one before has arrived everywhere; latencies are taken apart from that, with ticks at fixed times.',
  columns: ['cpu', 'system', 'rate', 'p50', 'p99', 'p999'],
  plot: 'cpu',
  usesPeers: true,
  async run(settings) {
    const sizes = settings.connections === undefined ? [1_000, 5_000] : [settings.connections];
    const payloads = settings.bytes === undefined ? [100, 1_000] : [settings.bytes];
    const measurements: Measurement[] = [];
    const missing: Record<string, string> = {};
    const targets: Target[] = [];
    for (const connections of sizes) {
      for (const bytes of payloads) {
        const variant = `${connections.toLocaleString('en')} connections, ${bytes.toLocaleString('en')} B`;
        const measured = await measureFanOut(
          {
            variant,
            connections,
            bytes,
            contenders: BROADCASTER_NAMES,
            ...(bytes === payloads[0]
              ? { open: { ticks: settings.quick ? 4 : 10, intervalMs: connections / 10 } }
              : {}),
          },
          settings,
        );
        measurements.push(...measured.measurements);
        Object.assign(missing, measured.missing);
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
            ...(connections === 1_000 && bytes === 100
              ? { headline: `CPU of an event to 1,000 connections, against ${title}` }
              : {}),
          });
        }
      }
    }
    return { measurements, targets, missing };
  },
};
