/**
 * The constants of the capacity model: measured costs with the place of their measurement, and assumptions.
 * `constants.test.ts` compares each measured one with bench/results/latest.json.
 */

/** A place in the stored results of the bench. */
export interface Source {
  readonly case: string;
  readonly variant: string;
  readonly contender: string;
  readonly metric: string;
  /** Converts a stored value into the unit of the constant. */
  readonly convert?: (stored: number) => number;
  /**
   * The cases of logs ran on a busy machine, where CPU costs more. So a stored value counts as a multiple of a publish
   * with `memoryLog` in the same run of the bench, and that publish counts as `LOGS.memory.publishUs`.
   */
  readonly relativeTo?: Omit<Source, 'convert' | 'relativeTo'>;
}

export interface Measured {
  /** The median of the stored runs, rounded. */
  readonly value: number;
  readonly unit: string;
  readonly what: string;
  readonly source: Source;
}

export interface Assumed {
  readonly value: number;
  readonly unit: string;
  readonly what: string;
  /** Why this value, and why it is not measured. */
  readonly reason: string;
}

/** The interval and the number of connections of the ping measurement. */
const PINGS = { everyUs: 15_000_000, connections: 10_000 };

/** CPU and memory of one process of a feed, on Node. */
export const MEASURED = {
  deliverUs: {
    value: 9.82,
    unit: 'µs',
    what: 'CPU to write one live event to one connection',
    source: {
      case: 'fanout',
      variant: '5,000 connections, 100 B',
      contender: 'linefeed',
      metric: 'cpu',
    },
  },
  deliverJoinedUs: {
    value: 0.0967,
    unit: 'µs',
    what: 'the same, if 100 events share one write',
    source: {
      case: 'burst',
      variant: '100 events per tick, 1,000 connections, 100 B',
      contender: 'linefeed',
      metric: 'cpu',
    },
  },
  replayUs: {
    value: 0.49,
    unit: 'µs',
    what: 'CPU to read and write one replayed event of a long replay',
    source: {
      case: 'replay',
      variant: '100,000 events, 100 B',
      contender: 'linefeed-history',
      metric: 'cpu',
    },
  },
  connectUs: {
    value: 93.9,
    unit: 'µs',
    what: 'CPU to open one connection',
    source: { case: 'idle', variant: '10,000 connections', contender: 'linefeed', metric: 'connectCpu' },
  },
  pingUs: {
    value: 9.8,
    unit: 'µs',
    what: 'CPU of one ping to one connection',
    source: {
      case: 'idle',
      variant: '10,000 connections, pings',
      contender: 'linefeed',
      metric: 'pingCore',
      convert: (percent) => ((percent / 100) * PINGS.everyUs) / PINGS.connections,
    },
  },
  connectionKb: {
    value: 22.2,
    unit: 'kB',
    what: 'memory (RSS) of one idle connection',
    source: { case: 'idle', variant: '10,000 connections', contender: 'linefeed', metric: 'rss' },
  },
} as const satisfies Record<string, Measured>;

/** Values that this repository does not measure. */
export const ASSUMED = {
  processMb: {
    value: 150,
    unit: 'MB',
    what: 'memory of a process without connections',
    reason: 'Node with an application, and a log or its cache of at most 64 MiB',
  },
  kernelKb: {
    value: 4,
    unit: 'kB',
    what: 'memory of the kernel for one idle TCP connection',
    reason: 'socket, file and dentry of Linux; buffers are extra while a reader is slow',
  },
  frameBytes: {
    value: 85,
    unit: 'B',
    what: 'bytes of a frame besides payload and address',
    reason: 'field names, a cursor of up to 55 bytes, chunk framing',
  },
  packetBytes: {
    value: 81,
    unit: 'B',
    what: 'bytes of each write besides its frames',
    reason: 'IPv4 and TCP with timestamps (52), one TLS 1.3 record (29 with its padding and tag)',
  },
  pingBytes: {
    value: 33,
    unit: 'B',
    what: 'bytes of a ping frame',
    reason: 'the frame as PROTOCOL.md defines it',
  },
  openingBytes: {
    value: 6_000,
    unit: 'B',
    what: 'bytes of an opening, sent by the server',
    reason: 'TLS handshake with a certificate chain (about 5 kB), head, hello, `subscribed`',
  },
  entryBytes: {
    value: 120,
    unit: 'B',
    what: 'bytes of an event at the broker besides payload and address',
    reason: 'fields of a stream entry and the framing of the broker’s protocol',
  },
} as const satisfies Record<string, Assumed>;

export type LogName = 'memory' | 'sqlite' | 'redis' | 'postgres' | 'nats';

/** The costs of a log. CPU is in µs for each event. */
export interface LogCosts {
  /** The processes that can share it. */
  readonly shared: 'process' | 'machine' | 'cluster';
  /** CPU of the publishing process. */
  readonly publishUs: Measured | Assumed;
  /** CPU of each process for following an event, with no connection for it. */
  readonly tailUs: Measured | Assumed;
  /** CPU of the broker for an append. `undefined`: there is no broker. */
  readonly brokerAppendUs?: Measured | Assumed;
  /** CPU of the broker for sending an event to one process. */
  readonly brokerTailUs?: Measured | Assumed;
  /** Cores that the broker uses for one log. Appends to one log always use one: they have one order. */
  readonly threads: 'one' | 'many';
}

const publish = (value: number, contender: string): Measured => ({
  value,
  unit: 'µs',
  what: 'CPU of a process for one publish',
  source: { case: 'publish', variant: 'events of 100 B', contender, metric: 'cpu' },
});

const MEMORY_PUBLISH = publish(2.03, '`memoryLog`');

const byLog = (
  value: number,
  what: string,
  place: { readonly case: string; readonly log: LogName; readonly metric: string },
): Measured => ({
  value,
  unit: 'µs',
  what,
  source: {
    case: place.case,
    variant: 'batches of 100, 100 B',
    contender: `log-${place.log}`,
    metric: place.metric,
    relativeTo: {
      case: 'log-publish',
      variant: 'batches of 100, 100 B',
      contender: 'log-memory',
      metric: 'cpu',
    },
  },
});

/** The publisher follows the log too, as every feed does. */
const published = (value: number, log: LogName): Measured =>
  byLog(value, 'CPU of a process for one publish', { case: 'log-publish', log, metric: 'cpu' });
const appended = (value: number, log: LogName): Measured =>
  byLog(value, 'CPU of the broker for one append', { case: 'log-publish', log, metric: 'brokerCpu' });
const followed = (value: number, log: LogName): Measured =>
  byLog(value, FOLLOW, { case: 'log-follow', log, metric: 'followCpu' });
const sent = (value: number, log: LogName): Measured =>
  byLog(value, SEND, { case: 'log-follow', log, metric: 'sendCpu' });

const FOLLOW = 'CPU of a process for following one event';
const SEND = 'CPU of the broker for one event to one process';

const planned = (value: number, what: string, reason: string): Assumed => ({
  value,
  unit: 'µs',
  what,
  reason,
});

export const LOGS: Readonly<Record<LogName, LogCosts>> = {
  memory: {
    shared: 'process',
    publishUs: MEMORY_PUBLISH,
    tailUs: planned(0.5, FOLLOW, 'a part of the cost of a publish, which is measured'),
    threads: 'one',
  },
  sqlite: {
    shared: 'machine',
    publishUs: publish(8.22, '`sqliteLog`, one process'),
    tailUs: followed(4.28, 'sqlite'),
    threads: 'one',
  },
  redis: {
    shared: 'cluster',
    publishUs: published(9.19, 'redis'),
    tailUs: followed(5.08, 'redis'),
    brokerAppendUs: appended(5.4, 'redis'),
    brokerTailUs: sent(0.43, 'redis'),
    threads: 'one',
  },
  postgres: {
    shared: 'cluster',
    publishUs: published(10.96, 'postgres'),
    tailUs: planned(6, FOLLOW, 'not measured by the bench yet: a value for planning'),
    brokerAppendUs: appended(9.9, 'postgres'),
    brokerTailUs: planned(3, SEND, 'not measured by the bench yet: a value for planning'),
    threads: 'many',
  },
  nats: {
    shared: 'cluster',
    publishUs: published(9.01, 'nats'),
    tailUs: followed(4.31, 'nats'),
    brokerAppendUs: appended(1.54, 'nats'),
    brokerTailUs: planned(0.5, SEND, 'smaller than the noise of the measurement: a value for planning'),
    threads: 'many',
  },
};
