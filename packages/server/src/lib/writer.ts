/** Writes to one open response and watches it: knows silence, room, and a reader that takes nothing. */
import type { Clock } from './clock.ts';
import type { Flushable } from './hub.ts';
import type { Outlet, OutletListener } from './outlet.ts';

export interface WriterOptions {
  /** So long without a write is a silence. Milliseconds; `Infinity`: never. */
  readonly pingMs: number;
  /** So long without progress while bytes wait is a stall. Milliseconds; `Infinity`: never. */
  readonly stallTimeoutMs: number;
}

export interface WriterCounters {
  bytesOut: number;
  /** Most bytes that waited for one reader. */
  bufferedHighWater: number;
}

/** The owner of the response. */
export interface WriterListener extends OutletListener {
  /** The outlet threw. Nothing is written any more, and `onClose` may never come. Called once. */
  onBroken(error: unknown): void;
}

/** What is said in one tick leaves in one write, or in writes of about this size. UTF-16 code units. */
const MAX_UNWRITTEN = 16 * 1024;

const encoder = new TextEncoder();

export class Writer implements Flushable {
  readonly #outlet: Outlet;
  readonly #clock: Clock;
  readonly #options: WriterOptions;
  readonly #counters: WriterCounters | undefined;
  readonly #listener: WriterListener;
  #isBroken = false;
  /** Text said in this tick, and how much of it there is room for. */
  #unwritten = '';
  #maxUnwritten = 0;
  #waiting: Array<() => void> | undefined;
  #line: Set<() => void> | undefined;
  #lastWriteAt: number;
  #writtenBytes = 0;
  #takenBytes = 0;
  #stalledSince: number | undefined;

  constructor(
    outlet: Outlet,
    listener: WriterListener,
    clock: Clock,
    options: WriterOptions,
    counters?: WriterCounters,
  ) {
    this.#outlet = outlet;
    this.#listener = listener;
    this.#clock = clock;
    this.#options = options;
    this.#counters = counters;
    this.#lastWriteAt = Math.floor(clock.now());
  }

  /** Writes text with what else this tick says. Returns whether a flush is to be scheduled for its end. */
  say(text: string): boolean {
    const isFirst = this.#unwritten === '';
    if (isFirst) this.#maxUnwritten = Math.min(MAX_UNWRITTEN, this.#outlet.roomBytes);
    this.#unwritten += text;
    if (this.#unwritten.length < this.#maxUnwritten) return isFirst;
    this.flush();
    return false;
  }

  /** Writes what was said and still waits. `now`: the clock's, from who writes to many at once. */
  flush(now?: number): void {
    const bytes = this.#takeUnwritten();
    if (bytes !== undefined) this.#write(bytes, now);
  }

  write(bytes: Uint8Array, now?: number): void {
    if (this.#unwritten !== '') this.flush(now);
    this.#write(bytes, now);
  }

  #write(bytes: Uint8Array, now: number = this.#clock.now()): void {
    if (this.#outlet.closed || this.#isBroken) return;
    // Whole milliseconds: V8 keeps a fraction apart from its object, one more miss of the cache for each event.
    this.#lastWriteAt = Math.floor(now);
    this.#count(bytes);
    try {
      this.#outlet.write(bytes);
    } catch (error) {
      return this.#break(error);
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
    return this.#outlet.bufferedBytes + this.#unwritten.length;
  }

  /** Ends the response behind what was said. */
  end(): void {
    const last = this.#takeUnwritten();
    if (this.#isBroken) return;
    if (last !== undefined) this.#count(last);
    try {
      this.#outlet.end(last);
    } catch (error) {
      this.#break(error);
    }
  }

  /** Begins to listen to the response. */
  listen(): void {
    try {
      this.#outlet.listen(this.#listener);
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
      // The first error is the one to report.
    }
  }

  /** Cuts the response. */
  destroy(): void {
    this.forget();
    this.#outlet.destroy();
  }

  /** Drops what was said and is not written: there is nobody left to read it. */
  forget(): void {
    this.#unwritten = '';
  }

  /** Resolves when there is room, or nobody to wait for. */
  drained(): Promise<void> {
    if (this.#outlet.closed || this.#outlet.roomBytes > 0) return Promise.resolve();
    return new Promise((resolve) => (this.#waiting ??= []).push(resolve));
  }

  /** Whether there is room, and nobody in line for it. */
  get hasRoom(): boolean {
    // What is collected is less than there is room for.
    return this.#line === undefined && (this.#unwritten !== '' || this.#outlet.roomBytes > 0);
  }

  /** Calls when there is room, behind those who came before: each finds what the one before has left. Returns how to leave. */
  line(call: () => void): () => void {
    const line = (this.#line ??= new Set());
    line.add(call);
    return () => {
      line.delete(call);
      if (line.size === 0 && this.#line === line) this.#line = undefined;
    };
  }

  /** To be called when the outlet drains and when it closes. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const resolve of waiting ?? []) resolve();
    // Behind those who were just told: a replay that finds no room whenever it looks would never go on.
    if (this.#line !== undefined) queueMicrotask(() => this.#serveLine());
  }

  #serveLine(): void {
    // A reader that is gone is nobody to wait for; a line is left by who is cancelled.
    for (const call of this.#line ?? []) {
      if (this.#outlet.roomBytes <= 0) return;
      this.#line?.delete(call);
      if (this.#line?.size === 0) this.#line = undefined;
      call();
    }
  }

  /** What has come to pass: a reader with nothing to wait for heard nothing, or one with bytes waiting took none. */
  look(now: number): 'silent' | 'stalled' | undefined {
    const { pingMs, stallTimeoutMs } = this.#options;
    const bufferedBytes = this.#outlet.bufferedBytes;
    const taken = this.#writtenBytes - bufferedBytes;
    // What is taken, not what waits: a slow reader of a busy stream takes while its queue grows.
    const progressed = taken > this.#takenBytes;
    this.#takenBytes = taken;
    if (bufferedBytes === 0 && this.#outlet.roomBytes > 0) {
      this.#stalledSince = undefined;
      return now - this.#lastWriteAt >= pingMs ? 'silent' : undefined;
    }
    if (this.#stalledSince === undefined || progressed) this.#stalledSince = now;
    return now - this.#stalledSince >= stallTimeoutMs ? 'stalled' : undefined;
  }
}
