/** Case 11: the cost of publishing, by log. */
import { join } from 'node:path';
import type { Case, Measurement } from '../lib/case.ts';
import { note } from '../lib/fan-out.ts';
import { makeFolder } from '../lib/folder.ts';
import { Pair } from '../lib/pair.ts';

export const publish: Case = {
  name: 'publish',
  title: 'Publishing, by log',
  about:
    'No client is connected. 50 publishes of 100 B are under way at a time; each validates, encodes and appends one event, and resolves when the log has it.',
  columns: ['cpu', 'rate'],
  usesPeers: false,
  async run(settings) {
    const folder = makeFolder('linefeed-bench-');
    const variant = 'events of 100 B';
    const file = 'contenders/linefeed-publish.ts';
    const setups: ReadonlyArray<readonly [string, number, string | undefined]> = [
      ['`memoryLog`', 1, undefined],
      ['`sqliteLog`, one process', 1, join(folder, 'one.db')],
      ['`sqliteLog`, two processes', 2, join(folder, 'two.db')],
    ];
    const groups: Pair[][] = [];
    const metrics: Array<Record<string, number[]>> = setups.map(() => ({}));
    try {
      for (const [name, processes, path] of setups) {
        const group: Pair[] = [];
        groups.push(group);
        for (let index = 0; index < processes; index += 1) {
          group.push(
            await Pair.start(name, file, { bytes: 100, ...(path === undefined ? {} : { file: path }) }),
          );
        }
      }
      for (let round = 0; round <= settings.rounds; round += 1) {
        for (const [index, group] of groups.entries()) {
          const before = await Promise.all(group.map((pair) => pair.cpu()));
          const done = await Promise.all(
            group.map((pair) =>
              pair.server.call<{ count: number; ms: number }>('action', {
                name: 'publishFor',
                argument: { ms: settings.runMs, atOnce: 50 },
              }),
            ),
          );
          const after = await Promise.all(group.map((pair) => pair.cpu()));
          if (round === 0) continue;
          const count = done.reduce((sum, one) => sum + one.count, 0);
          const used = after.reduce(
            (sum, { user, system }, k) => sum + user + system - before[k]!.user - before[k]!.system,
            0,
          );
          note(metrics[index]!, 'cpu', used / count);
          note(
            metrics[index]!,
            'rate',
            done.reduce((sum, one) => sum + (one.count / one.ms) * 1_000, 0),
          );
        }
      }
      for (const group of groups) {
        for (const pair of group) await pair.server.call('action', { name: 'finish' });
      }
    } finally {
      await Promise.all(groups.flat().map((pair) => pair.end()));
    }
    const measurements: Measurement[] = setups.map(([contender], index) => ({
      variant,
      contender,
      metrics: metrics[index]!,
    }));
    return { measurements, targets: [] };
  },
};
