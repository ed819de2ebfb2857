/**
 * The request pipeline before a connection exists: from a request to an identity and a subscribe request, and all
 * refusals.
 */
import { encodeFrame, FRAME, LinefeedError, refusal, type Reconnect } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import {
  eventStreamHeaders,
  toProblem,
  toReportedRefusal,
  type HttpResponse,
  type ConsumedBody,
  type HeaderList,
  type HttpRequest,
} from '../http/http.ts';
import type { FeedLimits } from '../base/limits.ts';
import { createHostCheck, type HostCheck } from '../http/hosts.ts';
import { assertAcceptable } from '../http/accept.ts';
import {
  MAX_NAMES_FACTOR,
  readEndpointGet,
  readGet,
  readPost,
  type Control,
  type SubscribeRequest,
} from './parse.ts';
import { answerPreflight, createOriginCheck, type CorsOptions, type OriginCheck } from '../http/origin.ts';
import type { Departure, ResponseSink } from '../http/response-sink.ts';
import { maxTextLength } from '../publish/address.ts';
import { FairQueue } from './fair-queue.ts';
import {
  createSessionReader,
  identify,
  type Identify,
  type ReadSession,
  type RequestIdentity,
} from './identify.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS'];

const encoder = new TextEncoder();

/** The messages that a POST gets with each code. */
const RETRY_MESSAGES = {
  too_many_connections: 'The server takes no more connections now.',
  draining: 'The server is about to stop.',
  disconnected: 'Reconnect; the request is identified again.',
  timeout: 'The server could not decide on this request in time.',
  busy: 'This connection has too much to answer already; send the same request later, or open a new connection.',
};

/** Tells a client to retry later. The delay is `baseMs` plus a random part of up to `baseMs`. */
export interface RetryLater {
  readonly reason: Reconnect['reason'];
  /** The error code that a POST gets. */
  readonly code: keyof typeof RETRY_MESSAGES;
  readonly baseMs: number;
}

export const BUSY: RetryLater = { reason: 'busy', code: 'too_many_connections', baseMs: 5_000 };
/**
 * Throttle: after an outage all clients reconnect at once. This many requests start per event-loop turn; live events
 * run between.
 */
const REQUESTS_PER_TURN = 64;
/**
 * How long a sender may go on with its body after the answer. If it were cut at once, it might not receive the answer.
 */
const LINGER_MS = 2_000;
const TIMED_OUT: RetryLater = { ...BUSY, code: 'timeout' };
const OVERLOADED: RetryLater = { ...BUSY, code: 'busy' };
/** For a body that was not opened within `requestTimeoutMs`. An adapter opens a body at once or never. */
const NEVER_OPENED = BUSY;

export interface RequestHandlerOptions {
  /** The path of the feed, or the topic of an endpoint that serves one stream at any path. */
  readonly mount: { readonly path: string } | { readonly topic: string };
  readonly identify: Identify | undefined;
  readonly cors: CorsOptions | undefined;
  readonly hosts: readonly string[] | undefined;
  readonly limits: FeedLimits;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** A request that was accepted and identified. */
export interface AcceptedRequest {
  readonly method: string;
  readonly identity: RequestIdentity;
  readonly asked: SubscribeRequest | Control;
}

export class RequestHandler {
  readonly readSession: ReadSession;
  readonly #options: RequestHandlerOptions;
  readonly #queue: FairQueue;
  readonly #checkHost: HostCheck;
  readonly #checkOrigin: OriginCheck;
  #isBodyReported = false;
  /** Identified requests that have no connection yet. */
  readonly #identities = new Set<RequestIdentity>();
  /** Visitors that were disconnected before their connection was opened. */
  readonly #revoked = new WeakMap<RequestIdentity, RetryLater>();

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
    this.readSession = createSessionReader(options);
    this.#checkHost = createHostCheck(options.hosts);
    this.#checkOrigin = createOriginCheck(options.cors);
    this.#queue = new FairQueue(options.clock, REQUESTS_PER_TURN);
  }

  /** Answers a request; `serve` answers the accepted ones. `undefined`: the path is not under this feed's path. */
  async answer(
    request: HttpRequest,
    serve: (accepted: AcceptedRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse | undefined> {
    const rest = this.#restOf(request.url.pathname);
    if (rest === undefined) return undefined;
    let headers: HeaderList = [];
    try {
      const turn = this.#queue.take();
      if (turn !== undefined) await turn;
      this.#checkHost(request);
      headers = this.#checkOrigin(request);
      return await this.#answerAllowed(request, rest, headers, serve);
    } catch (error) {
      return toProblem(toReportedRefusal(error, this.#options.onError), headers);
    } finally {
      // Discard the unread body: its sender would keep writing, hold the socket, and never read the answer.
      const { clock, limits } = this.#options;
      request.discard(limits.maxRequestBytes, (call) => clock.after(LINGER_MS, call));
    }
  }

  /** The part of the path after the feed's path. */
  #restOf(pathname: string): string | undefined {
    const { mount } = this.#options;
    if ('topic' in mount || pathname === mount.path) return '';
    return pathname.startsWith(`${mount.path}/`) ? pathname.slice(mount.path.length + 1) : undefined;
  }

  async #answerAllowed(
    request: HttpRequest,
    rest: string,
    cors: HeaderList,
    serve: (accepted: AcceptedRequest) => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    const { method } = request;
    if (method === 'OPTIONS') return answerPreflight(cors, this.#options.cors);
    if (!METHODS.includes(method)) {
      const error = refusal(
        'method_not_allowed',
        `The method ${method} means nothing here; use GET or POST.`,
      );
      return toProblem(error, [...cors, ['allow', METHODS.join(', ')]]);
    }
    assertAcceptable(request.header('accept'));
    const identified = identify(request, cors, this.#options.identify, {
      readSession: this.readSession,
      onError: this.#options.onError,
    });
    // A synchronous result needs no timer and no promises.
    const identity = identified instanceof Promise ? await this.#inTime(identified) : identified;
    if (identity === undefined) return this.rejectWithRetry(method, TIMED_OUT, cors);
    if (identity.error !== undefined) return toProblem(identity.error, identity.headers);
    this.#identities.add(identity);
    let answer: HttpResponse | undefined;
    try {
      const asked = await this.#read(request, rest);
      answer = await serve({ method, identity, asked });
      return typeof answer.body === 'function' ? this.#untilOpened(answer, answer.body, identity) : answer;
    } catch (error) {
      // Timeout and busy are no failures of the server, so `onError` is not called.
      if (isCode(error, 'timeout')) return this.rejectWithRetry(method, TIMED_OUT, identity.headers);
      if (isCode(error, 'busy')) return this.rejectWithRetry(method, OVERLOADED, identity.headers);
      return toProblem(toReportedRefusal(error, this.#options.onError), identity.headers);
    } finally {
      if (typeof answer?.body !== 'function') this.#identities.delete(identity);
    }
  }

  /** `undefined`: deciding took longer than `requestTimeoutMs`. */
  #inTime<T>(deciding: Promise<T>): Promise<T | undefined> {
    return this.withinTime(deciding).catch((error: unknown) => {
      if (isCode(error, 'timeout')) return undefined;
      throw error;
    });
  }

  /** Keeps the identity in `#identities` until the body is opened, or for at most `requestTimeoutMs`. */
  #untilOpened(
    answer: HttpResponse,
    open: (sink: ResponseSink) => void,
    identity: RequestIdentity,
  ): HttpResponse {
    const { clock, limits } = this.#options;
    const timer = clock.after(limits.requestTimeoutMs, () => {
      this.#identities.delete(identity);
      this.#revoked.set(identity, NEVER_OPENED);
    });
    const body = (sink: ResponseSink): void => {
      timer.clear();
      this.#identities.delete(identity);
      try {
        open(sink);
      } catch (error) {
        // The adapter answers with a bare 500, and its caller is not the application.
        this.#options.onError(error);
        throw error;
      }
    };
    return { ...answer, body };
  }

  /**
   * Marks the identities that match the predicate: they are told to reconnect instead of getting a connection. Returns
   * how many.
   */
  revoke(predicate: (identity: RequestIdentity) => boolean): number {
    const named = [...this.#identities].filter(predicate);
    const wayBack = {
      reason: 'disconnected',
      code: 'disconnected',
      baseMs: this.#options.limits.retryMs,
    } as const;
    for (const identity of named) {
      this.#identities.delete(identity);
      this.#revoked.set(identity, wayBack);
    }
    return named.length;
  }

  /** Set if the identity was turned away. */
  retryLaterOf(identity: RequestIdentity): RetryLater | undefined {
    return this.#revoked.get(identity);
  }

  async #read(request: HttpRequest, rest: string): Promise<SubscribeRequest | Control> {
    const { mount, limits } = this.#options;
    const bounds = {
      maxNames: MAX_NAMES_FACTOR * limits.maxSubscriptions,
      maxTextLength: maxTextLength(limits.maxAddressBytes),
    };
    if (request.method === 'POST') {
      const body = await this.withinTime(request.text(limits.maxRequestBytes));
      if (typeof body !== 'string') throw this.#bodyIsGone(body);
      return readPost(body, bounds);
    }
    return 'topic' in mount ? readEndpointGet(request, mount.topic, bounds) : readGet(request, rest, bounds);
  }

  /** Reports only the first such POST: all later ones fail in the same way. */
  #bodyIsGone({ remedy }: ConsumedBody): LinefeedError {
    const error = refusal(
      'bad_request',
      `The body of this POST was read before the feed got the request. ${remedy}`,
    );
    if (!this.#isBodyReported) this.#options.onError(error);
    this.#isBodyReported = true;
    return error;
  }

  /** Limits one wait to `requestTimeoutMs`. @throws LinefeedError `timeout` if it takes longer. */
  withinTime<T>(deciding: Promise<T>): Promise<T> {
    const { clock, limits } = this.#options;
    const { requestTimeoutMs } = limits;
    return new Promise<T>((resolve, reject) => {
      const timer = clock.after(requestTimeoutMs, () =>
        reject(refusal('timeout', `Deciding on this request took longer than ${requestTimeoutMs} ms.`)),
      );
      deciding.then(
        (decided) => {
          timer.clear();
          resolve(decided);
        },
        (error: unknown) => {
          timer.clear();
          reject(error);
        },
      );
    });
  }

  /**
   * A GET gets an event stream with `reconnect`: a 503 would end a plain EventSource permanently (WHATWG HTML §9.2.3).
   */
  rejectWithRetry(method: string, wayBack: RetryLater, headers: HeaderList): HttpResponse {
    const departure = departureOf(wayBack);
    if (method === 'POST') {
      const error = refusal(wayBack.code, RETRY_MESSAGES[wayBack.code]);
      const afterS = Math.ceil(this.#spread(wayBack.baseMs) / 1000);
      return { ...toProblem(error, [...headers, ['retry-after', String(afterS)]]), departure };
    }
    const body = (sink: ResponseSink): void => this.writeReconnect(sink, wayBack);
    return {
      status: 200,
      headers: eventStreamHeaders(headers),
      body: method === 'HEAD' ? undefined : body,
      departure,
    };
  }

  /** Writes `reconnect` on a response whose head was already sent. */
  writeReconnect(sink: ResponseSink, wayBack: RetryLater): void {
    const { reason, baseMs } = wayBack;
    if (sink.closed) return;
    const afterMs = this.#spread(baseMs);
    const frame = encodeFrame({
      retryMs: afterMs,
      event: FRAME.reconnect,
      data: JSON.stringify({ afterMs, reason } satisfies Reconnect),
    });
    sink.end(encoder.encode(frame), departureOf(wayBack));
  }

  /** Adds jitter: clients sent away together do not reconnect together. */
  #spread(baseMs: number): number {
    return Math.round(baseMs * (1 + this.#options.clock.random()));
  }
}

function departureOf({ code }: RetryLater): Departure {
  return code === 'draining' ? 'closing' : 'reconnect';
}

function isCode(error: unknown, code: RetryLater['code']): boolean {
  return LinefeedError.is(error) && error.code === code;
}
