/** The options of a log on NATS, and their defaults and checks. */
import { LinefeedError } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../../base/clock.ts';
import { readOptionalLimit } from '../../base/default-options.ts';
import { checkLogOptions, resolveBounds, type DEFAULT_BOUNDS, type LogBounds } from '../bounds.ts';
import type { NatsConnection } from './connection.ts';

/** The options of `natsLog`. */
export interface NatsLogOptions extends LogBounds {
  /** An open connection: `await connect({ servers })` of `@nats-io/transport-node`. The log does not close it. */
  readonly connection: NatsConnection;
  /**
   * Name of the JetStream stream, such as `board`. It belongs to the log alone. If it does not exist, the log creates it
   * with file storage, and with the subject `linefeed.<stream>`.
   */
  readonly stream: string;
  /**
   * Longest time from an append to its outcome. Milliseconds.
   *
   * @default 5,000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Number of copies of a stream that the log creates, 1 to 5. In a cluster, 3 lets the log go on while one server is
   * away.
   *
   * @default 1
   */
  readonly replicas?: number | undefined;
  /**
   * Interval of the server's heartbeats. After three missed ones, the log reads the stream anew. Milliseconds.
   *
   * @default 1,000
   */
  readonly heartbeatMs?: number | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
  /** @internal Waits for the network. */
  readonly timers?: Clock | undefined;
  /** @internal Interval in which the stream is compared, in milliseconds. */
  readonly checkMs?: number | undefined;
  /** @internal Time for which a missing stream is not created again, in milliseconds. */
  readonly createAfterMs?: number | undefined;
  /** @internal Least size that a compaction removes. */
  readonly minGain?: number | undefined;
}

const NATS_OPTIONS = {
  connection: 'any',
  stream: 'any',
  timeoutMs: 'any',
  replicas: 'any',
  heartbeatMs: 'any',
  timers: 'hidden',
  checkMs: 'hidden',
  createAfterMs: 'hidden',
  minGain: 'hidden',
} satisfies Partial<Record<keyof NatsLogOptions, string>>;

export interface ResolvedOptions {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly bounds: typeof DEFAULT_BOUNDS;
  readonly clock: Clock;
  readonly timers: Clock;
  readonly timeoutMs: number;
  readonly replicas: number;
  readonly heartbeatMs: number;
  readonly checkMs: number;
  readonly createAfterMs: number;
  readonly minGain: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_HEARTBEAT_MS = 1_000;
/** The server accepts no shorter heartbeats. */
const MIN_HEARTBEAT_MS = 100;
const DEFAULT_CHECK_MS = 5_000;
/** A restore of a backup deletes the stream first. */
const DEFAULT_CREATE_AFTER_MS = 5_000;
const MAX_REPLICAS = 5;

/** @throws LinefeedError `invalid_option` */
export function resolveOptions(options: NatsLogOptions): ResolvedOptions {
  checkLogOptions('natsLog', options, NATS_OPTIONS);
  const { clock = systemClock, timers = systemClock, replicas = 1, minGain } = options;
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > MAX_REPLICAS)
    throw invalid(
      `replicas of a natsLog must be a whole number from 1 to ${MAX_REPLICAS}, not ${String(replicas)}.`,
    );
  const heartbeatMs = toMs('heartbeatMs', options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS);
  if (heartbeatMs < MIN_HEARTBEAT_MS)
    throw invalid(`heartbeatMs of a natsLog must be at least ${MIN_HEARTBEAT_MS}, not ${heartbeatMs}.`);
  return {
    connection: checkConnection(options.connection),
    stream: checkStream(options.stream),
    bounds: resolveBounds(options),
    clock,
    timers,
    timeoutMs: toMs('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
    replicas,
    heartbeatMs,
    checkMs: options.checkMs ?? DEFAULT_CHECK_MS,
    createAfterMs: options.createAfterMs ?? DEFAULT_CREATE_AFTER_MS,
    minGain,
  };
}

function toMs(name: string, value: number): number {
  return readOptionalLimit(`${name} of a natsLog`, value) === Infinity ? invalidMs(name) : value;
}

function invalidMs(name: string): never {
  throw invalid(`${name} of a natsLog must be a positive number, not false.`);
}

const METHODS = ['publish', 'request', 'subscribe', 'status', 'isClosed', 'flush'] as const;

function checkConnection(connection: NatsConnection): NatsConnection {
  const given = connection as Partial<NatsConnection> | null | undefined;
  if (METHODS.some((method) => typeof given?.[method] !== 'function')) {
    throw invalid(
      `connection of a natsLog must be an open NATS connection, not ${describe(connection)}; give the result of \`await connect({ servers })\` of @nats-io/transport-node.`,
    );
  }
  return connection;
}

function describe(value: unknown): string {
  if (value instanceof Promise) return 'a promise (await it)';
  if (value === null || typeof value !== 'object') return String(value);
  return `a ${value.constructor?.name ?? 'value'}`;
}

/** Letters, digits, `-` and `_`: all other characters mean something in a subject or on a disk. */
function checkStream(stream: string): string {
  if (typeof stream === 'string' && /^[\w-]{1,200}$/.test(stream)) return stream;
  throw invalid(
    `stream of a natsLog must be a name of letters, digits, "-" and "_", not ${JSON.stringify(stream)}.`,
  );
}

function invalid(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}
