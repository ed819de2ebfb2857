/** Measures contenders side by side: in turns, and most of them with all their connections open. */
import type { Measurement, Missing, Settings } from './case.ts';
import { CONTENDERS, type ContenderEntry } from './contenders.ts';
import { Pair, type Ticks } from './pair.ts';

export interface Measured {
  readonly measurements: readonly Measurement[];
  readonly missing: readonly Missing[];
}

export interface Turns<T extends { end(): Promise<void> }> {
  readonly variant: string;
  readonly contenders: readonly string[];
  /** The metric that is printed after each round. */
  readonly shown: string;
  /** Starts one and warms it up; it stays for all its runs. */
  readonly start: (entry: ContenderEntry) => Promise<T>;
  /** One run: a value for each metric. */
  readonly measure: (started: T) => Promise<Readonly<Record<string, number>>>;
}

/** The contenders that can be measured, in the order of `CONTENDERS`, and the reasons for the others. */
function chooseContenders(
  variant: string,
  names: readonly string[],
  only: readonly string[] | undefined,
): { readonly chosen: readonly ContenderEntry[]; readonly missing: Missing[] } {
  const missing: Missing[] = [];
  const chosen = CONTENDERS.filter((entry) => {
    if (!names.includes(entry.name) || (only !== undefined && !only.includes(entry.name))) return false;
    const why = entry.missing();
    if (why !== undefined) missing.push({ variant, contender: entry.name, why });
    return why === undefined;
  });
  return { chosen, missing };
}

/** Runs them A B C C B A A B C …, so that their order changes. A contender that fails is named and left out. */
export async function takeTurns<T extends { end(): Promise<void> }>(
  { variant, contenders, shown, start, measure }: Turns<T>,
  { rounds, only, say }: Settings,
): Promise<Measured> {
  const { chosen, missing } = chooseContenders(variant, contenders, only);
  const running: Array<{ name: string; started: T; metrics: Record<string, number[]> }> = [];
  const leaveOut = (name: string, error: unknown): void => {
    missing.push({ variant, contender: name, why: firstLine(error) });
    say(`  ${name} is left out of ${variant}: ${firstLine(error)}`);
  };
  try {
    for (const entry of chosen) {
      try {
        running.push({ name: entry.name, started: await start(entry), metrics: {} });
      } catch (error) {
        leaveOut(entry.name, error);
      }
    }
    for (let round = 1; round <= rounds && running.length > 0; round += 1) {
      for (const one of round % 2 === 1 ? [...running] : running.toReversed()) {
        try {
          const values = await measure(one.started);
          for (const [metric, value] of Object.entries(values)) note(one.metrics, metric, value);
        } catch (error) {
          leaveOut(one.name, error);
          running.splice(running.indexOf(one), 1);
          await one.started.end();
        }
      }
      const line = running.map(({ name, metrics }) => `${name} ${metrics[shown]?.at(-1)?.toFixed(2)}`);
      say(`  ${variant}, run ${round} of ${rounds}, ${shown}: ${line.join(', ')}`);
    }
  } finally {
    await Promise.all(running.map(({ started }) => started.end()));
  }
  return {
    measurements: running.map(({ name, metrics }) => ({ variant, contender: name, metrics })),
    missing,
  };
}

export interface FanOut {
  readonly variant: string;
  readonly connections: number;
  readonly bytes: number;
  readonly contenders: readonly string[];
  /** Events in each tick. */
  readonly count?: number;
  readonly minTicks?: number;
  readonly marksPerTick?: number;
  /** Timeout of one tick. */
  readonly timeoutMs?: number;
  /** Ticks at fixed times, for latencies; without it, none are measured. */
  readonly open?: { readonly ticks: number; readonly intervalMs: number };
  readonly options?: Readonly<Record<string, unknown>>;
  /** How the load opens its connections. */
  readonly connect?: (contender: string) => object;
}

/** A server near its limit would show its queue instead of its latency, and take minutes for it. */
const HEADROOM = 1.2;

/** The cost of an event for all connected clients. */
export async function measureFanOut(fanOut: FanOut, settings: Settings): Promise<Measured> {
  const { variant, connections, bytes, contenders, count = 1, minTicks = 3, open, options, connect } = fanOut;
  const { marksPerTick, timeoutMs } = fanOut;
  const ticks: Ticks = {
    count,
    ms: settings.runMs,
    minTicks,
    ...(marksPerTick === undefined ? {} : { marksPerTick }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  /** Events per second of the latencies. */
  const pace =
    open === undefined ? Infinity : ((marksPerTick ?? count * connections) * 1_000) / open.intervalMs;
  const holdsPace = new Set<Pair>();
  return await takeTurns(
    {
      variant,
      contenders,
      shown: 'cpu',
      start: async ({ name, file, options: own }) => {
        const pair = await Pair.start(name, file, { bytes, ...options, ...own });
        try {
          await pair.connect(connections, connect?.(name));
          await pair.cost(ticks);
          const { cpuUsPerEvent } = await pair.cost(ticks);
          // By its CPU: events per second of a short run depend on other work of the machine.
          if (cpuUsPerEvent * pace * HEADROOM <= 1e6) holdsPace.add(pair);
          return pair;
        } catch (error) {
          await pair.end();
          throw error;
        }
      },
      measure: async (pair) => {
        const { cpuUsPerEvent, systemUsPerEvent, eventsPerSecond } = await pair.cost(ticks);
        const cost = {
          cpu: cpuUsPerEvent,
          system: systemUsPerEvent,
          rate: eventsPerSecond,
          perCpuSecond: 1e6 / cpuUsPerEvent,
        };
        if (open === undefined || !holdsPace.has(pair)) return cost;
        const { p50, p99, p999 } = await pair.latency({ count, ...open });
        return { ...cost, p50, p99, p999 };
      },
    },
    settings,
  );
}

export function note(values: Record<string, number[]>, metric: string, value: number): void {
  (values[metric] ??= []).push(value);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
}
