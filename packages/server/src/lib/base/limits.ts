/** All bounds and intervals of a feed: meaning, unit, default and check. */
import { LinefeedError, MAX_ADDRESS_BYTES, MAX_SUBSCRIPTIONS } from '@linefeed/shared/wire';

/** The bounds and intervals of a feed, as they apply. */
export interface FeedLimits {
  /**
   * A connection gets a ping after a silence of this length. Milliseconds.
   *
   * @default 15,000
   */
  readonly pingMs: number;
  /**
   * Announced to clients: a silence of this length means a dead connection. Milliseconds.
   *
   * @default 2 × `pingMs` + 5,000
   */
  readonly timeoutMs: number;
  /**
   * A client is told to reconnect at 80 to 100 % of this. Milliseconds; 0: never.
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
   * A connection is cut if its reader takes no bytes for this long while bytes wait. Milliseconds.
   *
   * @default 30,000
   */
  readonly stallTimeoutMs: number;
  /**
   * Event names of one connection, however many entries requested each.
   *
   * @default 256
   */
  readonly maxSubscriptions: number;
  /**
   * Open connections of this feed.
   *
   * @default no limit
   */
  readonly maxConnections: number;
  /**
   * Open connections of one `principal`.
   *
   * @default no limit
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
}

/** The bounds and intervals of a feed, as options. */
export type FeedLimitOptions = { readonly [K in keyof FeedLimits]?: FeedLimits[K] | undefined };

const DEFAULTS: Omit<FeedLimits, 'timeoutMs'> = {
  pingMs: 15_000,
  maxDurationMs: 30 * 60_000,
  retryMs: 1_000,
  requestTimeoutMs: 10_000,
  maxBufferedBytes: 1024 * 1024,
  stallTimeoutMs: 30_000,
  maxSubscriptions: MAX_SUBSCRIPTIONS,
  maxConnections: Infinity,
  maxConnectionsPerPrincipal: Infinity,
  maxAddressBytes: MAX_ADDRESS_BYTES,
  maxPayloadBytes: 1024 * 1024,
  maxRequestBytes: 1024 * 1024,
};

export const LIMIT_NAMES = [...Object.keys(DEFAULTS), 'timeoutMs'] as readonly (keyof FeedLimits)[];

/** 0 means "none" for these. */
const MAY_BE_ZERO = new Set<keyof FeedLimits>(['maxDurationMs', 'retryMs']);

/** @throws LinefeedError `invalid_option`, naming the option and its value. */
export function resolveLimits(options: FeedLimitOptions): FeedLimits {
  const limits: Record<string, number> = {};
  for (const [name, fallback] of Object.entries(DEFAULTS)) {
    limits[name] = checked(name as keyof FeedLimits, options[name as keyof FeedLimits] ?? fallback);
  }
  const { pingMs } = limits as unknown as FeedLimits;
  const timeoutMs = checked('timeoutMs', options.timeoutMs ?? 2 * pingMs + 5_000);
  if (timeoutMs <= pingMs) {
    throw new LinefeedError(
      'invalid_option',
      `timeoutMs (${timeoutMs}) must be greater than pingMs (${pingMs}), or every quiet connection would be taken for dead.`,
    );
  }
  return { ...(limits as unknown as FeedLimits), timeoutMs };
}

function checked(name: keyof FeedLimits, value: number): number {
  if (!(value > 0) && !(value === 0 && MAY_BE_ZERO.has(name))) {
    throw new LinefeedError('invalid_option', `${name} must be a positive number, not ${String(value)}.`);
  }
  return value;
}
