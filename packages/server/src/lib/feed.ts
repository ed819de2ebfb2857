/** The core of a feed: answers requests, runs connections, applies control requests, drains. */
import type { AnyChannel } from '@linefeed/shared';
import {
  encodeFrame,
  FRAME,
  LinefeedError,
  refusal,
  type Gap,
  type Reconnect,
  type Subscribed,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import {
  admit,
  refuseEntry,
  type Admitted,
  type AdmissionOptions,
  type Authorize,
  type Refused,
} from './admission.ts';
import type { Clock } from './clock.ts';
import { Connection, type CloseReason, type ConnectionCounters, type ConnectionHost } from './connection.ts';
import {
  eventStreamHeaders,
  toProblem,
  type Answer,
  type HeaderList,
  type IncomingRequest,
} from './exchange.ts';
import { Heartbeat } from './heartbeat.ts';
import { Hub } from './hub.ts';
import type { FeedLimits } from './limits.ts';
import type { Log } from './log.ts';
import { assertAcceptable } from './negotiate.ts';
import {
  readEndpointGet,
  readGet,
  readPost,
  type AskedEntry,
  type Control,
  type Opening,
} from './opening.ts';
import { answerPreflight, checkOrigin, type CorsOptions } from './origin.ts';
import type { Outlet } from './outlet.ts';
import { Publisher } from './publisher.ts';
import { resolveShared, resolveStart } from './start.ts';
import { readStreamResume, startStream, type UntypedSource } from './stream-run.ts';
import { identify, type Identify, type Visitor } from './visitor.ts';

const METHODS = 'GET, HEAD, POST, OPTIONS';
/** After this long a refused client may try again, give or take as much. */
const BUSY_RETRY_MS = 5_000;

const encoder = new TextEncoder();

export interface FeedHandlers {
  onOpen(connection: Connection): void;
  onClose(connection: Connection, reason: CloseReason): void;
  onSubscribe(connection: Connection, address: string): void;
  onGap(connection: Connection, gap: Gap): void;
  onError(error: unknown): void;
}

/** Options of a feed with everything resolved and nothing typed. */
export interface FeedCoreOptions {
  readonly channel: AnyChannel;
  /** Where it is mounted; or the topic of an endpoint that is one stream, wherever it is mounted. */
  readonly mount: { readonly path: string } | { readonly topic: string };
  readonly identify: Identify | undefined;
  readonly authorize: Authorize | undefined;
  readonly sources: ReadonlyMap<string, UntypedSource>;
  /** A stream added later runs in the context of the request that added it, not of the one that opened the connection. */
  readonly contextPerRequest?: boolean | undefined;
  readonly log: Log;
  readonly cors: CorsOptions | undefined;
  readonly limits: FeedLimits;
  readonly clock: Clock;
  readonly handlers: FeedHandlers;
}

export class FeedCore implements ConnectionHost {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly limits: FeedLimits;
  readonly publisher: Publisher;
  readonly connections: Map<string, Connection> = new Map();
  readonly counters: ConnectionCounters = {
    framesOut: 0,
    bytesOut: 0,
    fallbacks: 0,
    stalled: 0,
    gaps: 0,
    replayed: 0,
    replays: 0,
    largestReplay: 0,
    bufferedHighWater: 0,
  };
  connectionsHighWater = 0;
  readonly #options: FeedCoreOptions;
  readonly #admission: AdmissionOptions;
  readonly #heartbeat: Heartbeat;
  /** Open connections by principal. */
  readonly #crowds = new Map<string, number>();
  #closing: { readonly until: number } | undefined;

  constructor(options: FeedCoreOptions) {
    const { channel, clock, limits, log, handlers, authorize } = options;
    const { onError } = handlers;
    this.#options = options;
    this.clock = clock;
    this.limits = limits;
    this.hub = new Hub({ log, clock, onError });
    this.publisher = new Publisher({ ...limits, channel, log });
    this.#admission = { channel, maxAddressBytes: limits.maxAddressBytes, authorize, onError };
    this.#heartbeat = new Heartbeat(clock, Math.min(limits.pingMs, limits.stallTimeoutMs));
  }

  /** For subscriptions that do not come over the wire. */
  get serving(): Pick<FeedCoreOptions, 'authorize' | 'sources'> {
    return this.#options;
  }

  // Requests ----------------------------------------------------------------------------------------------------------

  /** `undefined`: not under this feed's path. */
  async answer(request: IncomingRequest): Promise<Answer | undefined> {
    const rest = this.#restOf(request.url.pathname);
    if (rest === undefined) return undefined;
    let headers: HeaderList = [];
    try {
      headers = checkOrigin(request, this.#options.cors);
      return await this.#answerAllowed(request, rest, headers);
    } catch (error) {
      if (!LinefeedError.is(error)) this.onError(error);
      return toProblem(error, headers);
    }
  }

  /** What stands behind the path. */
  #restOf(pathname: string): string | undefined {
    const { mount } = this.#options;
    if ('topic' in mount || pathname === mount.path) return '';
    return pathname.startsWith(`${mount.path}/`) ? pathname.slice(mount.path.length + 1) : undefined;
  }

  async #answerAllowed(request: IncomingRequest, rest: string, cors: HeaderList): Promise<Answer> {
    const { method } = request;
    if (method === 'OPTIONS') return answerPreflight(cors);
    if (!METHODS.split(', ').includes(method)) {
      const error = refusal(
        'method_not_allowed',
        `The method ${method} means nothing here; use GET or POST.`,
      );
      return toProblem(error, [...cors, ['allow', METHODS]]);
    }
    assertAcceptable(request.header('accept'));
    const asked = await this.#read(request, rest);
    const { identify: run } = this.#options;
    const visitor = await this.#withinTime(identify(request, cors, run, this.clock)).catch(
      (error: unknown) => {
        if (isTimeout(error)) return undefined;
        throw error;
      },
    );
    if (visitor === undefined) return this.#comeBackLater(method, 'busy', BUSY_RETRY_MS, cors);
    if (visitor.error !== undefined) return this.#refuse(visitor.error, visitor.headers);
    try {
      if ('connection' in asked) return await this.#control(asked, visitor);
      return await this.#open(asked, visitor, method);
    } catch (error) {
      if (isTimeout(error)) return this.#comeBackLater(method, 'busy', BUSY_RETRY_MS, visitor.headers);
      return this.#refuse(error, visitor.headers);
    }
  }

  #refuse(error: unknown, headers: HeaderList): Answer {
    const problem = toProblem(error, headers);
    // Our own refusals have no cause; what user code threw does, and only that is news.
    const thrown = LinefeedError.is(error) ? error.cause : error;
    if (problem.status >= 500 && thrown !== undefined) this.onError(thrown);
    return problem;
  }

  async #read(request: IncomingRequest, rest: string): Promise<Opening | Control> {
    if (request.method === 'POST') return readPost(await request.text(this.limits.maxRequestBytes));
    const { mount } = this.#options;
    return 'topic' in mount ? readEndpointGet(request, mount.topic) : readGet(request, rest);
  }

  async #withinTime<T>(deciding: Promise<T>): Promise<T> {
    const { authorizeTimeoutMs } = this.limits;
    return await new Promise<T>((resolve, reject) => {
      const timer = this.clock.after(authorizeTimeoutMs, () =>
        reject(refusal('timeout', `Deciding on this request took longer than ${authorizeTimeoutMs} ms.`)),
      );
      void deciding.then(resolve, reject).finally(() => timer.clear());
    });
  }

  // Opening -----------------------------------------------------------------------------------------------------------

  async #open(opening: Opening, visitor: Visitor, method: string): Promise<Answer> {
    const { entries, lastEventId } = opening;
    if (this.#closing !== undefined) {
      const left = Math.max(0, this.#closing.until - this.clock.now());
      return this.#comeBackLater(method, 'drain', left + this.limits.retryMs, visitor.headers);
    }
    if (entries.length === 0)
      throw refusal('bad_request', 'Name at least one topic: …/<address> or ?topic=<address>.');
    if (this.#isFull(visitor.principal))
      return this.#comeBackLater(method, 'busy', BUSY_RETRY_MS, visitor.headers);
    const alone = entries.length === 1;
    const streamFrom = (entry: AskedEntry | Admitted): string | undefined =>
      entry.from ?? this.#streamFrom(opening);
    if (entries.every((entry) => this.#isOver(entry.topic, streamFrom(entry)))) {
      return { status: 204, headers: visitor.headers, body: undefined };
    }
    const { admitted, refused } = await this.#decide(entries, visitor.context, 0, alone);
    if (admitted.length === 0) return this.#refuse(refused[0]!.error, visitor.headers);
    const streams = admitted.filter(({ definition }) => definition.kind === 'stream');
    // Alone, data without ids cannot be gone on with: nothing to run, nothing to come back for.
    if (alone && streams.length === 1 && readStreamResume(streamFrom(streams[0]!)).type === 'begun') {
      return { status: 204, headers: visitor.headers, body: undefined };
    }
    const logged = admitted.filter(({ definition }) => definition.kind === 'logged');
    const shared = await resolveShared(this.hub, lastEventId);
    const starts = await Promise.all(logged.map((entry) => resolveStart(this.hub, entry, shared)));
    const head = { status: 200, headers: eventStreamHeaders(visitor.headers) };
    if (method === 'HEAD') return { ...head, body: undefined };
    const body = (outlet: Outlet): void => {
      const connection = this.#connect(outlet, visitor);
      connection.open(shared.resumed, starts, () => {
        for (const refusedEntry of refused) this.#sendRefusal(connection, refusedEntry, undefined);
        for (const entry of streams)
          this.#startStream(connection, entry, streamFrom(entry), undefined, connection.context);
      });
      for (const { event } of logged) this.#options.handlers.onSubscribe(connection, event);
    };
    return { ...head, body };
  }

  /**
   * Where a stream without a `from` of its own goes on. A native EventSource that comes back repeats its URL, and one id
   * cannot tell where each of several streams stood: those are taken for begun, and not run twice.
   */
  #streamFrom({ entries, lastEventId, isNativeReturn }: Opening): string | undefined {
    if (entries.length === 1) return lastEventId;
    if (!isNativeReturn) return undefined;
    const { topics } = this.#options.channel;
    const streams = entries.filter(({ topic }) => topics.get(topic)?.kind === 'stream');
    return streams.length === 1 && lastEventId?.includes('~') === true ? lastEventId : '~';
  }

  /** `taken`: subscriptions that the connection has already. What goes beyond its limit is refused, and the rest served. */
  async #decide(
    entries: readonly AskedEntry[],
    context: unknown,
    taken: number,
    alone: boolean,
  ): Promise<{ admitted: Admitted[]; refused: Refused[] }> {
    const { maxSubscriptions } = this.limits;
    const { channel } = this.#options;
    const room = Math.max(0, maxSubscriptions - taken);
    const deciding = entries.slice(0, room).map((entry) => admit(entry, context, alone, this.#admission));
    const decided = await this.#withinTime(Promise.all(deciding));
    const tooMany = refusal(
      'too_many_subscriptions',
      `A connection may have ${maxSubscriptions} subscriptions (maxSubscriptions); this is one more.`,
    );
    return {
      admitted: decided.filter((entry): entry is Admitted => entry.admitted),
      refused: [
        ...decided.filter((entry): entry is Refused => !entry.admitted),
        ...entries.slice(room).map((entry) => refuseEntry(entry, tooMany, channel)),
      ],
    };
  }

  #connect(outlet: Outlet, { context, principal, expiresInMs }: Visitor): Connection {
    const connection = new Connection(this, outlet, { id: randomId(), context, principal, expiresInMs });
    this.connections.set(connection.id, connection);
    this.connectionsHighWater = Math.max(this.connectionsHighWater, this.connections.size);
    if (principal !== undefined) this.#crowds.set(principal, (this.#crowds.get(principal) ?? 0) + 1);
    this.#heartbeat.add(connection);
    this.#options.handlers.onOpen(connection);
    return connection;
  }

  /** A stream of which the client has everything. */
  #isOver(topic: string, from: string | undefined): boolean {
    return (
      this.#options.channel.topics.get(topic)?.kind === 'stream' && readStreamResume(from).type === 'ended'
    );
  }

  #isFull(principal: string | undefined): boolean {
    const { maxConnections, maxConnectionsPerPrincipal } = this.limits;
    if (this.connections.size >= maxConnections) return true;
    return principal !== undefined && (this.#crowds.get(principal) ?? 0) >= maxConnectionsPerPrincipal;
  }

  /** To a GET as an event stream: a 503 would end a plain EventSource for ever (WHATWG HTML §9.2.3). */
  #comeBackLater(method: string, reason: Reconnect['reason'], baseMs: number, headers: HeaderList): Answer {
    const afterMs = Math.round(baseMs * (1 + this.clock.random()));
    if (method === 'POST') {
      const error = refusal(
        reason === 'drain' ? 'draining' : 'too_many_connections',
        'The server takes no more connections now.',
      );
      return toProblem(error, [...headers, ['retry-after', String(Math.ceil(afterMs / 1000))]]);
    }
    const frame = encodeFrame({
      retryMs: afterMs,
      event: FRAME.reconnect,
      data: JSON.stringify({ afterMs, reason } satisfies Reconnect),
    });
    const body = (outlet: Outlet): void => {
      outlet.write(encoder.encode(frame));
      outlet.end();
    };
    return { status: 200, headers: eventStreamHeaders(headers), body: method === 'HEAD' ? undefined : body };
  }

  // Subscriptions of an open connection ---------------------------------------------------------------------------------

  async #control(control: Control, visitor: Visitor): Promise<Answer> {
    const connection = this.connections.get(control.connection);
    if (connection === undefined) {
      throw refusal('unknown_connection', 'This server has no connection of that id; open a new one.');
    }
    if (connection.principal !== visitor.principal) {
      throw refusal('forbidden', 'This connection was opened by somebody else.');
    }
    const context = this.#options.contextPerRequest === true ? visitor.context : connection.context;
    const applying = connection.controlled.then(() => this.#apply(connection, control, context));
    connection.controlled = applying.catch((error: unknown) => this.onError(error));
    await applying;
    return { status: 202, headers: visitor.headers, body: '' };
  }

  async #apply(connection: Connection, { n, add, remove }: Control, context: unknown): Promise<void> {
    // A repeated request changes nothing: its outcomes were sent.
    if (connection.closed || n <= connection.lastControl) return;
    connection.lastControl = n;
    for (const event of remove) {
      connection.remove(event);
      connection.control(FRAME.end, { address: event, n });
    }
    // The principal is the same, but what it may have is decided by who opened the connection.
    const { admitted, refused } = await this.#decide(add, context, connection.subscriptionCount, false);
    if (connection.closed) return;
    for (const entry of refused) this.#sendRefusal(connection, entry, n);
    for (const entry of admitted) {
      if (entry.definition.kind === 'stream') this.#startStream(connection, entry, entry.from, n, context);
      else {
        const { position, hasCursor } = connection.logged;
        // Nothing logged was subscribed: there is no cursor to go on from.
        const shared = hasCursor
          ? { resumed: position, position }
          : { resumed: undefined, position: 'now' as const };
        const start = await resolveStart(this.hub, entry, shared);
        if (connection.closed) return;
        connection.logged.add(start, n);
        this.#options.handlers.onSubscribe(connection, entry.event);
      }
    }
  }

  #startStream(
    connection: Connection,
    entry: Admitted,
    from: string | undefined,
    n: number | undefined,
    context: unknown,
  ): void {
    const { topic, event, key, definition, params } = entry;
    const resume = readStreamResume(from);
    const numbered = n === undefined ? {} : { n };
    if (connection.streams.has(event)) {
      const error = refusal(
        'key_in_use',
        `The key "${key}" names another stream of this connection; choose a new one.`,
      );
      return this.#sendRefusal(connection, { admitted: false, asked: event, key, error }, n);
    }
    if (resume.type === 'begun') {
      const error = refusal(
        'not_resumable',
        `The stream "${topic}" has no ids to go on from, and is not run twice.`,
      );
      return this.#sendRefusal(connection, { admitted: false, asked: event, key, error }, n);
    }
    const keyed = key === undefined ? {} : { key };
    connection.control(FRAME.subscribed, {
      address: event,
      event,
      ...keyed,
      ...numbered,
    } satisfies Subscribed);
    if (resume.type === 'ended')
      return connection.control(FRAME.end, { address: event, ...keyed, ...numbered });
    this.#options.handlers.onSubscribe(connection, event);
    const options = {
      topic,
      event,
      key,
      definition,
      params,
      context,
      source: this.#options.sources.get(topic)!,
      lastEventId: resume.type === 'behind' ? resume.id : undefined,
      maxPayloadBytes: this.limits.maxPayloadBytes,
      clock: this.clock,
      onError: (error: unknown) => this.onError(error),
    };
    // Its ids bear the connection's cursor, which must not pass a gap that is still to be announced.
    connection.logged.afterGaps(() => startStream(connection, options));
  }

  #sendRefusal(connection: Connection, { asked, key, error }: Refused, n: number | undefined): void {
    connection.control(FRAME.error, {
      address: asked,
      ...(key === undefined ? {} : { key }),
      ...(n === undefined ? {} : { n }),
      code: error.code,
      message: error.message,
      retryable: error.retryable,
    } satisfies SubscriptionError);
  }

  // Draining ------------------------------------------------------------------------------------------------------------

  disconnect(predicate: (connection: Connection) => boolean): number {
    const named = [...this.connections.values()].filter(predicate);
    for (const connection of named) connection.reconnect('disconnected', 0);
    return named.length;
  }

  async close(graceMs: number): Promise<void> {
    this.#closing ??= { until: this.clock.now() + graceMs };
    const connections = [...this.connections.values()];
    // Evenly over the grace: no two come back to the next server together.
    for (const [index, connection] of connections.entries()) {
      const at = graceMs === 0 ? 0 : (graceMs * index) / connections.length;
      if (at === 0) connection.reconnect('drain', 0);
      else this.clock.after(at, () => connection.reconnect('drain', 0));
    }
    if (connections.length > 1 && graceMs > 0) {
      await new Promise<void>((resolve) => void this.clock.after(graceMs, resolve));
    }
    await this.publisher.settled();
    this.hub.close();
  }

  // ConnectionHost ------------------------------------------------------------------------------------------------------

  onGone(connection: Connection): void {
    this.#heartbeat.remove(connection);
  }

  onClose(connection: Connection, reason: CloseReason): void {
    this.connections.delete(connection.id);
    const { principal } = connection;
    if (principal !== undefined) {
      const left = (this.#crowds.get(principal) ?? 1) - 1;
      if (left === 0) this.#crowds.delete(principal);
      else this.#crowds.set(principal, left);
    }
    this.#options.handlers.onClose(connection, reason);
  }

  onGap(connection: Connection, gap: Gap): void {
    this.#options.handlers.onGap(connection, gap);
  }

  onError(error: unknown): void {
    this.#options.handlers.onError(error);
  }
}

/** 128 random bits: whoever has the id of a connection may change what is subscribed on it. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function isTimeout(error: unknown): boolean {
  return LinefeedError.is(error) && error.code === 'timeout';
}
