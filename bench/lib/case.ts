/** Types of a case of the bench and of its results. */

export interface Settings {
  /** Runs of each contender, interleaved. */
  readonly rounds: number;
  /** Milliseconds of one run. */
  readonly runMs: number;
  readonly quick: boolean;
  readonly connections: number | undefined;
  readonly bytes: number | undefined;
  /** Names of the contenders to measure; `undefined`: all. */
  readonly only: readonly string[] | undefined;
  readonly say: (line: string) => void;
}

/** One contender in one variant of a case: each metric with the values of all its runs. */
export interface Measurement {
  readonly variant: string;
  readonly contender: string;
  readonly metrics: Readonly<Record<string, readonly number[]>>;
}

/** A contender that could not be measured in one variant, and why. */
export interface Missing {
  readonly variant: string;
  readonly contender: string;
  readonly why: string;
}

/** A target: a ratio, per round, and its limit. */
export interface Target {
  readonly text: string;
  /** Empty: not measured. */
  readonly runs: readonly number[];
  /** For `within`: the distance from 1, to both sides. */
  readonly limit: number;
  readonly direction: 'at most' | 'at least' | 'within';
  /** The same value of a bare server: the closest that a server in Node gets to the limit. */
  readonly floor?: readonly number[];
  /** The name of the target in the project's README, if it is listed there. */
  readonly headline?: string;
  /** `×` for a ratio; else the unit of the value. */
  readonly unit?: string;
}

export interface CaseResult {
  /** Set if the heading has to show the measured sizes. */
  readonly title?: string;
  readonly measurements: readonly Measurement[];
  readonly targets: readonly Target[];
  readonly missing?: readonly Missing[];
}

export interface Case {
  readonly name: string;
  readonly title: string;
  /** The method and the figure, in a sentence or two. */
  readonly about: string;
  /** Metrics of the table, and of the plot if there is one. */
  readonly columns: readonly string[];
  readonly plot?: string;
  readonly usesPeers: boolean;
  run(settings: Settings): Promise<CaseResult>;
}

/** Title and unit of every metric. */
export const METRICS: Readonly<Record<string, { readonly title: string; readonly unit: string }>> = {
  cpu: { title: 'CPU per event', unit: 'µs' },
  system: { title: 'of it in the kernel', unit: 'µs' },
  brokerCpu: { title: 'CPU of the log’s server', unit: 'µs' },
  followCpu: { title: 'CPU of a process that follows', unit: 'µs' },
  sendCpu: { title: 'CPU of the server for each process', unit: 'µs' },
  rate: { title: 'events per second', unit: '/s' },
  perCpuSecond: { title: 'events per CPU second', unit: '/s' },
  p50: { title: 'latency p50', unit: 'ms' },
  p99: { title: 'p99', unit: 'ms' },
  p999: { title: 'p99.9', unit: 'ms' },
  connectCpu: { title: 'CPU per connect', unit: 'µs' },
  rss: { title: 'RSS per connection', unit: 'kB' },
  rssLessYoung: { title: 'of it not in the young generation', unit: 'kB' },
  heap: { title: 'heap per connection', unit: 'kB' },
  pingCore: { title: 'pings, share of a core', unit: '%' },
  stall: { title: 'longest stall', unit: 'ms' },
  instantiations: { title: 'instantiations', unit: '' },
  seconds: { title: 'check time', unit: 's' },
  gzip: { title: 'minified, gzip', unit: 'bytes' },
};

/** The runs of one metric of one contender; empty if it was not measured. */
export function runsOf(
  measurements: readonly Measurement[],
  variant: string,
  contender: string,
  metric: string,
): readonly number[] {
  return (
    measurements.find((one) => one.variant === variant && one.contender === contender)?.metrics[metric] ?? []
  );
}

/** The ratio of two contenders in each round; empty if one of them is missing. */
export function ratios(top: readonly number[], bottom: readonly number[]): number[] {
  return top.flatMap((value, round) => (bottom[round] === undefined ? [] : [value / bottom[round]]));
}

/** Formats a count for headings and tables. */
export function many(count: number): string {
  return count.toLocaleString('en');
}
