/** Writes to one open response and watches it: silence, room, and stalled readers. */
import type { Clock } from '../base/clock.ts';
import type { Flushable } from '../delivery/hub.ts';
import type { Departure, ResponseSink, SinkListener } from '../http/response-sink.ts';

export interface OutboxOptions {
  /** A silence is this long without a write. Milliseconds; `Infinity`: never. */
  readonly pingMs: number;
  /** A stall is this long without progress while bytes wait. Milliseconds; `Infinity`: never. */
  readonly stallTimeoutMs: number;
}

export interface OutboxCounters {
  bytesOut: number;
  /** Most bytes that waited for one reader. */
  bufferedHighWater: number;
}

/** The owner of the response. */
export interface OutboxListener extends SinkListener {
  /** The sink threw. Nothing is written any more, and `onClose` may never be called. Called once. */
  onBroken(error: unknown): void;
}

/** The text of one tick is coalesced into one write, or into writes of about this size. UTF-16 code units. */
const MAX_UNWRITTEN = 16 * 1024;

const encoder = new TextEncoder();

export class Outbox implements Flushable {
  readonly #sink: ResponseSink;
  readonly #clock: Clock;
  readonly #options: OutboxOptions;
  readonly #counters: OutboxCounters | undefined;
  readonly #listener: OutboxListener;
  #isBroken = false;
  /** Text of this tick that is not written yet. `#maxUnwritten`: how much of it there is room for. */
  #unwritten = '';
  #maxUnwritten = 0;
  #waiting: Array<() => void> | undefined;
  #line: Set<() => void> | undefined;
  #lastWriteAt: number;
  #writtenBytes = 0;
  #takenBytes = 0;
  #stalledSince: number | undefined;

  constructor(
    sink: ResponseSink,
    listener: OutboxListener,
    clock: Clock,
    options: OutboxOptions,
    counters?: OutboxCounters,
  ) {
    this.#sink = sink;
    this.#listener = listener;
    this.#clock = clock;
    this.#options = options;
    this.#counters = counters;
    this.#lastWriteAt = Math.floor(clock.now());
  }

  /** Appends text to this tick's write. Returns whether the caller must schedule a flush for the end of the tick. */
  say(text: string): boolean {
    const isFirst = this.#unwritten === '';
    if (isFirst) this.#maxUnwritten = Math.min(MAX_UNWRITTEN, this.#sink.roomBytes);
    this.#unwritten += text;
    if (this.#unwritten.length < this.#maxUnwritten) return isFirst;
    this.flush();
    return false;
  }

  /** Writes the collected text. `now`: time of the clock, passed by callers that write to many connections. */
  flush(now?: number): void {
    const bytes = this.#takeUnwritten();
    if (bytes !== undefined) this.#write(bytes, now);
  }

  write(bytes: Uint8Array, now?: number): void {
    if (this.#unwritten !== '') this.flush(now);
    this.#write(bytes, now);
  }

  #write(bytes: Uint8Array, now: number = this.#clock.now()): void {
    if (this.#sink.closed || this.#isBroken) return;
    // Whole milliseconds: V8 stores a fraction outside of its object, which costs a cache miss for each event.
    this.#lastWriteAt = Math.floor(now);
    this.#count(bytes);
    try {
      this.#sink.write(bytes);
    } catch (error) {
      /* seam: error-of-one-sink */ return this.#break(error);
    }
    const counters = this.#counters;
    if (counters !== undefined)
      counters.bufferedHighWater = Math.max(counters.bufferedHighWater, this.bufferedBytes);
  }

  #count({ byteLength }: Uint8Array): void {
    this.#writtenBytes += byteLength;
    if (this.#counters !== undefined) this.#counters.bytesOut += byteLength;
  }

  #takeUnwritten(): Uint8Array | undefined {
    if (this.#unwritten === '') return undefined;
    const bytes = encoder.encode(this.#unwritten);
    this.#unwritten = '';
    return bytes;
  }

  /** Bytes that wait for the reader. */
  get bufferedBytes(): number {
    return this.#sink.bufferedBytes + this.#unwritten.length;
  }

  /** Ends the response after the collected text. `departure`: ends the connection too. */
  end(departure?: Departure): void {
    const last = this.#takeUnwritten();
    if (this.#isBroken) return;
    if (last !== undefined) this.#count(last);
    try {
      this.#sink.end(last, departure);
    } catch (error) {
      this.#break(error);
    }
  }

  /** Ends the response after the collected text, so that its reader sees that it is incomplete. */
  breakOff(error: Error): void {
    this.flush();
    if (this.#isBroken) return;
    try {
      this.#sink.breakOff(error);
    } catch (failure) {
      this.#break(failure);
    }
  }

  /** Starts to listen to the response. */
  listen(): void {
    try {
      this.#sink.listen(this.#listener);
    } catch (error) {
      this.#break(error);
    }
  }

  /** An error of one adapter must not reach the loop that writes to all connections. */
  #break(error: unknown): void {
    this.#isBroken = true;
    this.#listener.onBroken(error);
    try {
      this.destroy();
    } catch {
      // Only the first error is reported.
    }
  }

  /** Cuts the response. */
  destroy(): void {
    this.forget();
    this.#sink.destroy();
  }

  /** Drops the collected text: no reader is left. */
  forget(): void {
    this.#unwritten = '';
  }

  /** Resolves when there is room, or when the sink is closed. */
  drained(): Promise<void> {
    if (this.#sink.closed || this.#sink.roomBytes > 0) return Promise.resolve();
    return new Promise((resolve) => (this.#waiting ??= []).push(resolve));
  }

  /** Whether there is room and the queue is empty. */
  get hasRoom(): boolean {
    // The collected text is shorter than the room.
    return this.#line === undefined && (this.#unwritten !== '' || this.#sink.roomBytes > 0);
  }

  /**
   * Queues `call` until there is room (FIFO). Each call gets the room that earlier calls have left. Returns a function
   * that removes it from the queue.
   */
  line(call: () => void): () => void {
    const line = (this.#line ??= new Set());
    line.add(call);
    return () => {
      line.delete(call);
      if (line.size === 0 && this.#line === line) this.#line = undefined;
    };
  }

  /** Must be called when the sink drains and when it closes. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const resolve of waiting ?? []) resolve();
    // The queue is served after the waiters of `drained()`: a replay that finds no room on each attempt would never
    // continue.
    if (this.#line !== undefined) queueMicrotask(() => this.#serveLine());
  }

  #serveLine(): void {
    // Closed sinks have no room. Cancelled streams remove their own entry.
    for (const call of this.#line ?? []) {
      if (this.#sink.roomBytes <= 0) return;
      this.#line?.delete(call);
      if (this.#line?.size === 0) this.#line = undefined;
      call();
    }
  }

  /**
   * `silent`: no bytes wait, and nothing was written for `pingMs`. `stalled`: bytes wait, and the reader took none for
   * `stallTimeoutMs`.
   */
  look(now: number): 'silent' | 'stalled' | undefined {
    const { pingMs, stallTimeoutMs } = this.#options;
    const bufferedBytes = this.#sink.bufferedBytes;
    const taken = this.#writtenBytes - bufferedBytes;
    // Compares taken bytes, not waiting bytes: on a busy stream a slow reader takes bytes while its queue grows.
    const progressed = taken > this.#takenBytes;
    this.#takenBytes = taken;
    if (bufferedBytes === 0 && this.#sink.roomBytes > 0) {
      this.#stalledSince = undefined;
      return now - this.#lastWriteAt >= pingMs ? 'silent' : undefined;
    }
    if (this.#stalledSince === undefined || progressed) this.#stalledSince = now;
    return now - this.#stalledSince >= stallTimeoutMs ? 'stalled' : undefined;
  }
}
