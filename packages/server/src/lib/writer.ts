/** Writes to one open response and watches it: knows silence, room, and a reader that takes nothing. */
import type { Clock } from './clock.ts';
import type { Outlet } from './outlet.ts';

export interface WriterOptions {
  /** So long without a write is a silence. Milliseconds; `Infinity`: never. */
  readonly pingMs: number;
  /** So long without progress while bytes wait is a stall. Milliseconds; `Infinity`: never. */
  readonly stallTimeoutMs: number;
}

export class Writer {
  readonly #outlet: Outlet;
  readonly #clock: Clock;
  readonly #options: WriterOptions;
  #waiting: Array<() => void> | undefined;
  #line: Set<() => void> | undefined;
  #lastWriteAt: number;
  #writtenBytes = 0;
  #takenBytes = 0;
  #stalledSince: number | undefined;

  constructor(outlet: Outlet, clock: Clock, options: WriterOptions) {
    this.#outlet = outlet;
    this.#clock = clock;
    this.#options = options;
    this.#lastWriteAt = Math.floor(clock.now());
  }

  /** `now`: the clock's, from who writes to many at once. */
  write(bytes: Uint8Array, now: number = this.#clock.now()): void {
    if (this.#outlet.closed) return;
    // Whole milliseconds: V8 keeps a fraction apart from its object, one more miss of the cache for each event.
    this.#lastWriteAt = Math.floor(now);
    this.#writtenBytes += bytes.byteLength;
    this.#outlet.write(bytes);
  }

  /** Resolves when there is room, or nobody to wait for. */
  drained(): Promise<void> {
    if (this.#outlet.closed || this.#outlet.roomBytes > 0) return Promise.resolve();
    return new Promise((resolve) => (this.#waiting ??= []).push(resolve));
  }

  /** Whether there is room, and nobody in line for it. */
  get hasRoom(): boolean {
    return this.#line === undefined && this.#outlet.roomBytes > 0;
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
