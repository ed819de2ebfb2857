/** Parses the command line of the capacity model: options with units. */
import { parseArgs } from 'node:util';
import { LOGS, type LogName } from './constants.ts';
import type { Plan } from './plan.ts';

export interface Arguments {
  readonly help: boolean;
  readonly json: boolean;
  /** Write the tables of docs/scaling.md. */
  readonly updateDocs: boolean;
  readonly plan: Plan;
}

export type Unit = 'count' | 'rate' | 'bytes' | 'seconds' | 'share' | 'bits' | 'price';

interface Option {
  readonly unit: Unit;
  readonly default: string;
  readonly about: string;
  /** `0` is allowed. */
  readonly zero?: boolean;
}

/** In the order of `--help`. */
export const OPTIONS = {
  connections: { unit: 'count', default: '10k', about: 'open connections' },
  addresses: { unit: 'count', default: '1k', about: 'topics, each value of the params of a topic counted' },
  'per-connection': { unit: 'count', default: '1', about: 'addresses that a connection subscribes to' },
  events: { unit: 'rate', default: '100/s', about: 'events published each second', zero: true },
  bytes: { unit: 'bytes', default: '200', about: 'payload of an event, as JSON' },
  'fan-out': {
    unit: 'count',
    default: '',
    about: 'connections that receive an event; without it: connections × per-connection / addresses',
  },
  'per-write': { unit: 'count', default: '1', about: 'events of a connection that share one write' },
  'replay-share': {
    unit: 'share',
    default: '1%',
    about: 'part of the delivered events that is read from the log',
    zero: true,
  },
  lifetime: { unit: 'seconds', default: '27min', about: 'mean lifetime of a connection' },
  deploy: {
    unit: 'seconds',
    default: '60s',
    about: 'time in which all connections reconnect after a deploy',
  },
  away: {
    unit: 'seconds',
    default: '1s',
    about: 'time for which a connection is away in a deploy',
    zero: true,
  },
  utilisation: { unit: 'share', default: '60%', about: 'part of a core that a process may use' },
  'fan-out-time': {
    unit: 'seconds',
    default: '100ms',
    about: 'time in which a process writes one event to its connections',
  },
  'process-connections': {
    unit: 'count',
    default: '10k',
    about: 'connections of a process; more than 10k is not measured',
  },
  'process-memory': { unit: 'bytes', default: '2GB', about: 'memory of a process' },
  'machine-cores': { unit: 'count', default: '8', about: 'cores of a machine; one process uses one' },
  'machine-memory': { unit: 'bytes', default: '32GB', about: 'memory of a machine' },
  'machine-network': { unit: 'bits', default: '10Gbit/s', about: 'bandwidth of a machine' },
  'price-core': { unit: 'price', default: '20', about: 'price of a core for a month', zero: true },
  'price-memory': { unit: 'price', default: '3', about: 'price of a GB of memory for a month', zero: true },
  'price-traffic': { unit: 'price', default: '0.05', about: 'price of a GB of sent traffic', zero: true },
} as const satisfies Record<string, Option>;

type Name = keyof typeof OPTIONS;

const LOG_NAMES = Object.keys(LOGS) as LogName[];

const UNITS: Readonly<Record<Unit, { readonly example: string; readonly factors: Record<string, number> }>> =
  {
    count: { example: 'a number above 0, such as 800, 10k or 2.5M', factors: { '': 1, k: 1e3, M: 1e6 } },
    rate: {
      example: 'a number of events, such as 50/s, 2k/s or 600/min',
      factors: {
        '': 1,
        '/s': 1,
        k: 1e3,
        'k/s': 1e3,
        'M/s': 1e6,
        '/min': 1 / 60,
        'k/min': 1e3 / 60,
        '/h': 1 / 3_600,
      },
    },
    bytes: {
      example: 'a size, such as 200, 200B, 4kB or 2GB',
      factors: { '': 1, B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 },
    },
    seconds: {
      example: 'a time, such as 500ms, 30s, 10min or 1h',
      factors: { ms: 1e-3, s: 1, min: 60, h: 3_600 },
    },
    share: { example: 'a part, such as 5% or 0.05', factors: { '': 1, '%': 0.01 } },
    bits: {
      example: 'a bandwidth, such as 500Mbit/s or 10Gbit/s',
      factors: { 'Mbit/s': 1e6, 'Gbit/s': 1e9 },
    },
    price: { example: 'a price, such as 20 or 0.05', factors: { '': 1 } },
  };

/** Throws an `Error` whose message is for the user. */
export function readArguments(args: readonly string[]): Arguments {
  const values = parse(args);
  const value = (name: Name): number => readOption(name, values[name] ?? OPTIONS[name].default);
  const fanOut = values['fan-out'];
  const plan: Plan = {
    connections: value('connections'),
    addresses: value('addresses'),
    perConnection: value('per-connection'),
    eventsPerSecond: value('events'),
    bytes: value('bytes'),
    fanOut: fanOut === undefined ? undefined : readOption('fan-out', fanOut),
    perWrite: value('per-write'),
    replayShare: value('replay-share'),
    lifetimeSeconds: value('lifetime'),
    deploySeconds: value('deploy'),
    awaySeconds: value('away'),
    log: readLog(values['log'] ?? 'redis'),
    utilisation: value('utilisation'),
    fanOutMs: value('fan-out-time') * 1_000,
    processConnections: value('process-connections'),
    processBytes: value('process-memory'),
    machineCores: value('machine-cores'),
    machineBytes: value('machine-memory'),
    machineBits: value('machine-network'),
    priceCore: value('price-core'),
    priceMemoryGb: value('price-memory'),
    priceTrafficGb: value('price-traffic'),
  };
  checkTogether(plan);
  return {
    help: values['help'] === true,
    json: values['json'] === true,
    updateDocs: values['update-docs'] === true,
    plan,
  };
}

function parse(args: readonly string[]): Partial<Record<Name, string>> & {
  readonly log?: string;
  readonly help?: boolean;
  readonly json?: boolean;
  readonly 'update-docs'?: boolean;
} {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' as const }])),
        log: { type: 'string' },
        help: { type: 'boolean' },
        json: { type: 'boolean' },
        'update-docs': { type: 'boolean' },
      },
    });
    return values;
  } catch (error) {
    // The sentences after the first are about positional arguments that start with a dash.
    throw new Error((error as Error).message.split(/\. |\n/, 1)[0], { cause: error });
  }
}

function readOption(name: Name, text: string): number {
  const { unit, zero = false }: Option = OPTIONS[name];
  const { example, factors } = UNITS[unit];
  const refuse = (): never => {
    throw new Error(`--${name} takes ${example}, not "${text}"`);
  };
  const [, digits, suffix] = /^(\d+(?:\.\d+)?(?:e\d+)?) ?([A-Za-z%/]*)$/.exec(text) ?? refuse();
  const factor = Object.hasOwn(factors, suffix!) ? factors[suffix!]! : refuse();
  const value = Number(digits) * factor;
  if (!Number.isFinite(value) || (value === 0 && !zero)) refuse();
  if (unit === 'share' && value > 1) refuse();
  return value;
}

function readLog(text: string): LogName {
  const found = LOG_NAMES.find((name) => name === text);
  if (found === undefined) throw new Error(`--log takes one of ${LOG_NAMES.join(', ')}, not "${text}"`);
  return found;
}

function checkTogether({ perConnection, addresses, fanOut, connections }: Plan): void {
  if (perConnection > addresses) {
    throw new Error(
      `--per-connection ${perConnection} is more than --addresses ${addresses}: a connection subscribes to an address once`,
    );
  }
  if (fanOut !== undefined && fanOut > connections)
    throw new Error(`--fan-out ${fanOut} is more than --connections ${connections}`);
}
