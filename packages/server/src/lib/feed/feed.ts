/** The core of a feed: connection slots, the opening of connections, control requests and shutdown. */
import type { AnyChannel } from '@linefeed/shared';
import { refusal, type Gap } from '@linefeed/shared/wire';
import type { Authorized, Authorize } from '../request/authorize.ts';
import type { Clock } from '../base/clock.ts';
import {
  Connection,
  NOTHING_APPLIED,
  type CloseReason,
  type ConnectionCounters,
  type ConnectionHost,
} from '../connection/connection.ts';
import { BUSY, RequestHandler, type RequestHandlerOptions, type RetryLater } from '../request/handler.ts';
import { Drain } from './drain.ts';
import { eventStreamHeaders, toProblem, type HttpResponse, type HttpRequest } from '../http/http.ts';
import { Sessions } from '../connection/sessions.ts';
import { Heartbeat } from '../connection/heartbeat.ts';
import { Hub } from '../delivery/hub.ts';
import type { FeedLimits } from '../base/limits.ts';
import type { Log } from '../log/log.ts';
import type { AskedEntry, Control, SubscribeRequest } from '../request/parse.ts';
import type { ResponseSink } from '../http/response-sink.ts';
import { ConnectionSlots, type ConnectionSlot } from '../request/connection-slots.ts';
import { Publisher } from '../publish/publisher.ts';
import { readReach, resolveShared, resolveStart } from '../delivery/start-position.ts';
import { readStreamResume, type UntypedSource } from '../stream/run-stream.ts';
import { sendRefusal, Subscriptions } from '../connection/subscriptions.ts';
import type { Identity, ReadSession, RequestIdentity } from '../request/identify.ts';
import { CORE, type Feed } from './types.ts';

const NOTHING: ReadonlySet<string> = new Set();

/**
 * Limit per connection. A client has one control request in flight. Each queued one holds its body, and waits for all
 * before it.
 */
const MAX_OPEN_CONTROLS = 4;

export interface FeedHandlers {
  onOpen(connection: Connection): void;
  onClose(connection: Connection, reason: CloseReason): void;
  onSubscribe(connection: Connection, address: string): void;
  onGap(connection: Connection, gap: Gap): void;
  onError(error: unknown): void;
}

/** Options of a feed, with defaults resolved and without the types of its channel. */
export interface FeedCoreOptions extends Omit<RequestHandlerOptions, 'onError'> {
  readonly channel: AnyChannel;
  readonly authorize: Authorize | undefined;
  readonly sources: ReadonlyMap<string, UntypedSource>;
  /** A stream added later gets the context of the request that added it, not that of the connection. */
  readonly contextPerRequest?: boolean | undefined;
  readonly log: Log;
  readonly handlers: FeedHandlers;
}

export class FeedCore implements ConnectionHost {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly limits: FeedLimits;
  readonly publisher: Publisher;
  readonly connections: Map<string, Connection> = new Map();
  /** Subscriptions without a connection: those of a tRPC router. */
  readonly sessions: Sessions;
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
  readonly #requestHandler: RequestHandler;
  readonly #subscriptions: Subscriptions;
  readonly #heartbeat: Heartbeat;
  readonly #slots: ConnectionSlots;
  /** The slot of each open connection. */
  readonly #taken = new Map<Connection, ConnectionSlot>();
  /** Set once the feed is closing. */
  #drain: Drain | undefined;

  constructor(options: FeedCoreOptions) {
    const { channel, clock, limits, log, handlers } = options;
    const { onError } = handlers;
    this.#options = options;
    this.clock = clock;
    this.limits = limits;
    this.#heartbeat = new Heartbeat(clock, Math.min(limits.pingMs, limits.stallTimeoutMs));
    this.hub = new Hub({ log, clock, onError, beforeEvents: () => this.#heartbeat.catchUp() });
    this.publisher = new Publisher({ ...limits, channel, log });
    this.#requestHandler = new RequestHandler({ ...options, onError });
    this.#subscriptions = new Subscriptions({
      ...options,
      hub: this.hub,
      withinTime: (deciding) => this.#requestHandler.withinTime(deciding),
      onSubscribe: (connection, event) => handlers.onSubscribe(connection, event),
      onError,
    });
    this.#slots = new ConnectionSlots(limits);
    this.sessions = new Sessions(this.#heartbeat);
  }

  /** For subscriptions without a connection. */
  get serving(): Pick<FeedCoreOptions, 'authorize' | 'sources'> {
    return this.#options;
  }

  readSession(context: unknown): ReturnType<ReadSession> {
    return this.#requestHandler.readSession(context);
  }

  /** `undefined`: the path is not under this feed's path. */
  answer(request: HttpRequest): Promise<HttpResponse | undefined> {
    const answering = this.#requestHandler.answer(request, (accepted) =>
      'connection' in accepted.asked
        ? this.#control(accepted.asked, accepted.identity)
        : this.#open(accepted.asked, accepted.identity, accepted.method),
    );
    return answering.then((answer) => {
      if (answer === undefined) return undefined;
      const sent = request.method === 'HEAD' ? { ...answer, body: undefined } : answer;
      // A kept connection would bring the client's next request here again.
      return this.isClosing ? { ...sent, departure: 'closing' } : sent;
    });
  }

  get isClosing(): boolean {
    return this.#drain !== undefined;
  }

  // Opening ---------

  async #open(opening: SubscribeRequest, identity: RequestIdentity, method: string): Promise<HttpResponse> {
    const away = this.#retryLater(identity);
    if (away !== undefined) return this.#requestHandler.rejectWithRetry(method, away, identity.headers);
    if (opening.entries.length === 0) {
      const hint =
        method === 'POST'
          ? ''
          : ' If a client sent this as a POST, a redirect (301, 302, 303) turned it into a GET: give the client the URL that the redirect leads to.';
      throw refusal('bad_request', `Name at least one topic: …/<address> or ?topic=<address>.${hint}`);
    }
    // The request holds a slot while it is decided on, and no longer: an adapter that never opens the body could not
    // release it.
    const slot = this.#slots.take(identity.principal);
    if (slot === undefined) return this.#requestHandler.rejectWithRetry(method, BUSY, identity.headers);
    try {
      const answer = await this.#requestHandler.withinTime(this.#prepare(opening, identity, method));
      const since = answer.status === 200 ? this.#retryLater(identity) : undefined;
      return since === undefined
        ? answer
        : this.#requestHandler.rejectWithRetry(method, since, identity.headers);
    } finally {
      slot.release();
    }
  }

  /**
   * Why this identity gets no connection any more. Must be called after each await, because the state may have changed
   * meanwhile.
   */
  #retryLater(identity: RequestIdentity): RetryLater | undefined {
    const { retryMs } = this.limits;
    if (this.#drain !== undefined)
      return { reason: 'drain', code: 'draining', baseMs: this.#drain.leftMs + retryMs };
    const { isOver, wasOver } = identity.expiry;
    // A context that had expired on arrival may be expired on the next attempt too.
    if (isOver) return { reason: 'expired', code: 'disconnected', baseMs: wasOver ? BUSY.baseMs : retryMs };
    return this.#requestHandler.retryLaterOf(identity);
  }

  /** Decides on a subscribe request, and where each of its entries starts. */
  async #prepare(
    opening: SubscribeRequest,
    identity: RequestIdentity,
    method: string,
  ): Promise<HttpResponse> {
    const { entries, lastEventId } = opening;
    const alone = entries.length === 1;
    const streamFrom = (entry: AskedEntry | Authorized): string | undefined =>
      entry.from ?? this.#streamFrom(opening);
    if (entries.every((entry) => this.#isOver(entry.topic, streamFrom(entry)))) {
      return { status: 204, headers: identity.headers, body: undefined };
    }
    /* seam: wait-for-authorize */ const { authorized, refused } = await this.#subscriptions.decide(entries, {
      context: identity.context,
      taken: NOTHING,
      alone,
    });
    if (authorized.length === 0) {
      // A client gives up all its entries after a final status. A retryable refusal takes precedence.
      const { error } =
        refused.find(/* seam: retryable-refusal-first */ (entry) => entry.error.retryable) ?? refused[0]!;
      return toProblem(error, identity.headers);
    }
    const streams = authorized.filter(({ definition }) => definition.kind === 'stream');
    // A single stream that sent data without ids cannot be resumed. There is nothing to run, and no reason to
    // reconnect.
    if (alone && streams.length === 1 && readStreamResume(streamFrom(streams[0]!)).type === 'begun') {
      return { status: 204, headers: identity.headers, body: undefined };
    }
    const logged = authorized.filter(({ definition }) => definition.kind === 'logged');
    const reach = await readReach(this.hub, [lastEventId, ...logged.map(({ from }) => from)]);
    const head = { status: 200, headers: eventStreamHeaders(identity.headers) };
    if (method === 'HEAD') return { ...head, body: undefined };
    const body = (sink: ResponseSink): void => {
      const away = this.#retryLater(identity);
      // The last slot may have been taken since the decision.
      const slot = away === undefined ? this.#slots.take(identity.principal) : undefined;
      if (slot === undefined) return this.#requestHandler.writeReconnect(sink, away ?? BUSY);
      const connection = this.#connect(sink, identity, slot);
      // Resolved only now: the log's numbering may have changed since the request arrived.
      const shared = /* seam: cursor-decided-at-open */ resolveShared(this.hub, lastEventId, reach);
      const starts = logged.map((entry) => resolveStart(this.hub, entry, shared, reach));
      connection.open(shared.resumed, starts, () => {
        for (const refusedEntry of refused) sendRefusal(connection, refusedEntry, undefined);
        for (const entry of streams)
          this.#subscriptions.startStream(connection, entry, {
            from: streamFrom(entry),
            context: connection.context,
          });
      });
      for (const { event } of logged) this.#options.handlers.onSubscribe(connection, event);
    };
    return { ...head, body };
  }

  /**
   * Where a stream without a `from` of its own resumes. A native EventSource repeats its URL when it reconnects. One id
   * cannot give the positions of several streams. Those are treated as begun, and do not run twice.
   */
  #streamFrom({ entries, lastEventId, isNativeReturn }: SubscribeRequest): string | undefined {
    if (entries.length === 1) return lastEventId;
    if (!isNativeReturn) return undefined;
    const { topics } = this.#options.channel;
    const streams = entries.filter(({ topic }) => topics.get(topic)?.kind === 'stream');
    return streams.length === 1 && lastEventId?.includes('~') === true ? lastEventId : '~';
  }

  #connect(sink: ResponseSink, identity: RequestIdentity, slot: ConnectionSlot): Connection {
    const connection = new Connection(this, sink, identity);
    this.connections.set(connection.id, connection);
    this.connectionsHighWater = Math.max(this.connectionsHighWater, this.connections.size);
    this.#taken.set(connection, slot);
    this.#heartbeat.add(connection);
    this.#options.handlers.onOpen(connection);
    return connection;
  }

  /** A stream that the client has received completely. */
  #isOver(topic: string, from: string | undefined): boolean {
    return (
      this.#options.channel.topics.get(topic)?.kind === 'stream' && readStreamResume(from).type === 'ended'
    );
  }

  // Control requests --------------------------------------------------------------------------------------------------

  async #control(control: Control, identity: RequestIdentity): Promise<HttpResponse> {
    const connection = this.connections.get(control.connection);
    if (connection === undefined) {
      throw refusal('unknown_connection', 'This server has no connection of that id; open a new one.');
    }
    if (connection.principal !== identity.principal) {
      throw refusal('forbidden', 'This connection belongs to another principal.');
    }
    // The principal is the same, but the connection's context decides what it may have.
    const context = this.#options.contextPerRequest === true ? identity.context : connection.context;
    const isLeaving = (): boolean => this.#isLeaving(connection) || this.#retryLater(identity) !== undefined;
    if (connection.openControls >= MAX_OPEN_CONTROLS) {
      throw refusal('busy', `This connection has ${MAX_OPEN_CONTROLS} control requests that wait already.`);
    }
    connection.openControls += 1;
    const applying = connection.controlled
      .then(() => this.#subscriptions.change(connection, control, context, isLeaving))
      .finally(() => {
        connection.openControls -= 1;
        // The promise of a request retains its async context.
        if (connection.openControls === 0) connection.controlled = NOTHING_APPLIED;
      });
    // The next request is applied whatever the result of this one. This one is awaited below.
    connection.controlled = applying.catch(() => undefined);
    await applying;
    const away = this.#retryLater(identity);
    return away === undefined
      ? { status: 202, headers: identity.headers, body: '' }
      : this.#requestHandler.rejectWithRetry('POST', away, identity.headers);
  }

  /** No subscription starts on a connection that will be drained: its client is told to reconnect now. */
  #isLeaving(connection: Connection): boolean {
    if (this.#drain !== undefined) connection.reconnect('drain', 0);
    // Expiry is checked now: the heartbeat may be late, for example after a suspend.
    return connection.endIfOver(this.clock.now());
  }

  // Draining ------------------------------------------------------------------------------------------------------------

  disconnect(predicate: (connection: Identity) => boolean): number {
    const named = [...this.connections.values()].filter(predicate);
    // A request that is still being decided on would open with its previous authorisation.
    const revoked = this.#requestHandler.revoke(predicate);
    for (const connection of named) connection.reconnect('disconnected', 0);
    return named.length + revoked + this.sessions.end(predicate);
  }

  async close(graceMs: number): Promise<void> {
    this.#drain ??= new Drain(this.clock, graceMs);
    this.sessions.close();
    await this.#drain.run([...this.connections.values()]);
    // Connections that are still open receive the events published meanwhile.
    await this.publisher.close();
    this.sessions.end(() => true);
    this.hub.close();
  }

  // ConnectionHost ------------------------------------------------------------------------------------------------------

  onGone(connection: Connection): void {
    this.#heartbeat.remove(connection);
  }

  onClose(connection: Connection, reason: CloseReason): void {
    this.connections.delete(connection.id);
    this.#taken.get(connection)?.release();
    this.#taken.delete(connection);
    if (this.connections.size === 0) this.#drain?.emptied();
    this.#options.handlers.onClose(connection, reason);
  }

  onGap(connection: Connection, gap: Gap): void {
    this.#options.handlers.onGap(connection, gap);
  }

  onError(error: unknown): void {
    this.#options.handlers.onError(error);
  }
}

/** The core of a feed, for adapters. */
export function coreOf(feed: Pick<Feed<AnyChannel>, typeof CORE>): FeedCore {
  return feed[CORE] as FeedCore;
}
