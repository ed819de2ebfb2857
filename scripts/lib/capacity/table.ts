/** Formats a capacity as text, and the help of the command. */
import { LOGS } from './constants.ts';
import { OPTIONS, type Unit } from './arguments.ts';
import { fanOutOf } from './model.ts';
import type { Capacity, CpuPart, Plan } from './plan.ts';

const VALUES: Readonly<Record<Unit, string>> = {
  count: 'N',
  rate: 'N/s',
  bytes: 'SIZE',
  seconds: 'TIME',
  share: 'N%',
  bits: 'N',
  price: 'N',
};

export const HELP = `npx pnpm@12 capacity [options]

What a load costs: processes, memory, CPU, network, broker and money, from costs that this repository has measured.

Options:
  --log NAME               ${Object.keys(LOGS).join(', ')} (default redis)
${Object.entries(OPTIONS)
  .map(([name, { about, unit, default: preset }]) => {
    const option = `--${name} ${VALUES[unit]}`;
    return `  ${option.padEnd(24)} ${about}${preset === '' ? '' : ` (default ${preset})`}`;
  })
  .join('\n')}
  --json                   prints the result as JSON
  --update-docs            writes the tables of docs/scaling.md anew
  --help

Example: npx pnpm@12 capacity --connections 100k --addresses 5k --per-connection 20 --events 500/s --log redis

Prices have no currency: give your own. docs/scaling.md explains the model and what it leaves out.`;

const PARTS: Readonly<Record<CpuPart, string>> = {
  deliver: 'live events',
  replay: 'replayed events',
  tail: 'following the log',
  publish: 'publishing',
  pings: 'pings',
  openings: 'openings',
};

export function formatCapacity(plan: Plan, capacity: Capacity): string {
  const { process, all, deploy, broker, limits, costPerMonth, problems } = capacity;
  const rows: Array<readonly [string, string]> = [
    [
      'load',
      `${count(plan.connections)} connections, ${count(plan.eventsPerSecond)} events/s of ${bytes(plan.bytes)}, each to ${count(fanOutOf(plan))} connections`,
    ],
    ['delivered', `${count(all.deliveriesPerSecond)} events/s, ${bits(all.sentBitsPerSecond)}`],
    ['log', plan.log],
    ['', ''],
  ];
  if (Number.isFinite(capacity.processes)) {
    const parts = (Object.entries(PARTS) as Array<[CpuPart, string]>)
      .filter(([part]) => process.cpu[part] >= 0.0005)
      .map(([part, title]) => `${title} ${percent(process.cpu[part])}`);
    rows.push(
      ['processes', `${count(capacity.processes)} (decided by: ${capacity.bound})`],
      [
        'machines',
        `${count(capacity.machines)} of ${count(plan.machineCores)} cores, ${bytes(plan.machineBytes)}`,
      ],
      ['one process', `${count(process.connections)} connections, ${bytes(process.bytes)}`],
      ['its CPU', `${percent(process.cpuTotal)} of a core${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`],
      ['one event to all', `${process.fanOutMs.toFixed(1)} ms in a process`],
      ['memory', `${bytes(all.bytes)} in all processes`],
      [
        'deploy',
        `${count(deploy.openingsPerSecond)} openings/s; all reconnect in ${deploy.shortestSeconds.toFixed(1)} s at the earliest`,
      ],
    );
  }
  if (broker !== undefined) {
    rows.push(
      ['broker CPU', `${broker.appendCores.toFixed(2)} cores for appends`],
      ['broker receives', bits(broker.receivedBitsPerSecond)],
    );
    if (Number.isFinite(capacity.processes)) {
      rows.push(
        ['broker tails', `${broker.tailCores.toFixed(2)} cores, ${bits(broker.sentBitsPerSecond)} sent`],
        ['broker carries', `${count(broker.mostProcesses)} processes at this rate`],
        ['its connections', `${count(broker.connections)}, two of each process`],
      );
    }
  }
  rows.push(
    ['', ''],
    ['most events/s', `${count(limits.tailEventsPerSecond)}, where following the log fills a process`],
  );
  if (Number.isFinite(limits.appendEventsPerSecond))
    rows.push(['', `${count(limits.appendEventsPerSecond)}, where appends fill one core of the broker`]);
  if (Number.isFinite(capacity.processes)) {
    rows.push(
      ['', ''],
      [
        'cost of a month',
        `${money(costPerMonth.total)} = cores ${money(costPerMonth.cores)} + memory ${money(costPerMonth.memory)} + traffic ${money(costPerMonth.traffic)} (${count(all.sentBytesPerMonth / 1e9)} GB) + broker ${money(costPerMonth.broker)}`,
      ],
    );
  }
  const table = rows.map(([name, value]) => (value === '' ? '' : `${name.padEnd(17)} ${value}`));
  const bends = problems.map((problem) => `- ${problem}`);
  return [...table, ...(bends.length === 0 ? [] : ['', 'This does not fit:', ...bends])].join('\n');
}

/** Without `Infinity`, which JSON does not have. */
export function toJson(plan: Plan, capacity: Capacity): string {
  return JSON.stringify({ plan, capacity }, undefined, 2);
}

export function count(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1e6) return `${trim(value / 1e6)} M`;
  if (value >= 1e4) return `${trim(value / 1e3)} k`;
  return trim(value);
}

export function bytes(value: number): string {
  const steps = ['B', 'kB', 'MB', 'GB', 'TB'];
  let step = 0;
  let left = value;
  if (!Number.isFinite(value)) return '–';
  while (left >= 1_000 && step < steps.length - 1) {
    left /= 1_024;
    step += 1;
  }
  return `${trim(left)} ${steps[step]}`;
}

export function bits(value: number): string {
  const steps = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s'];
  let step = 0;
  let left = value;
  if (!Number.isFinite(value)) return '–';
  while (left >= 1_000 && step < steps.length - 1) {
    left /= 1_000;
    step += 1;
  }
  return `${trim(left)} ${steps[step]}`;
}

function percent(part: number): string {
  return `${trim(part * 100)} %`;
}

function money(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0 });
}

/** Three digits are more than the model knows. */
function trim(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}
