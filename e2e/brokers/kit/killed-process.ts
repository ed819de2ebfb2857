/** `kill -9` of each of two feed processes in turn, under steady publishing in both. */
import { expect } from 'vitest';
import type { LogSpec } from './log-spec.ts';
import { startScene } from './scene.ts';

export async function expectNothingLostByKills(
  log: LogSpec,
  options: { readonly mode?: 'transaction' } = {},
): Promise<void> {
  const scene = await startScene(log);
  try {
    for (const name of ['one', 'two', 'three', 'four']) await scene.read(name);
    for (const [victim, survivor] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const steady = scene.publish(survivor, `survivor ${survivor}`, options);
      const cut = scene.publish(victim, `victim ${victim}`, options);
      await scene.progress(cut, 50);
      await scene.feeds[victim]!.kill();
      await scene.progress(steady, 50);
      await scene.restart(victim);
      await scene.progress(steady, 30);
      await steady.stop();
    }
    const counts = await scene.settle();
    // A log that outlives its processes announces nothing, either.
    for (const { missingAnnounced } of Object.values(counts)) expect(missingAnnounced).toBe(0);
  } finally {
    await scene.close();
  }
}
