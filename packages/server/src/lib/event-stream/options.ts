/** The options of an event stream: meaning, defaults and checks. */
import { checkOptions, encodeFrame, FRAME, LinefeedError } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../base/clock.ts';
import { createYieldEncoder, toComment, type EncodingOptions, type YieldEncoder } from './encode.ts';
import { isThenable } from '../base/promise.ts';
import { readOptionalLimit } from '../base/default-options.ts';
import type { HeadOptions } from '../http/head.ts';
import { asksForRetry } from '../http/http.ts';
import { createReporter } from '../base/report.ts';

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

/** The options of `eventStream` and `sendEventStream`. */
export interface EventStreamOptions extends EncodingOptions, HeadOptions {
  /**
   * Reconnection time, sent once at the start. Whole milliseconds.
   *
   * @default none; the client then uses its own
   */
  readonly retryMs?: number | undefined;
  /**
   * Text of the comment at the start.
   *
   * @default empty
   */
  readonly comment?: string | undefined;
  /**
   * A ping is sent after a silence of this length. Milliseconds.
   *
   * @default `false`: no pings
   */
  readonly pingMs?: number | false | undefined;
  /**
   * The form of a ping: the comment `: ping`, or the event `linefeed.ping`, which the page can see.
   *
   * @default `comment`
   */
  readonly ping?: 'comment' | 'event' | undefined;
  /**
   * The response is cut if the reader takes no bytes for this long while bytes wait. Milliseconds; `false`: never.
   *
   * @default 30,000
   */
  readonly stallTimeoutMs?: number | false | undefined;
  /**
   * The end of the response when the source fails.
   *
   * `break`: the response breaks off, so that no reader treats a part as complete. `frame`: the event `linefeed.error`,
   * without the error's message, and then the end of the body. A function gets the error. Its result is sent like a yield,
   * and then the body ends. If it returns `undefined` or throws, the response breaks off.
   *
   * @default `break`
   */
  readonly failure?: 'break' | 'frame' | ((error: unknown) => unknown) | undefined;
  /** Called after the end. Its own failures go to `onError`. */
  readonly onClose?: StreamEndHook | readonly StreamEndHook[] | undefined;
  /**
   * Called when the source, the function `failure` or an `onClose` hook failed.
   *
   * @default `console.error`
   */
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
  failure: 'any',
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

/** Encodes the frame for a failed source. `undefined`: the response breaks off. */
type FailureEncoder = (error: unknown) => string | undefined;

/** Options after the checks, with defaults filled in. */
export interface Settings {
  readonly encodeYield: YieldEncoder;
  readonly encodeFailure: FailureEncoder;
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
  const encodeYield = createYieldEncoder(options);
  return {
    encodeYield,
    encodeFailure: createFailureEncoder(options.failure ?? 'break', encodeYield),
    opening: encoder.encode(encodeFrame({ comment: toComment(comment), retryMs })),
    ping: PINGS[ping],
    pingMs: readOptionalLimit('pingMs', pingMs ?? false),
    stallTimeoutMs: readOptionalLimit('stallTimeoutMs', stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS),
    clock: options.clock ?? systemClock,
  };
}

/** @throws LinefeedError `invalid_option` */
function createFailureEncoder(failure: unknown, encodeYield: YieldEncoder): FailureEncoder {
  if (failure === 'break') return () => undefined;
  if (failure === 'frame') return encodeFailureFrame;
  if (typeof failure !== 'function') {
    throw new LinefeedError(
      'invalid_option',
      `failure must be "break", "frame" or a function, not ${JSON.stringify(failure)}.`,
    );
  }
  return (error) => {
    const last: unknown = failure(error);
    if (last === undefined) return undefined;
    if (isThenable(last)) {
      Promise.resolve(last).catch(() => undefined);
      throw new LinefeedError(
        'invalid_content',
        'The function failure returned a promise; return the value itself.',
      );
    }
    return encodeYield(last);
  };
}

/** The message of the error may be confidential, so it is not sent. */
function encodeFailureFrame(error: unknown): string {
  const failure = { code: 'source_failed', message: 'The source failed.', retryable: asksForRetry(error) };
  return encodeFrame({ event: FRAME.error, data: JSON.stringify(failure) });
}

/** Reads the hooks. Must run before anything that may throw, because `settle` is called in every case. */
export function readHooks({ onClose = [], onError }: EventStreamOptions): EndHooks {
  const report = createReporter(onError);
  const hooks = typeof onClose === 'function' ? [onClose] : [...onClose];
  return { report, settle: (end) => void runHooks(hooks, end, report) };
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
