/** One event stream for one request: head, opening, frames of a source, pings, and an end that always comes. */
import { encodeFrame, FRAME, LinefeedError, refusal } from '@linefeed/shared/wire';
import { systemClock, type Clock } from './clock.ts';
import {
  callContent,
  isCallable,
  openContent,
  type EventStreamContent,
  type OpenContent,
} from './content.ts';
import { createYieldEncoder, toComment, type EncodingOptions, type YieldEncoder } from './encode.ts';
import { toProblem, type Answer } from './exchange.ts';
import { readHead, type HeadOptions } from './head.ts';
import { sharedHeartbeat, type Beating, type Heartbeat } from './heartbeat.ts';
import { assertAcceptable } from './negotiate.ts';
import type { Outlet, OutletListener } from './outlet.ts';
import { createReporter } from './report.ts';
import { runSource, type RunEnd } from './source.ts';
import { Writer } from './writer.ts';

/** How an event stream ended. */
export interface StreamEnd {
  /**
   * `finished`: the source was through (or the request was a HEAD) · `client`: the client left · `failed`: the source
   * threw · `stalled`: the client took nothing for `stallTimeoutMs` · `refused`: the request did not accept an event stream.
   */
  readonly reason: 'finished' | 'client' | 'failed' | 'stalled' | 'refused';
  /** What the source threw, where it `failed`. */
  readonly error?: unknown;
}

/** Called once when an event stream is over, whatever ended it. A promise is awaited before the next one is called. */
export type StreamEndHook = (end: StreamEnd) => unknown;

export interface EventStreamOptions extends EncodingOptions, HeadOptions {
  /** Reconnection time, sent once at the opening. Whole milliseconds. Default: none, which leaves it to the client. */
  readonly retryMs?: number | undefined;
  /** Text of the comment at the opening. Default: empty. */
  readonly comment?: string | undefined;
  /** After so long a silence a ping is sent. Milliseconds; default `false`: none. */
  readonly pingMs?: number | false | undefined;
  /** What a ping is: the comment `: ping`, or the event `linefeed.ping`, which a browser's page sees. Default `comment`. */
  readonly ping?: 'comment' | 'event' | undefined;
  /** A reader that takes nothing for so long while bytes wait is cut. Milliseconds; default 30,000; `false`: never. */
  readonly stallTimeoutMs?: number | false | undefined;
  /** Work for afterwards. Its own failures go to `onError`. */
  readonly onClose?: StreamEndHook | readonly StreamEndHook[] | undefined;
  /** The source or a hook of `onClose` failed. Default: `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** What an event stream looks at in its request. */
export interface StreamRequest {
  readonly method: string;
  header(name: string): string | undefined;
  /** The client left before the request got here. */
  readonly gone: boolean;
}

const DEFAULT_STALL_TIMEOUT_MS = 30_000;

const encoder = new TextEncoder();
const PINGS = {
  comment: encoder.encode(encodeFrame({ comment: 'ping' })),
  event: encoder.encode(encodeFrame({ event: FRAME.ping, data: '{}' })),
} as const;
/** What the client hears of a failure: no word of its cause. */
const FAILED: Uint8Array = encoder.encode(
  encodeFrame({
    event: FRAME.error,
    data: JSON.stringify({ code: 'source_failed', message: 'The source failed.', retryable: true }),
  }),
);

/** Options, read and checked. */
interface Settings {
  readonly encodeYield: YieldEncoder;
  readonly opening: Uint8Array;
  readonly ping: Uint8Array;
  readonly pingMs: number;
  readonly stallTimeoutMs: number;
  readonly clock: Clock;
  readonly settle: (end: StreamEnd) => void;
  readonly report: (error: unknown) => void;
}

/**
 * Answers a request with an event stream: 406 where it does not accept one, the head alone for HEAD, 500 where a
 * function given as content throws. The source starts when the body is taken over.
 *
 * @throws LinefeedError `invalid_content`, `invalid_option`, `invalid_frame` for what could never be sent.
 */
export function answerEventStream(
  content: EventStreamContent<unknown>,
  request: StreamRequest,
  options: EventStreamOptions,
): Answer {
  const head = readHead(options);
  const settings = readSettings(options);
  const { settle, report } = settings;
  const given = isCallable(content) ? undefined : openContent(content);
  try {
    assertAcceptable(request.header('accept'));
  } catch (error) {
    given?.discard();
    settle({ reason: 'refused' });
    return toProblem(error);
  }
  if (request.method === 'HEAD') {
    given?.discard();
    settle({ reason: 'finished' });
    return { ...head, body: undefined };
  }
  if (request.gone) {
    given?.discard();
    settle({ reason: 'client' });
    return { ...head, body: (outlet) => outlet.end() };
  }
  const controller = new AbortController();
  let opened: OpenContent | Promise<OpenContent>;
  if (isCallable(content)) {
    const lastEventId = readLastEventId(request.header('last-event-id'));
    try {
      opened = callContent(content, { signal: controller.signal, lastEventId });
    } catch (error) {
      controller.abort();
      if (LinefeedError.is(error) && error.code === 'invalid_content') throw error;
      report(error);
      settle({ reason: 'failed', error });
      return toProblem(refusal('source_failed', 'The server failed.', { cause: error }));
    }
    // It is looked at a turn later; until then its rejection must not count as unhandled.
    if (opened instanceof Promise) opened.catch(ignore);
  } else opened = given!;
  return { ...head, body: (outlet) => new EventStream(outlet, opened, controller, settings).open() };
}

class EventStream implements Beating, OutletListener {
  readonly #outlet: Outlet;
  readonly #opened: OpenContent | Promise<OpenContent>;
  readonly #controller: AbortController;
  readonly #settings: Settings;
  readonly #writer: Writer;
  readonly #heartbeat: Heartbeat;
  readonly #closed: Promise<void>;
  #resolveClosed!: () => void;
  #end: StreamEnd | undefined;

  constructor(
    outlet: Outlet,
    opened: OpenContent | Promise<OpenContent>,
    controller: AbortController,
    settings: Settings,
  ) {
    this.#outlet = outlet;
    this.#opened = opened;
    this.#controller = controller;
    this.#settings = settings;
    const { clock, pingMs, stallTimeoutMs } = settings;
    this.#writer = new Writer(outlet, settings);
    this.#heartbeat = sharedHeartbeat(clock, Math.min(pingMs, stallTimeoutMs));
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  open(): void {
    this.#heartbeat.add(this);
    this.#outlet.listen(this);
    this.#writer.write(this.#settings.opening);
    void this.#run();
  }

  async #run(): Promise<void> {
    const { clock, report, settle } = this.#settings;
    // A source that thinks before its first yield would hold the head back.
    await new Promise<void>((resolve) => clock.defer(resolve));
    const opened = this.#opened;
    if (this.#outlet.closed) discard(opened);
    else {
      const end = await runSource({
        open: () => (opened instanceof Promise ? opened.then(({ content }) => content) : opened.content),
        take: (value) => this.#take(value),
        signal: this.#controller.signal,
        clock,
        onCleanupError: report,
      });
      this.#finish(end);
    }
    await this.#closed;
    settle(this.#end ?? { reason: 'client' });
  }

  #take(value: unknown): void | Promise<void> {
    this.#writer.write(encoder.encode(this.#settings.encodeYield(value)));
    return this.#outlet.writable ? undefined : this.#writer.drained();
  }

  #finish(end: RunEnd): void {
    if (end.type === 'failed') {
      this.#settings.report(end.error);
      this.#end ??= { reason: 'failed', error: end.error };
      this.#writer.write(FAILED);
    }
    if (end.type === 'finished') this.#end ??= { reason: 'finished' };
    this.#outlet.end();
  }

  beat(now: number): void {
    const seen = this.#writer.look(now);
    if (seen === 'stalled') {
      this.#end = { ...this.#end, reason: 'stalled' };
      this.#outlet.destroy();
    } else if (seen === 'silent' && this.#end === undefined) this.#writer.write(this.#settings.ping);
  }

  onDrain(): void {
    this.#writer.wake();
  }

  onClose(): void {
    this.#heartbeat.remove(this);
    this.#end ??= { reason: 'client' };
    this.#controller.abort();
    this.#writer.wake();
    this.#resolveClosed();
  }
}

function discard(opened: OpenContent | Promise<OpenContent>): void {
  if (opened instanceof Promise) opened.then((late) => late.discard(), ignore);
  else opened.discard();
}

/** Browsers send an id as UTF-8 (WHATWG HTML §9.2.3), servers hand each of its bytes over as a character. */
export function readLastEventId(header: string | undefined): string | undefined {
  if (header === undefined || header === '') return undefined;
  if (!/[\u0080-\u00ff]/.test(header)) return header;
  try {
    const bytes = Uint8Array.from(header, (character) => character.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return header;
  }
}

function readSettings(options: EventStreamOptions): Settings {
  const { comment = '', retryMs, ping = 'comment', pingMs, stallTimeoutMs, onClose = [] } = options;
  if (!Object.hasOwn(PINGS, ping)) {
    throw new LinefeedError(
      'invalid_option',
      `ping must be "comment" or "event", not ${JSON.stringify(ping)}.`,
    );
  }
  const report = createReporter(options.onError);
  const hooks = typeof onClose === 'function' ? [onClose] : [...onClose];
  return {
    encodeYield: createYieldEncoder(options),
    opening: encoder.encode(encodeFrame({ comment: toComment(comment), retryMs })),
    ping: PINGS[ping],
    pingMs: readInterval('pingMs', pingMs ?? false),
    stallTimeoutMs: readInterval('stallTimeoutMs', stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS),
    clock: options.clock ?? systemClock,
    report,
    settle: (end) => void runHooks(hooks, end, report),
  };
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

function ignore(): void {}
