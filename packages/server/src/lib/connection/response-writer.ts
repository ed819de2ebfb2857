/** Writes bytes to one open response and watches its reader: silence, room and stalls. */
import type { Clock } from '../base/clock.ts';
import type { Departure, ResponseSink, SinkListener } from '../http/response-sink.ts';

export interface WriterLimits {
  /** Time without a write that counts as silence. Milliseconds; `Infinity`: never. */
  readonly pingMs: number;
  /** Time without progress, while bytes wait, that counts as a stall. Milliseconds; `Infinity`: never. */
  readonly stallTimeoutMs: number;
}

export interface WriterCounters {
  bytesOut: number;
  /** Maximum number of bytes that waited for one reader. */
  bufferedHighWater: number;
}

export interface WriterOptions {
  readonly clock: Clock;
  readonly limits: WriterLimits;
  readonly counters?: WriterCounters | undefined;
}

/** The owner of the response. */
export interface WriterListener extends SinkListener {
  /** The sink threw. Nothing is written any more, and `onClose` may never be called. Called once. */
  onBroken(error: unknown): void;
}

export class ResponseWriter {
  readonly #sink: ResponseSink;
  readonly #listener: WriterListener;
  readonly #options: WriterOptions;
  /** It was ended, or the sink threw. Nothing more is written. */
  #isOver = false;
  #drainWaiters: Array<() => void> | undefined;
  #lastWriteAt: number;
  #writtenBytes = 0;
  #takenBytes = 0;
  #stalledSince: number | undefined;

  constructor(sink: ResponseSink, listener: WriterListener, options: WriterOptions) {
    this.#sink = sink;
    this.#listener = listener;
    this.#options = options;
    this.#lastWriteAt = Math.floor(options.clock.now());
  }

  /** Starts to listen to the response. */
  listen(): void {
    try {
      this.#sink.listen(this.#listener);
    } catch (error) {
      this.#break(error);
    }
  }

  /** `now`: time of the clock, passed by callers that write to many responses. */
  write(bytes: Uint8Array, now: number = this.#options.clock.now()): void {
    if (this.#sink.closed || this.#isOver) return;
    // Whole milliseconds: V8 stores a fraction outside of its object, which costs a cache miss for each event.
    this.#lastWriteAt = Math.floor(now);
    this.#count(bytes);
    try {
      this.#sink.write(bytes);
    } catch (error) {
      /* seam: error-of-one-sink */ return this.#break(error);
    }
    const { counters } = this.#options;
    if (counters !== undefined)
      counters.bufferedHighWater = Math.max(counters.bufferedHighWater, this.#sink.bufferedBytes);
  }

  #count({ byteLength }: Uint8Array): void {
    this.#writtenBytes += byteLength;
    const { counters } = this.#options;
    if (counters !== undefined) counters.bytesOut += byteLength;
  }

  /** Bytes that wait for the reader. */
  get bufferedBytes(): number {
    return this.#sink.bufferedBytes;
  }

  /** Ends the response after these last bytes. `departure`: ends the connection too. */
  end(departure?: Departure, last?: Uint8Array): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (last !== undefined) this.#count(last);
    try {
      this.#sink.end(last, departure);
    } catch (error) {
      this.#break(error);
    }
  }

  /** Ends the response so that its reader sees that it is incomplete. */
  breakOff(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      this.#sink.breakOff(error);
    } catch (failure) {
      this.#break(failure);
    }
  }

  /** Cuts the response. */
  destroy(): void {
    this.#sink.destroy();
  }

  /** An error of one adapter must not reach the loop that writes to all connections. */
  #break(error: unknown): void {
    this.#isOver = true;
    this.#listener.onBroken(error);
    try {
      this.destroy();
    } catch {
      // Only the first error is reported.
    }
  }

  /** Resolves when the sink has room, or when it is closed. */
  drained(): Promise<void> {
    if (this.#sink.closed || this.#sink.roomBytes > 0) return Promise.resolve();
    return new Promise((resolve) => (this.#drainWaiters ??= []).push(resolve));
  }

  /** Must be called when the sink drains and when it closes. */
  wake(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = undefined;
    for (const resolve of waiters ?? []) resolve();
  }

  /**
   * `silent`: no bytes wait, and nothing was written for `pingMs`. `stalled`: bytes wait, and the reader took none for
   * `stallTimeoutMs`.
   */
  checkReader(now: number): 'silent' | 'stalled' | undefined {
    const { pingMs, stallTimeoutMs } = this.#options.limits;
    const { bufferedBytes } = this.#sink;
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
