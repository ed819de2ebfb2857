/** The core of a feed: composes its parts, owns its connections, and closes it. */
import type { AnyChannel } from '@linefeed/shared';
import { refusal, type Gap } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import type { FeedLimits } from '../base/default-options.ts';
import { Connection, type ConnectionHost } from '../connection/connection.ts';
import { Heartbeat } from '../connection/heartbeat.ts';
import { Sessions } from '../connection/sessions.ts';
import { sendRefusal, Subscriptions } from '../connection/subscriptions.ts';
import type { CloseReason, ConnectionCounters } from '../connection/types.ts';
import { Hub } from '../delivery/hub.ts';
import type { HttpRequest, HttpResponse } from '../http/http.ts';
import type { CorsOptions } from '../http/origin.ts';
import type { ResponseSink } from '../http/response-sink.ts';
import type { Log } from '../log/log.ts';
import { Publisher } from '../publish/publisher.ts';
import { Authorizer, type Authorize } from '../request/authorize.ts';
import { createBodyReader } from '../request/body.ts';
import { ConnectionSlots, type ConnectionSlot } from '../request/connection-slots.ts';
import { createDecider } from '../request/decide.ts';
import { RequestHandler, type Opening, type RequestHost } from '../request/handler.ts';
import {
  createSessionReader,
  type Identify,
  type Identity,
  type ReadSession,
  type RequestIdentity,
} from '../request/identify.ts';
import { createParser } from '../request/parse.ts';
import type { Mount } from '../request/route.ts';
import type { ControlRequest } from '../request/subscribe-request.ts';
import { createTimeLimit } from '../request/time-limit.ts';
import { createStopper } from '../request/stop.ts';
import { RunRecords } from '../runs/run-records.ts';
import { Runs } from '../runs/runs.ts';
import type { RunStore } from '../runs/run-store.ts';
import { RunTails } from '../runs/run-tail.ts';
import type { UntypedSource } from '../stream/run-stream.ts';
import { Drain } from './drain.ts';
import { CORE, type Feed } from './types.ts';

export interface FeedHandlers {
  onOpen(connection: Connection): void;
  onClose(connection: Connection, reason: CloseReason): void;
  onSubscribe(connection: Connection, eventName: string): void;
  onGap(connection: Connection, gap: Gap): void;
  onError(error: unknown): void;
}

/** Options of a feed, with defaults resolved and without the types of its channel. */
export interface FeedCoreOptions {
  readonly channel: AnyChannel;
  readonly mount: Mount;
  readonly cors: CorsOptions | undefined;
  readonly hosts: readonly string[] | undefined;
  /** The option `context`. */
  readonly identify: Identify | undefined;
  readonly authorize: Authorize | undefined;
  readonly sources: ReadonlyMap<string, UntypedSource>;
  /** A stream added later gets the context of the request that added it, not that of the connection. */
  readonly contextPerRequest?: boolean | undefined;
  readonly log: Log;
  readonly runs: RunStore;
  readonly stopFromClients: boolean;
  readonly limits: FeedLimits;
  readonly clock: Clock;
  readonly handlers: FeedHandlers;
}

export class FeedCore implements ConnectionHost, RequestHost {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly limits: FeedLimits;
  readonly publisher: Publisher;
  readonly runs: Runs;
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
  /** Reads the principal and the expiry of a context. */
  readonly readSession: ReadSession;
  readonly #options: FeedCoreOptions;
  readonly #requestHandler: RequestHandler;
  readonly #subscriptions: Subscriptions;
  readonly #heartbeat: Heartbeat;
  /** Set once the feed is closing. */
  #drain: Drain | undefined;

  constructor(options: FeedCoreOptions) {
    const { channel, sources, authorize, clock, limits, log, handlers } = options;
    const { maxAddressBytes, maxPayloadBytes, maxRequestBytes, maxSubscriptions } = limits;
    const { onError } = handlers;
    this.#options = options;
    this.clock = clock;
    this.limits = limits;
    this.#heartbeat = new Heartbeat(clock, Math.min(limits.pingMs, limits.stallTimeoutMs));
    this.sessions = new Sessions(this.#heartbeat);
    this.hub = new Hub({ log, clock, onError, beforeEvents: () => this.#heartbeat.catchUp() });
    this.publisher = new Publisher({ channel, log, maxAddressBytes, maxPayloadBytes });
    const records = new RunRecords({ store: options.runs, clock, pollMs: limits.runPollMs, onError });
    this.runs = new Runs({ channel, records, clock, limits, onError });
    const runs = new RunTails({ records, clock, onError });
    this.readSession = createSessionReader({ clock, onError });
    const withinTime = createTimeLimit(clock, limits.requestTimeoutMs);
    const authorizer = new Authorizer({
      channel,
      maxAddressBytes,
      maxSubscriptions,
      authorize,
      clock,
      onError,
    });
    this.#subscriptions = new Subscriptions({
      authorizer,
      sources,
      hub: this.hub,
      runs,
      clock,
      maxBufferedBytes: limits.maxBufferedBytes,
      maxPayloadBytes,
      counters: this.counters,
      withinTime,
      onSubscribe: (connection, eventName) => handlers.onSubscribe(connection, eventName),
      onError,
    });
    const readBody = createBodyReader({ maxRequestBytes, withinTime, onError });
    this.#requestHandler = new RequestHandler(this, {
      mount: options.mount,
      cors: options.cors,
      hosts: options.hosts,
      identify: options.identify,
      readSession: this.readSession,
      parse: createParser({ mount: options.mount, maxSubscriptions, maxAddressBytes, readBody }),
      slots: new ConnectionSlots(limits),
      decide: createDecider({ channel, hub: this.hub, runs, authorizer }),
      stop: createStopper({
        isAllowed: options.stopFromClients,
        authorizer,
        stopRun: (address, { run, reason }) =>
          this.runs.stop(address, { run, reason, key: undefined, keepMs: 0 }, limits.requestTimeoutMs),
      }),
      withinTime,
      maxRequestBytes,
      requestTimeoutMs: limits.requestTimeoutMs,
      retryMs: limits.retryMs,
      clock,
      onError,
    });
  }

  /** For subscriptions without a connection. */
  get serving(): Pick<FeedCoreOptions, 'authorize' | 'sources'> {
    return this.#options;
  }

  /** `undefined`: the path is not under this feed's path. */
  respond(request: HttpRequest): Promise<HttpResponse | undefined> {
    return this.#requestHandler.respond(request);
  }

  get isClosing(): boolean {
    return this.#drain !== undefined;
  }

  // RequestHost -------------------------------------------------------------------------------------------------------

  get drainLeftMs(): number | undefined {
    return this.#drain?.leftMs;
  }

  open(sink: ResponseSink, identity: RequestIdentity, slot: ConnectionSlot, opening: Opening): void {
    const { resumed, starts, streams, refused, kept } = opening;
    const { onOpen, onSubscribe } = this.#options.handlers;
    const connection = new Connection(this, sink, identity, slot);
    this.connections.set(connection.id, connection);
    this.connectionsHighWater = Math.max(this.connectionsHighWater, this.connections.size);
    this.#heartbeat.add(connection);
    onOpen(connection);
    const { context } = connection;
    connection.open(resumed, starts, () => {
      for (const entry of refused) sendRefusal(connection, entry, undefined);
      for (const entry of streams) this.#subscriptions.start(connection, entry, kept, { context });
    });
    for (const { address } of starts) onSubscribe(connection, address);
  }

  async control(
    control: ControlRequest,
    identity: RequestIdentity,
    isRejected: () => boolean,
  ): Promise<void> {
    const connection = this.connections.get(control.connection);
    if (connection === undefined) {
      throw refusal('unknown_connection', 'This server has no connection of that id; open a new one.');
    }
    if (connection.principal !== identity.principal) {
      throw refusal('forbidden', 'This connection belongs to another principal.');
    }
    // The principal is the same. `authorize` gets the context of the connection, not the context of this request.
    const context = this.#options.contextPerRequest === true ? identity.context : connection.context;
    const isLeaving = (): boolean => this.#isLeaving(connection) || isRejected();
    await connection.controls.run(() => this.#subscriptions.change(connection, control, context, isLeaving));
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
    const drained = this.#drain.run([...this.connections.values()]);
    await Promise.all([drained, this.runs.close(graceMs, drained)]);
    // Connections that are still open receive the events published meanwhile.
    await this.publisher.close();
    this.sessions.end(() => true);
    this.runs.records.close();
    this.hub.close();
  }

  // ConnectionHost ------------------------------------------------------------------------------------------------------

  onGone(connection: Connection): void {
    this.#heartbeat.remove(connection);
  }

  onClose(connection: Connection, reason: CloseReason): void {
    this.connections.delete(connection.id);
    connection.slot.release();
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
