/** Cases 12 and 13: figures that need no clock, measured by the project's own checks. */
import { ROOT, runCommand } from '../../scripts/lib/command.ts';
import type { Case, Measurement, Target } from '../lib/case.ts';

export const types: Case = {
  name: 'types',
  title: 'Type instantiations of a channel',
  about:
    'A channel of topics with params, and a client that subscribes to each topic, next to the same topics as tRPC procedures with output schemas. The number of instantiations is the same in each run; the check time is from one run. By `scripts/type-cost.ts`.',
  columns: ['instantiations', 'seconds'],
  usesPeers: false,
  async run(settings) {
    const args = ['scripts/type-cost.ts', ...(settings.quick ? [] : ['--full'])];
    const { output } = await runCommand('node', args, { timeoutMs: 600_000 });
    const measurements: Measurement[] = [];
    const targets: Target[] = [];
    const line =
      /^(\d+) topics: (\d+) instantiations, ([\d.]+) s; as tRPC procedures (\d+) instantiations, ([\d.]+) s/gm;
    for (const [, topics, ours, ourSeconds, theirs, theirSeconds] of output.matchAll(line)) {
      const variant = `${topics} topics`;
      measurements.push(
        {
          variant,
          contender: 'linefeed',
          metrics: { instantiations: [Number(ours)], seconds: [Number(ourSeconds)] },
        },
        {
          variant,
          contender: 'trpc',
          metrics: { instantiations: [Number(theirs)], seconds: [Number(theirSeconds)] },
        },
      );
      targets.push({
        text: `instantiations against tRPC's: ${variant}`,
        ...(topics === (settings.quick ? '100' : '500')
          ? { headline: `what the compiler instantiates for ${variant}, against tRPC` }
          : {}),
        runs: [Number(ours) / Number(theirs)],
        limit: 1 / 3,
        direction: 'at most',
      });
    }
    if (measurements.length === 0) throw new Error(output.slice(0, 2_000));
    return { measurements, targets };
  },
};

export const bundle: Case = {
  name: 'bundle',
  title: 'Size of the client',
  about: 'Minified, gzip, with everything it imports. By the step `size` of the test run.',
  columns: ['gzip'],
  usesPeers: false,
  async run() {
    const { output } = await runCommand('node', ['scripts/test.ts', '--only', 'size', '--verbose'], {
      cwd: ROOT,
      timeoutMs: 300_000,
    });
    const measurements: Measurement[] = [
      ...output.matchAll(/^\s*(.+): (\d+) bytes( over .+)? of \d+$/gm),
    ].map(([, name, bytes, over = '']) => ({
      variant: 'bundle',
      contender: `${name}${over}`,
      metrics: { gzip: [Number(bytes)] },
    }));
    if (measurements.length === 0) throw new Error(output.slice(-2_000));
    return { measurements, targets: [] };
  },
};
