/** The faults that a server causes while calls are pending, for all contract suites. */
import type { CaseBench } from './case-bench.ts';
import type { ServerFault } from './server-faults.ts';

/** The bench of any suite. */
type DisturbedBench = Pick<CaseBench<never>, 'begin' | 'cause' | 'pass' | 'pauseMs'>;

/** How long a server is away in a case about its restart, in milliseconds. */
const RESTART_MS = 200;

export interface Disturbance {
  readonly fault: ServerFault;
  /** The end of the title of a case. */
  readonly text: string;
  /** Causes the fault while calls are pending, and ends it. */
  disturb(bench: DisturbedBench): Promise<void>;
}

async function forSomeTime(bench: DisturbedBench, fault: 'stop' | 'pause', ms: number): Promise<void> {
  const end = await bench.begin(fault);
  await bench.pass(ms);
  await end();
}

export const DISTURBANCES: readonly Disturbance[] = [
  { fault: 'stop', text: 'the server restarts', disturb: (bench) => forSomeTime(bench, 'stop', RESTART_MS) },
  {
    fault: 'pause',
    text: 'the server pauses',
    disturb: (bench) => forSomeTime(bench, 'pause', bench.pauseMs),
  },
  {
    fault: 'resetConnections',
    text: 'the connections are reset',
    disturb: (bench) => bench.cause('resetConnections'),
  },
  {
    fault: 'halfOpen',
    text: 'the connections become half-open',
    disturb: (bench) => bench.cause('halfOpen'),
  },
  { fault: 'loseAnswers', text: 'answers are lost', disturb: (bench) => bench.cause('loseAnswers') },
];
