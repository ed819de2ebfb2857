/** Measures the memory of idle connections: in a separate process, by the difference between many and few. */
import { Pair } from './pair.ts';

export interface Weight {
  /** kB of the process for each connection. */
  readonly rss: number;
  /**
   * The part outside of V8's young generation, and the part on its heap; `undefined` if another process is the server.
   */
  readonly rssLessYoung: number | undefined;
  readonly heap: number | undefined;
  /** Microseconds of CPU to open one. */
  readonly connectCpu: number;
}

/** Keeps V8's young generation at its minimum, before and after: the rest of the difference is retained memory. */
export const SMALL_YOUNG = ['--max-semi-space-size=1'];
export const NO_PINGS_MS = 3_600_000;

/** For each size but the first, which covers one-time allocations: the weight of each connection since then. */
export async function weighConnections(
  { name, file }: { readonly name: string; readonly file: string },
  [first = 0, ...sizes]: readonly number[],
  flags: readonly string[] = [],
): Promise<Weight[]> {
  const pair = await Pair.start(name, file, { bytes: 100, pingMs: NO_PINGS_MS }, flags);
  try {
    await pair.connect(first);
    const before = await pair.memory();
    let connected = first;
    let cpuUs = 0;
    const weights: Weight[] = [];
    for (const size of sizes) {
      const began = await pair.cpu();
      await pair.connect(size - connected);
      const ended = await pair.cpu();
      connected = size;
      cpuUs += ended.user + ended.system - began.user - began.system;
      const after = await pair.memory();
      const each = (bytes: number): number => bytes / 1_024 / (size - first);
      weights.push({
        rss: each(after.rss - before.rss),
        rssLessYoung:
          after.v8 && before.v8 && each(after.rss - after.v8.young - (before.rss - before.v8.young)),
        heap: after.v8 && before.v8 && each(after.v8.heapUsed - before.v8.heapUsed),
        connectCpu: cpuUs / (size - first),
      });
    }
    return weights;
  } finally {
    await pair.end();
  }
}

/** The available metrics, for a table. */
export function metricsOf(weight: Weight): Record<string, number> {
  return Object.fromEntries(
    Object.entries(weight).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
}
