/** The request pipeline: every step from a request to its response, in order. */
import { refusal } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import type { Hub } from '../delivery/hub.ts';
import {
  resolveShared,
  resolveStart,
  type LoggedStart,
  type SharedStart,
} from '../delivery/start-position.ts';
import { assertAcceptable } from '../http/accept.ts';
import { createHostCheck, type HostCheck } from '../http/hosts.ts';
import {
  eventStreamHeaders,
  mergeHeaders,
  toProblem,
  toReportedRefusal,
  type HeaderList,
  type HttpRequest,
  type HttpResponse,
} from '../http/http.ts';
import { respondToPreflight, createOriginCheck, type CorsOptions, type OriginCheck } from '../http/origin.ts';
import type { ResponseSink } from '../http/response-sink.ts';
import type { ConnectionSlot, ConnectionSlots } from './connection-slots.ts';
import type { Accepted, Decide, Decision } from './decide.ts';
import { FairQueue } from './fair-queue.ts';
import type { StopRun } from './stop.ts';
import { identify, type Identify, type ReadSession, type RequestIdentity } from './identify.ts';
import { assertNamesTopic, type Parse } from './parse.ts';
import { PendingRequests } from './pending-requests.ts';
import {
  EXPIRED_ON_ARRIVAL,
  NO_SLOT,
  rejectWithRetry,
  RetryLater,
  toRetryLater,
  writeReconnect,
} from './retry-later.ts';
import { route, type Mount } from './route.ts';
import type { ControlRequest } from './subscribe-request.ts';
import type { TimeLimit } from './time-limit.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS'];

/**
 * Throttle: after an outage all clients reconnect at once. This many requests start per event-loop turn; live events
 * run between.
 */
const REQUESTS_PER_TURN = 64;
/**
 * Time that a client has to finish the request's body after the answer. A client that is cut at once might not receive
 * the answer.
 */
const LINGER_MS = 2_000;

/** The feed, as the pipeline uses it. */
export interface RequestHost {
  readonly hub: Hub;
  /** Milliseconds until the last connection is told to reconnect. `undefined`: the feed is not closing. */
  readonly drainLeftMs: number | undefined;
  /** Opens a connection on a response whose head is sent. The connection releases the slot. */
  open(sink: ResponseSink, identity: RequestIdentity, slot: ConnectionSlot, opening: Opening): void;
  /**
   * Applies a control request, unless `isRejected` becomes true before.
   *
   * @throws LinefeedError `unknown_connection`, `forbidden`, `busy`, `timeout`
   */
  control(control: ControlRequest, identity: RequestIdentity, isRejected: () => boolean): Promise<void>;
}

/** The first subscriptions of a connection, with their starts. */
export interface Opening extends Pick<Accepted, 'streams' | 'refused' | 'kept'> {
  readonly resumed: SharedStart['resumed'];
  readonly starts: readonly LoggedStart[];
}

export interface RequestHandlerOptions {
  readonly mount: Mount;
  readonly cors: CorsOptions | undefined;
  readonly hosts: readonly string[] | undefined;
  /** The option `context`. */
  readonly identify: Identify | undefined;
  readonly readSession: ReadSession;
  readonly parse: Parse;
  readonly slots: ConnectionSlots;
  readonly decide: Decide;
  readonly stop: StopRun;
  readonly withinTime: TimeLimit;
  readonly maxRequestBytes: number;
  readonly requestTimeoutMs: number;
  readonly retryMs: number;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** A request under the path of the feed. */
interface RoutedRequest {
  readonly request: HttpRequest;
  /** The part of the path after the feed's path. */
  readonly path: string;
  /** The headers that its response has from here on, whatever it is. */
  headers: HeaderList;
  identity: RequestIdentity | undefined;
}

export class RequestHandler {
  readonly #host: RequestHost;
  readonly #options: RequestHandlerOptions;
  readonly #throttle: FairQueue;
  readonly #checkHost: HostCheck;
  readonly #checkOrigin: OriginCheck;
  readonly #pending: PendingRequests;

  constructor(host: RequestHost, options: RequestHandlerOptions) {
    const { clock, hosts, cors, requestTimeoutMs } = options;
    this.#host = host;
    this.#options = options;
    this.#throttle = new FairQueue(clock, REQUESTS_PER_TURN);
    this.#checkHost = createHostCheck(hosts);
    this.#checkOrigin = createOriginCheck(cors);
    this.#pending = new PendingRequests({ clock, requestTimeoutMs });
  }

  /** Responds to a request. `undefined`: the path is not under this feed's path. */
  async respond(request: HttpRequest): Promise<HttpResponse | undefined> {
    const { mount, maxRequestBytes, clock } = this.#options;
    const path = route(mount, request.url.pathname);
    if (path === undefined) return undefined;
    const routed: RoutedRequest = { request, path, headers: [], identity: undefined };
    const built = await this.#run(routed).catch((error: unknown) => this.#reject(routed, error));
    if (routed.identity !== undefined) this.#pending.finish(routed.identity);
    // Discard the unread body: its sender would keep writing, hold the socket, and never read the answer.
    request.discard(maxRequestBytes, (call) => clock.after(LINGER_MS, call));
    const body = request.method === 'HEAD' ? undefined : this.#reportErrorsOf(built.body);
    const response = { ...built, body };
    // The client would send its next request to this server on a connection that stays open.
    return this.#host.drainLeftMs === undefined ? response : { ...response, departure: 'closing' };
  }

  /** The steps, in their order. A step that throws ends the pipeline: `#reject` answers the request. */
  async #run(routed: RoutedRequest): Promise<HttpResponse> {
    const { request, path } = routed;
    const { method } = request;
    const { cors, readSession, onError, parse, withinTime, slots, decide, stop, clock } = this.#options;
    const { hub } = this.#host;

    // Throttle.
    const turn = this.#throttle.take();
    if (turn !== undefined) await turn;

    // Origin.
    this.#checkHost(request);
    routed.headers = this.#checkOrigin(request);

    // Accept.
    if (method === 'OPTIONS') return respondToPreflight(routed.headers, cors);
    if (!METHODS.includes(method)) return refuseMethod(method, routed.headers);
    assertAcceptable(request.header('accept'));

    // Identify. A synchronous result needs no timer and no promises.
    const identifying = identify(request, routed.headers, this.#options.identify, readSession, onError);
    const identity = identifying instanceof Promise ? await withinTime(identifying) : identifying;
    routed.headers = identity.headers;
    if (identity.error !== undefined) return toProblem(identity.error, identity.headers);
    routed.identity = identity;
    this.#pending.add(identity);

    // Parse.
    const asked = await parse(request, path);

    // A control request parts here: it changes a connection that is open, and that may have to end first.
    if ('connection' in asked) {
      await this.#host.control(asked, identity, () => this.#retryLaterOf(identity) !== undefined);
      this.#assertStays(identity);
      return { status: 202, headers: identity.headers, body: '' };
    }
    // A stop is served also by a feed that drains: its run may go on until the end of the grace period.
    if ('stop' in asked) {
      const stopped = await withinTime(
        stop(asked, identity.context, () => this.#assertHasAuthority(identity)),
      );
      return toJson(stopped, identity.headers);
    }
    this.#assertStays(identity);
    assertNamesTopic(asked, method);

    // Slot. Held only while the request is decided on: an adapter that never opens the body could not release it.
    const held = slots.take(identity.principal);
    if (held === undefined) throw NO_SLOT;

    // Authorize.
    /* seam: wait-for-authorize */ let decision: Decision;
    try {
      decision = await withinTime(decide(asked, identity.context));
    } finally {
      held.release();
    }
    if (decision.type === 'complete') return { status: 204, headers: identity.headers, body: undefined };
    if (decision.type === 'refused') return toProblem(decision.error, identity.headers);
    this.#assertStays(identity);
    const head = { status: 200, headers: eventStreamHeaders(identity.headers) };
    if (method === 'HEAD') return { ...head, body: undefined };

    const { logged, streams, refused, reach, kept } = decision;
    const open = (sink: ResponseSink): void => {
      // Another request may have taken the last slot since the decision.
      const retry = this.#retryLaterOf(identity);
      const slot = retry === undefined ? slots.take(identity.principal) : undefined;
      if (slot === undefined) return writeReconnect(sink, retry ?? NO_SLOT, clock);

      // Start position. Resolved only now: the log's numbering may have changed since the request arrived.
      const shared = /* seam: cursor-decided-at-open */ resolveShared(hub, asked.lastEventId, reach);
      const starts = logged.map((entry) => resolveStart(hub, entry, shared, reach));

      // Open.
      this.#host.open(sink, identity, slot, { resumed: shared.resumed, starts, streams, refused, kept });
    };
    return { ...head, body: this.#pending.untilOpened(identity, open) };
  }

  #reject({ request, headers }: RoutedRequest, error: unknown): HttpResponse {
    const { clock, onError } = this.#options;
    const retry = toRetryLater(error);
    return retry === undefined
      ? toProblem(toReportedRefusal(error, onError), headers)
      : rejectWithRetry(request.method, retry, headers, clock);
  }

  /** Reports errors of opening a body. The adapter answers with a bare 500, and its caller is not the application. */
  #reportErrorsOf(body: HttpResponse['body']): HttpResponse['body'] {
    if (typeof body !== 'function') return body;
    return (sink) => {
      try {
        body(sink);
      } catch (error) {
        this.#options.onError(error);
        throw error;
      }
    };
  }

  /** Must be called after each await: the state may have changed meanwhile. @throws RetryLater */
  #assertStays(identity: RequestIdentity): void {
    const retry = this.#retryLaterOf(identity);
    if (retry !== undefined) throw retry;
  }

  /** Why this identity gets no connection any more: the feed drains, its context has expired, or it was revoked. */
  #retryLaterOf(identity: RequestIdentity): RetryLater | undefined {
    const { drainLeftMs } = this.#host;
    if (drainLeftMs !== undefined) {
      return new RetryLater('drain', 'draining', drainLeftMs + this.#options.retryMs);
    }
    return this.#whyNoAuthority(identity);
  }

  #assertHasAuthority(identity: RequestIdentity): void {
    const retry = this.#whyNoAuthority(identity);
    if (retry !== undefined) throw retry;
  }

  #whyNoAuthority(identity: RequestIdentity): RetryLater | undefined {
    const { retryMs } = this.#options;
    const { isOver, wasOver } = identity.expiry;
    if (isOver) return wasOver ? EXPIRED_ON_ARRIVAL : new RetryLater('expired', 'disconnected', retryMs);
    return this.#pending.revocationOf(identity);
  }

  /** Revokes the pending requests that the predicate matches: their clients are told to reconnect. Returns how many. */
  revoke(predicate: (identity: RequestIdentity) => boolean): number {
    const { retryMs } = this.#options;
    return this.#pending.revoke(predicate, new RetryLater('disconnected', 'disconnected', retryMs));
  }
}

function toJson(value: object, headers: HeaderList): HttpResponse {
  const own: HeaderList = [
    ['content-type', 'application/json'],
    ['cache-control', 'no-store'],
  ];
  return { status: 200, headers: mergeHeaders(own, headers), body: JSON.stringify(value) };
}

function refuseMethod(method: string, headers: HeaderList): HttpResponse {
  const error = refusal('method_not_allowed', `The method ${method} is not supported; use GET or POST.`);
  return toProblem(error, [...headers, ['allow', METHODS.join(', ')]]);
}
