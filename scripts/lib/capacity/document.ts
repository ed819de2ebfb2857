/** Writes the numbers of docs/scaling.md: the tables between `<!-- capacity: name -->` and `<!-- /capacity -->`. */
import { readArguments } from './arguments.ts';
import { ASSUMED, LOGS, MEASURED, type Assumed, type LogName, type Measured } from './constants.ts';
import { computeCapacity, connectionBytes, deliverUs, fanOutOf } from './model.ts';
import type { Capacity, Plan } from './plan.ts';
import { bits, bytes, count } from './table.ts';

const DEFAULTS = readArguments([]).plan;
const PER_SECOND = 1e6;

/** @returns the text of the document with new tables. Throws for an unknown name of a table. */
export function writeNumbers(document: string): string {
  return document.replaceAll(
    /(<!-- capacity: ([\w-]+) -->\n)[^]*?(<!-- \/capacity -->)/g,
    (_, begin: string, name: string, end: string) => {
      const make = TABLES[name];
      if (make === undefined) throw new Error(`There is no table "${name}" of the capacity model.`);
      return `${begin}\n${make().join('\n')}\n\n${end}`;
    },
  );
}

const TABLES: Readonly<Record<string, () => string[]>> = {
  constants: () => table(['cost', 'value', 'measured by'], Object.values(MEASURED).map(describeConstant)),
  logs: () =>
    table(
      ['log', 'publish, CPU of the process', 'follow, CPU of each process', 'append, broker', 'send, broker'],
      (Object.keys(LOGS) as LogName[]).map((name) => {
        const { publishUs, tailUs, brokerAppendUs, brokerTailUs } = LOGS[name];
        return [`\`${name}\``, ...[publishUs, tailUs, brokerAppendUs, brokerTailUs].map(describeCost)];
      }),
    ),
  assumptions: () =>
    table(
      ['assumption', 'value', 'reason'],
      Object.values(ASSUMED).map(({ what, value, unit, reason }) => [
        what,
        `${value.toLocaleString('en')} ${unit}`,
        reason,
      ]),
    ),
  process: () => table(['one process carries', 'at most'], oneProcess()),
  sizes: () => sizes(),
  bends: () =>
    table(
      [
        'log',
        'events/s that fill a process',
        'events/s that fill the point of order',
        'processes at 1,000 events/s',
      ],
      (Object.keys(LOGS) as LogName[]).map((log) => {
        const { limits, broker } = compute({ log, eventsPerSecond: 1_000, addresses: 1e6 });
        return [
          `\`${log}\``,
          count(limits.tailEventsPerSecond),
          count(limits.appendEventsPerSecond),
          broker === undefined ? LIMIT_OF[LOGS[log].shared] : count(broker.mostProcesses),
        ];
      }),
    ),
  next: () => nextDesign(),
};

const LIMIT_OF = { process: '1', machine: 'those of one machine', cluster: '' } as const;

function compute(plan: Partial<Plan>): Capacity {
  return computeCapacity({ ...DEFAULTS, ...plan });
}

function describeConstant({ what, value, unit, source }: Measured): string[] {
  return [what, `${value} ${unit}`, `\`${source.case}\`: ${source.variant}`];
}

function describeCost(cost: Measured | Assumed | undefined): string {
  if (cost === undefined) return '';
  return `${cost.value} ${cost.unit}${'reason' in cost ? ' (assumed)' : ''}`;
}

/** With the default part of a core, for one kind of work alone. */
function oneProcess(): string[][] {
  const { utilisation, processBytes, fanOutMs } = DEFAULTS;
  const most = (us: number): string => `${count((utilisation * PER_SECOND) / us)}/s`;
  return [
    [
      `open connections, in ${bytes(processBytes)} of memory (10 k are measured)`,
      count((processBytes - ASSUMED.processMb.value * 2 ** 20) / connectionBytes()),
    ],
    ['live events, one in a write', most(deliverUs(1))],
    ['live events, ten in a write', most(deliverUs(10))],
    ['live events, a hundred in a write', most(deliverUs(100))],
    ['replayed events', most(MEASURED.replayUs.value)],
    ['openings', most(MEASURED.connectUs.value)],
    ['connections with a ping every 15 s', count((utilisation * PER_SECOND * 15) / MEASURED.pingUs.value)],
    [`readers of one event within ${fanOutMs} ms`, count((fanOutMs * 1_000) / deliverUs(1))],
  ];
}

const SIZES = [1_000, 100_000, 10_000_000];

/** Two shapes of load, each for all sizes. */
const SHAPES: ReadonlyArray<{
  readonly title: string;
  readonly plan: (connections: number) => Partial<Plan>;
}> = [
  {
    title: 'own data',
    plan: (connections) => ({
      connections,
      addresses: connections,
      perConnection: 10,
      eventsPerSecond: connections / 100,
    }),
  },
  {
    title: 'broadcast',
    plan: (connections) => ({ connections, addresses: 100, perConnection: 5, eventsPerSecond: 20 }),
  },
];

function sizes(): string[] {
  const lines: string[] = [];
  for (const { title, plan } of SHAPES) {
    const plans = SIZES.map((connections): Plan => ({ ...DEFAULTS, ...plan(connections) }));
    const all = plans.map((one) => [one, computeCapacity(one)] as const);
    const row = (name: string, value: (plan: Plan, capacity: Capacity) => string): string[] => [
      name,
      ...all.map(([one, capacity]) => value(one, capacity)),
    ];
    lines.push(
      ...(lines.length === 0 ? [] : ['']),
      ...table(
        [title, ...SIZES.map((size) => `${count(size)} connections`)],
        [
          row('events/s', (one) => count(one.eventsPerSecond)),
          row('readers of an event', (one) => count(fanOutOf(one))),
          row('delivered events/s', (_, { all: { deliveriesPerSecond } }) => count(deliveriesPerSecond)),
          row('processes', (_, { processes }) => count(processes)),
          row('decided by', (_, { bound, processes }) =>
            Number.isFinite(processes) ? bound : 'none is enough',
          ),
          row('machines of 8 cores', (_, { machines }) => count(machines)),
          row('CPU of a process', (_, { process }) => `${count(process.cpuTotal * 100)} %`),
          row('of it following the log', (_, { process }) => `${count(process.cpu.tail * 100)} %`),
          row('one event to all of a process', (_, { process }) =>
            process.fanOutMs === 0 ? '–' : `${count(process.fanOutMs)} ms`,
          ),
          row('memory of all processes', (_, { all: { bytes: memory } }) => bytes(memory)),
          row('sent to clients', (_, { all: { sentBitsPerSecond } }) => bits(sentBitsPerSecond)),
          row('broker (Redis), cores', (_, { broker }) => count(broker!.appendCores + broker!.tailCores)),
          row('broker sends', (_, { broker }) => bits(broker!.sentBitsPerSecond)),
          row('reconnect all, at the earliest', (_, { deploy }) =>
            deploy.shortestSeconds === 0 ? '–' : `${count(deploy.shortestSeconds)} s`,
          ),
          row('cost of a month', (_, { costPerMonth }) => count(costPerMonth.total)),
          row('fits', (_, { problems }) => (problems.length === 0 ? 'yes' : '**no**: the broker')),
        ],
      ),
    );
  }
  return lines;
}

/** Events of the largest size of own data, if each event is sent to fewer processes. */
function nextDesign(): string[] {
  const { processConnections, log, bytes: payload, ...rest } = DEFAULTS;
  const plan: Plan = { ...rest, processConnections, log, bytes: payload, ...SHAPES[0]!.plan(SIZES.at(-1)!) };
  const processes = plan.connections / processConnections;
  const { tailUs, brokerTailUs } = LOGS[log];
  const entryBits = (payload + ASSUMED.entryBytes.value) * 8;
  const cells = 100;
  const designs: ReadonlyArray<readonly [string, number]> = [
    ['one log, every process follows it', processes],
    ['64 partitions, connections placed at random', processes],
    [`${cells} cells, each with its own log and processes`, processes / cells],
    ['partitions by key, each followed by 4 processes', 4],
    ['interest: processes with a reader of the address', Math.min(fanOutOf(plan), processes)],
  ];
  return table(
    [
      'design',
      'processes that get an event',
      'following, of a core',
      'brokers send',
      'send CPU of all brokers',
    ],
    designs.map(([title, copies]) => {
      const sent = plan.eventsPerSecond * copies;
      return [
        title,
        count(copies),
        `${count(((sent * tailUs.value) / processes) * 1e-4)} %`,
        bits(sent * entryBits),
        `${count(sent * brokerTailUs!.value * 1e-6)} cores`,
      ];
    }),
  );
}

function table(heads: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows.map(line)];
}
