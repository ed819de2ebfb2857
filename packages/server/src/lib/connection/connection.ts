/** One open response of a feed: writes hello, the frames of its subscriptions and pings, and ends the response. */
import {
  encodeFrame,
  FRAME,
  formatEndMark,
  formatStreamId,
  PROTOCOL_VERSION,
  type FrameFields,
  type Gap,
  type Hello,
  type Position,
  type Reconnect,
  type ReconnectReason,
  type SubscriptionError,
} from '@linefeed/shared/wire';
import { captureScope, type AsyncScope } from '../base/async-scope.ts';
import type { Clock } from '../base/clock.ts';
import type { DeliveryPort } from '../delivery/delivery-port.ts';
import { LoggedDelivery } from '../delivery/live-or-replay.ts';
import { acceptEntries, sharedPosition } from '../delivery/logged-entries.ts';
import type { Expiry } from '../base/expiry.ts';
import type { HeartbeatTarget } from './heartbeat.ts';
import type { Hub } from '../delivery/hub.ts';
import { toAnnounced, type FeedLimits } from '../base/default-options.ts';
import type { ConnectionSlot } from '../request/connection-slots.ts';
import type { ResponseSink } from '../http/response-sink.ts';
import type { LoggedStart } from '../delivery/start-position.ts';
import type { RunPort } from '../delivery/run-delivery.ts';
import type { RunningStream, StreamTarget } from '../stream/run-stream.ts';
import { ControlRequests } from './control-requests.ts';
import { Outbox, type OutboxListener } from './outbox.ts';
import type { CloseReason, ConnectionCounters, ConnectionIdentity } from './types.ts';

const encoder = new TextEncoder();
const PING: Uint8Array = encoder.encode(encodeFrame({ event: FRAME.ping, data: '{}' }));

export interface ConnectionHost {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly limits: FeedLimits;
  readonly counters: ConnectionCounters;
  /** Whether the feed is closing. */
  readonly isClosing: boolean;
  /** Called when no more frames will be written. Written bytes may still wait in the sink. */
  onClose(connection: Connection, reason: CloseReason): void;
  /** Called when the response is over. */
  onGone(connection: Connection): void;
  onGap(connection: Connection, gap: Gap): void;
  onError(error: unknown): void;
}

export class Connection implements HeartbeatTarget, OutboxListener, DeliveryPort, RunPort, StreamTarget {
  readonly id: string;
  readonly context: unknown;
  readonly principal: string | undefined;
  /** Released when the connection closes. */
  readonly slot: ConnectionSlot;
  readonly logged: LoggedDelivery;
  readonly outbox: Outbox;

  /** The async context of the request that opened the connection. Hooks and streams run in it, whatever ends them. */
  readonly scope: AsyncScope = captureScope();

  readonly #host: ConnectionHost;
  readonly #sink: ResponseSink;
  readonly #endAt: number;
  readonly #expiry: Expiry;
  /**
   * Streams, and the deliveries of runs, by event name. Created on demand: an empty map is a tenth of a connection's
   * memory, and most have none.
   */
  #streams: Map<string, RunningStream> | undefined;
  #closed = false;
  /** Created on demand: most connections get no control request. */
  #controls: ControlRequests | undefined;

  constructor(host: ConnectionHost, sink: ResponseSink, identity: ConnectionIdentity, slot: ConnectionSlot) {
    this.#host = host;
    this.#sink = sink;
    this.outbox = new Outbox(sink, this, host);
    this.logged = new LoggedDelivery(host, this);
    this.id = identity.id;
    this.context = identity.context;
    this.principal = identity.principal;
    this.slot = slot;
    const now = host.clock.now();
    const { maxDurationMs } = host.limits;
    // Jitter: connections opened together do not reconnect together.
    this.#endAt = now + maxDurationMs * (0.8 + 0.2 * host.clock.random());
    this.#expiry = identity.expiry;
  }

  get closed(): boolean {
    // The sink may be closed before it calls `onClose`. A loop that waits for room would spin until then.
    return this.#closed || this.#sink.closed;
  }

  get controls(): ControlRequests {
    return (this.#controls ??= new ControlRequests());
  }

  get subscriptionCount(): number {
    return (this.#streams?.size ?? 0) + this.logged.size;
  }

  /** Event names of all subscriptions. */
  *eventNames(): Generator<string> {
    if (this.#streams !== undefined) yield* this.#streams.keys();
    yield* this.logged.addresses();
  }

  /**
   * Writes hello and starts the logged addresses. `resumed`: the position of a connection cursor that can be used.
   * Between hello and the gaps, only the frames of `answer` are written.
   */
  open(resumed: Position | undefined, asked: readonly LoggedStart[], answer: () => void): void {
    const { pingMs, timeoutMs, maxDurationMs, retryMs } = this.#host.limits;
    this.outbox.listen();
    if (this.#closed) return;
    const start = sharedPosition(resumed, asked, this.#host.hub.position);
    const isComplete = asked.length > 0 && !asked.some(({ gap }) => gap !== undefined);
    const id = this.logged.begin(start, isComplete);
    const hello: Hello = {
      protocol: PROTOCOL_VERSION,
      connection: this.id,
      pingMs: toAnnounced(pingMs),
      timeoutMs: toAnnounced(timeoutMs),
      maxDurationMs: toAnnounced(maxDurationMs),
    };
    this.#send({ retryMs, id, event: FRAME.hello, data: JSON.stringify(hello) });
    acceptEntries(this.logged, asked);
    answer();
    this.logged.start();
    // Flush now: the response head is sent with the first bytes.
    this.outbox.flush();
  }

  /** Removes a subscription. */
  remove(eventName: string): void {
    this.#streams?.get(eventName)?.cancel();
    this.#streams?.delete(eventName);
    this.logged.remove(eventName);
  }

  /** The stream, or the delivery of runs, with this event name. */
  streamOf(eventName: string): RunningStream | undefined {
    return this.#streams?.get(eventName);
  }

  // Streams -----------------------------------------------------------------------------------------------------------

  addStream(eventName: string, stream: RunningStream): void {
    this.#streams ??= new Map();
    this.#streams.set(eventName, stream);
  }

  /** Writes an event of a stream, which has waited for room. `streamId`: `undefined` if the event has none. */
  sendStreamEvent(eventName: string, json: string, streamId: string | undefined): void {
    this.#host.counters.framesOut += 1;
    this.#send({ event: eventName, data: json, id: formatStreamId(this.idPrefix, streamId) });
  }

  /**
   * Writes the end of a stream. It is final unless the error is retryable. If the stream was alone and had no key, the
   * response ends too.
   */
  endStream(eventName: string, key: string | undefined, error: SubscriptionError | undefined): void {
    if (this.#streams?.delete(eventName) !== true) return;
    const mark = error?.retryable === true ? undefined : this.endMark();
    const payload = error ?? { address: eventName, ...(key === undefined ? {} : { key }) };
    this.control(error === undefined ? FRAME.end : FRAME.error, payload, mark);
    if (this.subscriptionCount === 0 && key === undefined) this.end('finished');
  }

  /** The id that marks a stream as over. */
  endMark(): string {
    return formatEndMark(this.idPrefix);
  }

  /** The connection's cursor, the first part of the id of a stream or run. Empty if no logged topic is subscribed. */
  get idPrefix(): string {
    return this.logged.hasCursor ? /* seam: stream-id-at-queued */ this.logged.cursor : '';
  }

  // Writing -----------------------------------------------------------------------------------------------------------

  /** Queues a control frame. */
  control(event: string, payload: object, id?: string): void {
    this.#send({ event, data: JSON.stringify(payload), id });
  }

  /** Whether a stream may write now. */
  get hasRoom(): boolean {
    return this.outbox.hasRoom;
  }

  /** Queues a stream's call until there is room (FIFO). Returns a function that cancels the call. */
  waitForRoom(call: () => void): () => void {
    return this.outbox.waitForRoom(call);
  }

  #send(fields: FrameFields): void {
    if (!this.#closed) this.outbox.queueText(encodeFrame(fields));
  }

  onOverflow(): void {
    this.logged.onOverflow();
  }

  onDrain(): void {
    this.outbox.wake();
  }

  onGap(gap: Gap): void {
    this.#host.onGap(this, gap);
  }

  onFailure(error: unknown): void {
    this.#host.onError(error);
    this.reconnect('busy', this.#host.limits.retryMs);
  }

  onTick(now: number): void {
    if (this.#closed) {
      // The last bytes are still in the sink. A reader that never takes them would hold its socket forever.
      if (this.outbox.checkReader(now) === 'stalled') this.outbox.destroy();
      return;
    }
    if (this.endIfOver(now)) return;
    const reader = this.outbox.checkReader(now);
    if (reader === 'stalled') {
      this.#host.counters.stalled += 1;
      this.#close('stalled');
      this.outbox.destroy();
    } else if (reader === 'silent' && !this.logged.bookmarkIfMoved()) this.outbox.write(PING);
  }

  dueAt(now: number): number {
    return this.#closed ? Infinity : Math.min(this.#endAt, this.#expiry.dueAt(now));
  }

  // Ending ------------------------------------------------------------------------------------------------------------

  /**
   * Ends the connection if its context has expired or its maximum duration is over. Returns whether it is closed.
   * `now`: time of the feed's clock.
   */
  endIfOver(now: number): boolean {
    if (/* seam: end-of-authority */ this.#expiry.isOver) this.reconnect('expired', 0);
    else if (now >= this.#endAt) this.reconnect('lifetime', 0);
    return this.#closed;
  }

  /** Tells the client to reconnect, and ends the response. */
  reconnect(reason: ReconnectReason, afterMs: number): void {
    if (this.#closed) return;
    this.#send({
      event: FRAME.reconnect,
      data: JSON.stringify({ afterMs, reason } satisfies Reconnect),
      // A native EventSource waits this long before it reconnects.
      retryMs: Math.round(Math.max(afterMs, this.#host.limits.retryMs)),
    });
    this.end(reason);
  }

  end(reason: CloseReason): void {
    if (this.#closed) return;
    this.#close(reason);
    this.outbox.end(this.#host.isClosing ? 'closing' : reason === 'finished' ? undefined : 'reconnect');
  }

  onClose(): void {
    this.#close('client');
    this.outbox.discard();
    this.#host.onGone(this);
  }

  onBroken(error: unknown): void {
    this.#host.onError(error);
    this.onClose();
  }

  #close(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.logged.close();
    for (const stream of this.#streams?.values() ?? []) stream.cancel();
    this.#streams = undefined;
    this.outbox.wake();
    this.#host.onClose(this, reason);
  }
}
