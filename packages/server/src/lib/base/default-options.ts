/** All bounds and intervals of a feed: meaning, unit, default and check. */
import { invalidOption, MAX_ADDRESS_BYTES, MAX_SUBSCRIPTIONS } from '@linefeed/shared/wire';

/** The bounds and intervals of a feed, with the defaults applied. `Infinity` means never, or no limit. */
export interface FeedLimits {
  /**
   * A connection gets a ping after a silence of this length. Milliseconds; `false`: never.
   *
   * @default 15,000
   */
  readonly pingMs: number;
  /**
   * Announced to clients: a silence of this length means a dead connection. Milliseconds; `false`: never.
   *
   * @default 2 × `pingMs` + 5,000; `false` without pings
   */
  readonly timeoutMs: number;
  /**
   * A client is told to reconnect at 80 to 100 % of this. Milliseconds; `false`: never.
   *
   * @default 1,800,000 (30 min)
   */
  readonly maxDurationMs: number;
  /**
   * Reconnection time announced to clients. Milliseconds.
   *
   * @default 1,000
   */
  readonly retryMs: number;
  /**
   * Longest time that `context`, the body of a POST and `authorize` may each take. After it the client is told to
   * retry. Milliseconds.
   *
   * @default 10,000
   */
  readonly requestTimeoutMs: number;
  /**
   * Bytes that may wait for one reader. Past this bound it returns to replay.
   *
   * @default 1,048,576 (1 MiB)
   */
  readonly maxBufferedBytes: number;
  /**
   * A connection is cut if its reader takes no bytes for this long while bytes wait. Milliseconds;
   * `false`: never.
   *
   * @default 30,000
   */
  readonly stallTimeoutMs: number;
  /**
   * Event names of one connection. Entries with the same event name count once.
   *
   * @default 256
   */
  readonly maxSubscriptions: number;
  /**
   * Open connections of this feed.
   *
   * @default `false`: no limit
   */
  readonly maxConnections: number;
  /**
   * Open connections of one `principal`.
   *
   * @default `false`: no limit
   */
  readonly maxConnectionsPerPrincipal: number;
  /**
   * Bytes of one address.
   *
   * @default 1,024
   */
  readonly maxAddressBytes: number;
  /**
   * Bytes of one payload as JSON.
   *
   * @default 1,048,576 (1 MiB)
   */
  readonly maxPayloadBytes: number;
  /**
   * Bytes of the body of a POST.
   *
   * @default 1,048,576 (1 MiB)
   */
  readonly maxRequestBytes: number;
  /**
   * Events of one run. Past this bound it fails with `run_limit`.
   *
   * @default 100,000
   */
  readonly maxRunEvents: number;
  /**
   * Size of all events of one run as JSON, in UTF-16 code units. Past this bound it fails with `run_limit`.
   *
   * @default 16,777,216 (16 MiB)
   */
  readonly maxRunBytes: number;
  /**
   * Longest time of a run. Past this bound it fails with `run_limit`. Milliseconds; `false`: no limit.
   *
   * @default 3,600,000 (1 h)
   */
  readonly maxRunDurationMs: number;
  /**
   * Runs of one `principal` that are running; `false`: no limit. A further start rejects with `too_many_runs`.
   *
   * @default 100
   */
  readonly maxRunsPerPrincipal: number;
  /**
   * A producer of a run that has not reached the store for this long counts as dead. Milliseconds, at least
   * 10 × `runPollMs`.
   *
   * @default 10,000
   */
  readonly runLeaseMs: number;
  /**
   * How long a run is kept after its end. Milliseconds.
   *
   * @default 600,000 (10 min)
   */
  readonly runKeepMs: number;
  /**
   * Interval of the reads that notice changes of runs by other processes. With a store that gives hints, five times
   * this. Milliseconds.
   *
   * @default 100
   */
  readonly runPollMs: number;
}

/** The names of the limits that `false` turns off. */
export type OptionalLimit =
  | 'pingMs'
  | 'timeoutMs'
  | 'maxDurationMs'
  | 'stallTimeoutMs'
  | 'maxConnections'
  | 'maxConnectionsPerPrincipal'
  | 'maxRunDurationMs'
  | 'maxRunsPerPrincipal';

/** The bounds and intervals of a feed, as options. */
export type FeedLimitOptions = {
  readonly [K in keyof FeedLimits]?: FeedLimits[K] | (K extends OptionalLimit ? false : never) | undefined;
};

const DEFAULTS: Readonly<Record<Exclude<keyof FeedLimits, 'timeoutMs'>, number | false>> = {
  pingMs: 15_000,
  maxDurationMs: 30 * 60_000,
  retryMs: 1_000,
  requestTimeoutMs: 10_000,
  maxBufferedBytes: 1024 * 1024,
  stallTimeoutMs: 30_000,
  maxSubscriptions: MAX_SUBSCRIPTIONS,
  maxConnections: false,
  maxConnectionsPerPrincipal: false,
  maxAddressBytes: MAX_ADDRESS_BYTES,
  maxPayloadBytes: 1024 * 1024,
  maxRequestBytes: 1024 * 1024,
  maxRunEvents: 100_000,
  maxRunBytes: 16 * 1024 * 1024,
  maxRunDurationMs: 3_600_000,
  maxRunsPerPrincipal: 100,
  runLeaseMs: 10_000,
  runKeepMs: 600_000,
  runPollMs: 100,
};

const OPTIONAL: ReadonlySet<string> = new Set<OptionalLimit>([
  'pingMs',
  'timeoutMs',
  'maxDurationMs',
  'stallTimeoutMs',
  'maxConnections',
  'maxConnectionsPerPrincipal',
  'maxRunDurationMs',
  'maxRunsPerPrincipal',
]);

/** The types of these options, in the form of `checkOptions`. */
export const LIMIT_TYPES = Object.fromEntries(
  [...Object.keys(DEFAULTS), 'timeoutMs'].map((name) => [
    name,
    OPTIONAL.has(name) ? 'number|false' : 'number',
  ]),
) as Readonly<Record<keyof FeedLimits, string>>;

/** @throws LinefeedError `invalid_option`, naming the option and its value. */
export function resolveLimits(options: FeedLimitOptions): FeedLimits {
  const limits: Record<string, number> = {};
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    limits[name] = readLimit(name, options[name as keyof FeedLimits] ?? fallback);
  }
  const resolved = limits as unknown as FeedLimits;
  const { pingMs } = resolved;
  const timeoutMs = readLimit('timeoutMs', options.timeoutMs ?? (pingMs < Infinity && 2 * pingMs + 5_000));
  if (timeoutMs < Infinity && timeoutMs <= pingMs) {
    const ping = pingMs === Infinity ? false : pingMs;
    throw invalidOption(
      `timeoutMs (${timeoutMs}) must be greater than pingMs (${ping}), or a client would treat every quiet connection as dead.`,
    );
  }
  return { ...resolved, timeoutMs };
}

function readLimit(name: string, value: number | boolean): number {
  if (OPTIONAL.has(name)) return readOptionalLimit(name, value);
  // A client may reconnect at once.
  if (value === 0 && name === 'retryMs') return 0;
  if (isPositive(value)) return value;
  throw invalidOption(`${name} must be a positive number, not ${String(value)}.`);
}

/**
 * A limit that `false` turns off, which is `Infinity` in the result.
 *
 * @throws LinefeedError `invalid_option`
 */
export function readOptionalLimit(name: string, value: number | boolean): number {
  if (value === false) return Infinity;
  if (isPositive(value)) return value;
  const none = name.includes('Ms') ? 'never' : 'no limit';
  throw invalidOption(`${name} must be a positive number, or false for ${none}, not ${String(value)}.`);
}

function isPositive(value: number | boolean): value is number {
  return typeof value === 'number' && value > 0 && value < Infinity;
}

/** A limit as `hello` announces it: 0 is never (PROTOCOL §3). */
export function toAnnounced(limitMs: number): number {
  return limitMs === Infinity ? 0 : limitMs;
}
