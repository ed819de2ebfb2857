/** The ordered queue of one connection: text of its own, and batches of live events that it shares with others. */
import type { Position } from '@linefeed/shared/wire';
import type { Batch, Frame } from '../delivery/batch.ts';
import type { DeliveryQueue } from '../delivery/delivery-port.ts';
import type { Flushable, Hub } from '../delivery/hub.ts';
import type { Departure, ResponseSink } from '../http/response-sink.ts';
import {
  ResponseWriter,
  type WriterCounters,
  type WriterLimits,
  type WriterListener,
  type WriterOptions,
} from './response-writer.ts';

export interface OutboxListener extends WriterListener {
  /** A live event was refused: too many bytes would wait for the reader. */
  onOverflow(): void;
}

export interface OutboxCounters extends WriterCounters {
  framesOut: number;
}

export interface OutboxOptions extends WriterOptions {
  readonly hub: Pick<Hub, 'emptyBatch' | 'schedule'>;
  readonly limits: WriterLimits & {
    /** A live event that would make more bytes wait is refused. */
    readonly maxBufferedBytes: number;
  };
  readonly counters: OutboxCounters;
}

/** Text waits for the end of the tick only while less than this is queued. */
const MAX_QUEUED_WITH_TEXT = 16 * 1024;

/** A part of the queue. Each is one write. The bytes of a batch are shared by all connections that got its frames. */
type Segment = string | Batch;

const encoder = new TextEncoder();

export class Outbox implements Flushable, DeliveryQueue {
  // Each live event of each connection uses the first two fields. They are in the first cache line of the object.
  /** The newest segment of this tick, which can still grow. Empty text: nothing is queued. */
  #last: Segment = '';
  /** Text of this size makes the queue flush. A batch takes no frame past this size. */
  #maxLastBytes = 0;
  /** The segments before the last one. Created on demand: most ticks have one segment. */
  #earlier: Segment[] | undefined;
  /** Size of the segments before the last one. Text counts in UTF-16 code units. */
  #earlierBytes = 0;
  #lastId: Position | undefined;
  #roomWaiters: Set<() => void> | undefined;
  readonly #writer: ResponseWriter;
  readonly #sink: ResponseSink;
  readonly #listener: OutboxListener;
  readonly #options: OutboxOptions;

  constructor(sink: ResponseSink, listener: OutboxListener, options: OutboxOptions) {
    this.#writer = new ResponseWriter(sink, listener, options);
    this.#sink = sink;
    this.#listener = listener;
    this.#options = options;
  }

  /** Starts to listen to the response. */
  listen(): void {
    this.#writer.listen();
  }

  /** Queues a live frame, or calls `onOverflow`. */
  deliver(frame: Frame): void {
    if (!this.queueFrame(frame)) this.#listener.onOverflow();
  }

  queueText(text: string): void {
    const last = this.#last;
    let whole = text;
    if (typeof last === 'string' && last !== '') {
      whole = last + text;
      this.#last = whole;
    } else {
      this.#startSegment(text);
      this.#maxLastBytes = Math.min(MAX_QUEUED_WITH_TEXT, this.#sink.roomBytes) - this.#earlierBytes;
    }
    if (whole.length >= this.#maxLastBytes) this.flush();
  }

  /** Queues a live frame. Returns `false`, and queues nothing, if too many bytes would wait for the reader. */
  queueFrame(frame: Frame): boolean {
    const last = this.#last;
    if (typeof last === 'string') return this.#startBatch(frame);
    const batch = last.append(frame);
    if (exceeds(batch, this.#maxLastBytes)) return false;
    this.#last = batch;
    return true;
  }

  /** Reads the sink once for all frames of a batch: reading it for each frame would double their cost. */
  #startBatch(frame: Frame): boolean {
    const { hub, limits } = this.#options;
    const waiting = this.bufferedBytes;
    const maxBytes = limits.maxBufferedBytes - waiting;
    const batch = hub.emptyBatch.append(frame);
    // A single frame may be larger than the bound. It must still be sent when no other bytes wait.
    if (waiting > 0 && exceeds(batch, maxBytes)) return false;
    this.#startSegment(batch);
    this.#maxLastBytes = maxBytes;
    return true;
  }

  #startSegment(segment: Segment): void {
    const last = this.#last;
    if (last === '') this.#options.hub.schedule(this);
    else {
      this.#lastId = this.lastId;
      (this.#earlier ??= []).push(last);
      this.#earlierBytes += sizeOf(last);
    }
    this.#last = segment;
  }

  /** Position of the last id of a logged event or bookmark in the response or the queue. */
  get lastId(): Position | undefined {
    const last = this.#last;
    return typeof last === 'string' ? this.#lastId : last.frame?.position;
  }

  set lastId(position: Position | undefined) {
    this.#lastId = position;
  }

  /** Writes the queue. `now`: time of the clock, passed by callers that write to many connections. */
  flush(now?: number): void {
    const last = this.#takeLast(now);
    if (last !== undefined) this.#writer.write(last, now);
  }

  /** Empties the queue: writes all segments but the last one, and returns its bytes. */
  #takeLast(now?: number): Uint8Array | undefined {
    const last = this.#last;
    if (last === '') return undefined;
    const earlier = this.#earlier;
    this.#lastId = this.lastId;
    this.discard();
    if (earlier !== undefined) for (const segment of earlier) this.#writer.write(this.#toBytes(segment), now);
    return this.#toBytes(last);
  }

  #toBytes(segment: Segment): Uint8Array {
    if (typeof segment === 'string') return encoder.encode(segment);
    this.#options.counters.framesOut += segment.length;
    return segment.bytes;
  }

  /** Writes bytes at once, after everything that is queued. */
  write(bytes: Uint8Array): void {
    this.flush();
    this.#writer.write(bytes);
  }

  /** Bytes that wait for the reader. */
  get bufferedBytes(): number {
    return this.#sink.bufferedBytes + this.#queuedBytes;
  }

  get #queuedBytes(): number {
    return this.#earlierBytes + sizeOf(this.#last);
  }

  /** Ends the response after everything that is queued. */
  end(departure?: Departure): void {
    this.#writer.end(departure, this.#takeLast());
  }

  /** Cuts the response. */
  destroy(): void {
    this.discard();
    this.#writer.destroy();
  }

  /** Empties the queue. */
  discard(): void {
    this.#last = '';
    this.#earlier = undefined;
    this.#earlierBytes = 0;
  }

  /** Whether the sink has room for more than the queue. */
  get writable(): boolean {
    return this.#sink.roomBytes > this.#queuedBytes;
  }

  /** Resolves when the sink has room after the queue, or when it is closed. */
  drained(): Promise<void> {
    // A sink reports new room only after it was full.
    this.flush();
    return this.#writer.drained();
  }

  /** Whether a stream may write now: the sink has room, and no other stream waits for it. */
  get hasRoom(): boolean {
    // Text is flushed when it fills the room, so queued text means that there is room.
    const hasText = typeof this.#last === 'string' && this.#last !== '';
    return this.#roomWaiters === undefined && (hasText || this.#sink.roomBytes > 0);
  }

  /**
   * Queues `call` until there is room (FIFO). Each call gets the room that earlier calls have left. Returns a function
   * that cancels the call.
   */
  waitForRoom(call: () => void): () => void {
    const waiters = (this.#roomWaiters ??= new Set());
    waiters.add(call);
    return () => {
      waiters.delete(call);
      if (waiters.size === 0 && this.#roomWaiters === waiters) this.#roomWaiters = undefined;
    };
  }

  /** Must be called when the sink drains and when it closes. */
  wake(): void {
    this.#writer.wake();
    // Streams get the room after a replay does. A replay that found no room on each attempt would never continue.
    if (this.#roomWaiters !== undefined) queueMicrotask(() => this.#callRoomWaiters());
  }

  /** Whether the reader is silent or stalled. */
  checkReader(now: number): ReturnType<ResponseWriter['checkReader']> {
    return this.#writer.checkReader(now);
  }

  #callRoomWaiters(): void {
    // A closed sink has no room. A cancelled stream removes its own call.
    for (const call of this.#roomWaiters ?? []) {
      if (this.#sink.roomBytes <= 0) return;
      this.#roomWaiters?.delete(call);
      if (this.#roomWaiters?.size === 0) this.#roomWaiters = undefined;
      call();
    }
  }
}

function sizeOf(segment: Segment): number {
  return typeof segment === 'string' ? segment.length : segment.byteLength;
}

function exceeds(batch: Batch, maxBytes: number): boolean {
  return /* seam: bound-of-waiting-bytes */ batch.byteLength > maxBytes;
}
