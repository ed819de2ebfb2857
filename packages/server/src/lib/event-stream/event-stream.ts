/** One event stream for one request: head, opening, frames of a source, pings, and a guaranteed end. */
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import { captureScope, type AsyncScope } from '../base/async-scope.ts';
import { ignore } from '../base/promise.ts';
import {
  callContent,
  isCallable,
  openContent,
  type EventStreamContent,
  type OpenContent,
} from './content.ts';
import { toProblem, type HttpResponse } from '../http/http.ts';
import {
  readHooks,
  readSettings,
  type EndHooks,
  type EventStreamOptions,
  type Settings,
  type StreamEnd,
} from './options.ts';
import { readHead } from '../http/head.ts';
import { sharedHeartbeat, type HeartbeatTarget, type Heartbeat } from '../connection/heartbeat.ts';
import { assertAcceptable } from '../http/accept.ts';
import type { ResponseSink } from '../http/response-sink.ts';
import { runSource, type SourceEnd } from '../base/source.ts';
import { ResponseWriter, type WriterListener } from '../connection/response-writer.ts';

/** The parts of a request that an event stream uses. */
export interface StreamRequest {
  readonly method: string;
  header(name: string): string | undefined;
  /** The client left before the request was handled. */
  readonly gone: boolean;
  /** The head of the response was already sent. */
  readonly headSent?: boolean | undefined;
}

type Head = Pick<HttpResponse, 'status' | 'headers'>;

const encoder = new TextEncoder();

/**
 * Answers a request with an event stream. Status 406: `Accept` gives event streams the quality 0. Status 500: a function given as
 * content throws. HEAD gets the head alone. The source starts when the adapter opens the body.
 *
 * @throws LinefeedError `invalid_content`, `invalid_option`, `invalid_frame` for content or options that could never be
 * sent.
 */
export function toEventStreamResponse(
  content: EventStreamContent<unknown>,
  request: StreamRequest,
  options: EventStreamOptions,
): HttpResponse {
  const hooks = readHooks(options);
  const { settle, report } = hooks;
  let given: OpenContent | undefined;
  try {
    // All checks run before a function is called or a source starts.
    given = isCallable(content) ? undefined : openContent(content);
    const head = readHead(options);
    const settings = { ...readSettings(options), ...hooks };
    if (request.headSent === true) {
      throw new LinefeedError(
        'invalid_option',
        'The head of this response was sent already; nothing may be written before an event stream.',
      );
    }
    const refused = answerWithoutBody(request, head);
    if (refused === undefined) return openBody(content, given, request, head, settings);
    given?.discard(report);
    settle(refused.end);
    return refused.response;
  } catch (error) {
    given?.discard(report);
    settle({ reason: 'failed', error });
    throw error;
  }
}

function answerWithoutBody(
  request: StreamRequest,
  head: Head,
): { response: HttpResponse; end: StreamEnd } | undefined {
  try {
    assertAcceptable(request.header('accept'));
  } catch (error) {
    return { response: toProblem(error), end: { reason: 'refused' } };
  }
  if (request.method === 'HEAD')
    return { response: { ...head, body: undefined }, end: { reason: 'finished' } };
  if (request.gone) {
    return { response: { ...head, body: (sink) => sink.end() }, end: { reason: 'client' } };
  }
  return undefined;
}

/** Calls the content if it is a function. `given`: the content if it is not a function. */
function openBody(
  content: EventStreamContent<unknown>,
  given: OpenContent | undefined,
  request: StreamRequest,
  head: Head,
  settings: Settings & EndHooks,
): HttpResponse {
  const controller = new AbortController();
  let opened: OpenContent | Promise<OpenContent>;
  if (isCallable(content)) {
    const lastEventId = readLastEventId(request.header('last-event-id'));
    try {
      opened = callContent(content, { signal: controller.signal, lastEventId });
    } catch (error) {
      controller.abort();
      if (LinefeedError.is(error) && error.code === 'invalid_content') throw error;
      settings.report(error);
      settings.settle({ reason: 'failed', error });
      return toProblem(refusal('source_failed', 'The server failed.', { cause: error }));
    }
    // It is awaited one turn later. Until then a rejection must not count as unhandled.
    if (opened instanceof Promise) opened.catch(ignore);
  } else opened = given!;
  let stream: EventStream | undefined;
  return {
    ...head,
    body(sink) {
      stream = new EventStream(sink, opened, controller, settings);
      stream.open();
    },
    abandon(error) {
      if (stream !== undefined) return stream.fail(error);
      controller.abort();
      discard(opened, settings.report);
      settings.settle({ reason: 'failed', error });
    },
  };
}

class EventStream implements HeartbeatTarget, WriterListener {
  readonly #sink: ResponseSink;
  readonly #opened: OpenContent | Promise<OpenContent>;
  readonly #controller: AbortController;
  readonly #settings: Settings & EndHooks;
  readonly #writer: ResponseWriter;
  readonly #scope: AsyncScope = captureScope();
  readonly #heartbeat: Heartbeat;
  readonly #closed: Promise<void>;
  #resolveClosed!: () => void;
  #end: StreamEnd | undefined;

  constructor(
    sink: ResponseSink,
    opened: OpenContent | Promise<OpenContent>,
    controller: AbortController,
    settings: Settings & EndHooks,
  ) {
    this.#sink = sink;
    this.#opened = opened;
    this.#controller = controller;
    this.#settings = settings;
    const { clock, pingMs, stallTimeoutMs } = settings;
    this.#writer = new ResponseWriter(sink, this, { clock, limits: settings });
    this.#heartbeat = sharedHeartbeat(clock, Math.min(pingMs, stallTimeoutMs));
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  open(): void {
    this.#heartbeat.add(this);
    this.#writer.listen();
    this.#writer.write(this.#settings.opening);
    void this.#run();
  }

  async #run(): Promise<void> {
    const { clock, report, settle } = this.#settings;
    // Flushes the head first: a source that is slow before its first value would delay it.
    await new Promise<void>((resolve) => clock.defer(resolve));
    const opened = this.#opened;
    if (this.#sink.closed || this.#controller.signal.aborted) discard(opened, report);
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
    return this.#sink.roomBytes > 0 ? undefined : this.#writer.drained();
  }

  #finish(end: SourceEnd): void {
    if (end.type === 'failed') {
      this.#settings.report(end.error);
      this.#end ??= { reason: 'failed', error: end.error };
      const last = this.#encodeFailure(end.error);
      if (last === undefined) {
        // The reader may be in this process, so the error does not have the cause.
        return this.#writer.breakOff(
          new LinefeedError('source_failed', 'The source of the event stream failed.'),
        );
      }
      this.#writer.write(encoder.encode(last));
    }
    if (end.type === 'finished') this.#end ??= { reason: 'finished' };
    this.#writer.end();
  }

  #encodeFailure(error: unknown): string | undefined {
    try {
      return this.#settings.encodeFailure(error);
    } catch (failure) {
      this.#settings.report(failure);
      return undefined;
    }
  }

  /** Ends the stream because its response cannot be sent. */
  fail(error: unknown): void {
    this.#end ??= { reason: 'failed', error };
    this.#sink.destroy();
  }

  onTick(now: number): void {
    const reader = this.#writer.checkReader(now);
    if (reader === 'stalled') {
      this.#end = { ...this.#end, reason: 'stalled' };
      this.#writer.destroy();
    } else if (reader === 'silent') this.#writer.write(this.#settings.ping);
  }

  onDrain(): void {
    this.#writer.wake();
  }

  onClose(): void {
    this.#heartbeat.remove(this);
    this.#end ??= { reason: 'client' };
    // The source ends in the async context of its request. This call may come from another request's end.
    this.#scope.run(() => this.#controller.abort());
    this.#writer.wake();
    this.#resolveClosed();
  }

  onBroken(error: unknown): void {
    this.#settings.report(error);
    this.#end ??= { reason: 'failed', error };
    this.onClose();
  }
}

function discard(opened: OpenContent | Promise<OpenContent>, onError: (error: unknown) => void): void {
  if (opened instanceof Promise) opened.then((late) => late.discard(onError), ignore);
  else opened.discard(onError);
}

/** Browsers send an id as UTF-8 (WHATWG HTML §9.2.3). Servers decode each of its bytes as one character. */
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
