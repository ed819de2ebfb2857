/** The short form for the test run: ratios of the first four cases, failing at about twice the cost that is wanted. */
import { client } from './cases/client.ts';
import { compareMemory } from './cases/idle.ts';
import type { Settings } from './lib/case.ts';
import { ratios, runsOf } from './lib/case.ts';
import { measureFanOut } from './lib/fan-out.ts';
import { formatNumber } from './lib/plot.ts';
import { median } from './lib/stats.ts';

const SETTINGS: Settings = {
  rounds: 5,
  runMs: 200,
  quick: true,
  connections: undefined,
  bytes: undefined,
  only: undefined,
  say: () => undefined,
};

/** CPU of the bare loop for what Linefeed spends on one event. */
async function compareFanOut(count: number): Promise<number> {
  const { measurements } = await measureFanOut(
    {
      variant: '',
      connections: 500,
      bytes: 100,
      contenders: ['linefeed', 'floor'],
      count,
      minTicks: 2,
    },
    SETTINGS,
  );
  const cpu = (name: string): readonly number[] => runsOf(measurements, '', name, 'cpu');
  return median(ratios(cpu('linefeed'), cpu('floor')));
}

let failed = 0;

function check(what: string, value: number, direction: 'at most' | 'at least', limit: number): void {
  const isGood = direction === 'at most' ? value <= limit : value >= limit;
  if (!isGood) failed += 1;
  console.log(
    `${isGood ? 'ok' : 'FAILED'}: ${what}: ${formatNumber(value)}, ${direction} ${formatNumber(limit)}`,
  );
}

check('CPU of a broadcast event, against a bare loop', await compareFanOut(1), 'at most', 2.2);
check(
  'events of a burst of 10 for its CPU, against a bare loop',
  1 / (await compareFanOut(10)),
  'at least',
  2.5,
);
check(
  'events of a burst of 100 for its CPU, against a bare loop',
  1 / (await compareFanOut(100)),
  'at least',
  10,
);
check('RSS of an idle connection, against a bare response', await compareMemory(3_000, 2), 'at most', 2.5);
const { targets } = await client.run(SETTINGS);
check('events of the client for its CPU, against a parser alone', median(targets[0]!.runs), 'at least', 0.2);
if (failed > 0) process.exitCode = 1;
