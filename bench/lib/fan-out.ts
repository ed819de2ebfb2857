/** The measurement that most cases share: several contenders with their connections open, run in turns. */
import type { Measurement, Settings } from './case.ts';
import { CONTENDERS, type ContenderEntry } from './contenders.ts';
import { Pair, type Ticks } from './pair.ts';

export interface FanOut {
  readonly variant: string;
  readonly connections: number;
  readonly bytes: number;
  readonly contenders: readonly string[];
  /** Events in each tick. */
  readonly count?: number;
  readonly minTicks?: number;
  readonly marksPerTick?: number;
  /** Ticks at fixed times, for latencies; without, none are measured. */
  readonly open?: { readonly ticks: number; readonly intervalMs: number };
  readonly options?: Readonly<Record<string, unknown>>;
  /** How the load opens its connections. */
  readonly connect?: (contender: string) => object;
}

export interface Measured {
  readonly measurements: readonly Measurement[];
  readonly missing: Readonly<Record<string, string>>;
}

/** Those of them that may be measured, and why the others may not. */
export function chooseContenders(
  names: readonly string[],
  only: readonly string[] | undefined,
): { readonly chosen: readonly ContenderEntry[]; readonly missing: Record<string, string> } {
  const missing: Record<string, string> = {};
  const chosen = CONTENDERS.filter(({ name, missing: why }) => {
    if (!names.includes(name) || (only !== undefined && !only.includes(name))) return false;
    const reason = why();
    if (reason !== undefined) missing[name] = reason;
    return reason === undefined;
  });
  return { chosen, missing };
}

/** Starts the contenders, opens and warms them, and runs them A B C A B C … */
export async function measureFanOut(fanOut: FanOut, settings: Settings): Promise<Measured> {
  const { variant, connections, bytes, count = 1, minTicks = 3, open, options = {}, connect } = fanOut;
  const { say, rounds, runMs } = settings;
  const { chosen, missing } = chooseContenders(fanOut.contenders, settings.only);
  const pairs: Pair[] = [];
  const metrics = new Map<string, Record<string, number[]>>();
  const { marksPerTick } = fanOut;
  const ticks: Ticks = {
    count,
    ms: runMs,
    minTicks,
    ...(marksPerTick === undefined ? {} : { marksPerTick }),
  };
  try {
    for (const { name, file } of chosen) {
      try {
        const pair = await Pair.start(name, file, { bytes, ...options });
        pairs.push(pair);
        await pair.connect(connections, connect?.(name));
        await pair.cost(ticks);
        if (!settings.quick) await pair.cost(ticks);
        metrics.set(name, {});
      } catch (error) {
        missing[name] = firstLine(error);
        say(`  ${name}: ${firstLine(error)}`);
      }
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const pair of pairs) {
        const values = metrics.get(pair.name);
        if (values === undefined) continue;
        const cost = await pair.cost(ticks);
        note(values, 'cpu', cost.cpuUsPerEvent);
        note(values, 'system', cost.systemUsPerEvent);
        note(values, 'rate', cost.eventsPerSecond);
        note(values, 'perCpuSecond', 1e6 / cost.cpuUsPerEvent);
        if (open === undefined) continue;
        const { p50, p99, p999 } = await pair.latency({ count, ...open });
        note(values, 'p50', p50);
        note(values, 'p99', p99);
        note(values, 'p999', p999);
      }
      const line = [...metrics].map(([name, { cpu }]) => `${name} ${cpu!.at(-1)!.toFixed(2)}`);
      say(`  ${variant}, run ${round} of ${rounds}, µs per event: ${line.join(', ')}`);
    }
  } finally {
    await Promise.all(pairs.map((pair) => pair.end()));
  }
  return {
    measurements: [...metrics].map(([contender, values]) => ({ variant, contender, metrics: values })),
    missing,
  };
}

export function note(values: Record<string, number[]>, metric: string, value: number): void {
  (values[metric] ??= []).push(value);
}

export function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
}
