/** The options of an event stream: meaning, defaults and checks. */
import { checkOptions, encodeFrame, FRAME, LinefeedError } from '@linefeed/shared/wire';
import { systemClock, type Clock } from './clock.ts';
import { createYieldEncoder, toComment, type EncodingOptions, type YieldEncoder } from './encode.ts';
import type { HeadOptions } from './head.ts';
import { createReporter } from './report.ts';

/** How an event stream ended. */
export interface StreamEnd {
  /**
   * `finished`: the source ended, or the request was a HEAD · `client`: the client left · `failed`: the source threw,
   * or the stream could not be sent · `stalled`: the client took no bytes for `stallTimeoutMs` · `refused`: the request
   * gave an event stream the quality 0 in its `Accept` header.
   */
  readonly reason: 'finished' | 'client' | 'failed' | 'stalled' | 'refused';
  /** The error, if the reason is `failed`. */
  readonly error?: unknown;
}

/** Called once when an event stream is over, whatever ended it. A promise is awaited before the next hook is called. */
export type StreamEndHook = (end: StreamEnd) => unknown;

export interface EventStreamOptions extends EncodingOptions, HeadOptions {
  /** Reconnection time, sent once at the start. Whole milliseconds. Default: none; the client then uses its own. */
  readonly retryMs?: number | undefined;
  /** Text of the comment at the start. Default: empty. */
  readonly comment?: string | undefined;
  /** A ping is sent after a silence of this length. Milliseconds; default `false`: no pings. */
  readonly pingMs?: number | false | undefined;
  /**
   * The form of a ping: the comment `: ping`, or the event `linefeed.ping`, which the page can see. Default `comment`.
   */
  readonly ping?: 'comment' | 'event' | undefined;
  /**
   * The response is cut if the reader takes no bytes for this long while bytes wait. Milliseconds; default 30,000;
   * `false`: never.
   */
  readonly stallTimeoutMs?: number | false | undefined;
  /** Called after the end. Its own failures go to `onError`. */
  readonly onClose?: StreamEndHook | readonly StreamEndHook[] | undefined;
  /** Called when the source or an `onClose` hook failed. Default: `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** The values are checked where they are read. */
const OPTIONS = {
  event: 'any',
  id: 'any',
  encode: 'any',
  encoding: 'any',
  status: 'any',
  headers: 'any',
  cookies: 'any',
  retryMs: 'any',
  comment: 'any',
  pingMs: 'any',
  ping: 'any',
  stallTimeoutMs: 'any',
  onClose: 'function|object',
  onError: 'function',
  clock: 'hidden',
  request: 'hidden',
  rawWrites: 'hidden',
} satisfies Record<keyof EventStreamOptions | 'request' | 'rawWrites', string>;

const DEFAULT_STALL_TIMEOUT_MS = 30_000;

const encoder = new TextEncoder();
const PINGS = {
  comment: encoder.encode(encodeFrame({ comment: 'ping' })),
  event: encoder.encode(encodeFrame({ event: FRAME.ping, data: '{}' })),
} as const;

/** Options after the checks, with defaults filled in. */
export interface Settings {
  readonly encodeYield: YieldEncoder;
  readonly opening: Uint8Array;
  readonly ping: Uint8Array;
  readonly pingMs: number;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
}

export interface EndHooks {
  readonly settle: (end: StreamEnd) => void;
  readonly report: (error: unknown) => void;
}

/** @throws LinefeedError `invalid_option` */
export function checkStreamOptions(options: unknown): void {
  checkOptions('An event stream', options, OPTIONS);
}

/** @throws LinefeedError `invalid_option`, `invalid_frame` */
export function readSettings(options: EventStreamOptions): Settings {
  const { comment = '', retryMs, ping = 'comment', pingMs, stallTimeoutMs } = options;
  if (!Object.hasOwn(PINGS, ping)) {
    throw new LinefeedError(
      'invalid_option',
      `ping must be "comment" or "event", not ${JSON.stringify(ping)}.`,
    );
  }
  return {
    encodeYield: createYieldEncoder(options),
    opening: encoder.encode(encodeFrame({ comment: toComment(comment), retryMs })),
    ping: PINGS[ping],
    pingMs: readInterval('pingMs', pingMs ?? false),
    stallTimeoutMs: readInterval('stallTimeoutMs', stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS),
    clock: options.clock ?? systemClock,
  };
}

/** Reads the hooks. Must run before anything that may throw, because `settle` is called in every case. */
export function readHooks({ onClose = [], onError }: EventStreamOptions): EndHooks {
  const report = createReporter(onError);
  const hooks = typeof onClose === 'function' ? [onClose] : [...onClose];
  return { report, settle: (end) => void runHooks(hooks, end, report) };
}

function readInterval(name: string, value: number | false): number {
  if (value === false) return Infinity;
  if (Number.isFinite(value) && value > 0) return value;
  throw new LinefeedError(
    'invalid_option',
    `${name} must be a positive number of milliseconds, or false for never, not ${String(value)}.`,
  );
}

async function runHooks(
  hooks: readonly StreamEndHook[],
  end: StreamEnd,
  report: (error: unknown) => void,
): Promise<void> {
  for (const hook of hooks) {
    try {
      await hook(end);
    } catch (error) {
      report(error);
    }
  }
}
