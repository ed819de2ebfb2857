/** Case 4: the client's cost for the bytes of a response. */
import { join } from 'node:path';
import { Remote } from '../lib/calls.ts';
import { ratios, runsOf, type Case, type Measurement } from '../lib/case.ts';
import { note } from '../lib/fan-out.ts';

export const client: Case = {
  name: 'client',
  title: 'The client: bytes to handler',
  about:
    'A response in memory, in chunks of 64 KiB, through the client with its fetch transport to a handler. Beside it eventsource-parser and `JSON.parse` over the same chunks, which order, queue and commit nothing. In Node.',
  columns: ['perCpuSecond', 'cpu', 'rate'],
  usesPeers: false,
  async run(settings) {
    const { bytes = 100 } = settings;
    // Fewer events would measure the compiler: unoptimised code costs half as much again, on both sides.
    const events = settings.quick ? 100_000 : 400_000;
    const variant = `${events.toLocaleString('en')} events, ${bytes} B`;
    const kinds = ['linefeed', 'parser'] as const;
    const metrics: Record<string, Record<string, number[]>> = { linefeed: {}, parser: {} };
    const remote = new Remote(join(import.meta.dirname, '../client.ts'), []);
    try {
      for (let round = -1; round <= settings.rounds; round += 1) {
        for (const kind of kinds) {
          const { cpuUs, ms } = await remote.call<{ cpuUs: number; ms: number }>(kind, { events, bytes });
          if (round < 1) continue;
          note(metrics[kind]!, 'cpu', cpuUs / events);
          note(metrics[kind]!, 'perCpuSecond', (events * 1e6) / cpuUs);
          note(metrics[kind]!, 'rate', (events * 1_000) / ms);
        }
      }
    } finally {
      await remote.end();
    }
    const measurements: Measurement[] = kinds.map((kind) => ({
      variant,
      contender: kind === 'linefeed' ? '**Linefeed** client' : 'eventsource-parser and JSON.parse',
      metrics: metrics[kind]!,
    }));
    const rate = (index: number): readonly number[] =>
      runsOf(measurements, variant, measurements[index]!.contender, 'perCpuSecond');
    return {
      measurements,
      targets: [
        {
          text: 'events per CPU second against eventsource-parser and `JSON.parse` alone',
          runs: ratios(rate(0), rate(1)),
          limit: 0.7,
          direction: 'at least',
        },
      ],
    };
  },
};
