/** The other end of an answer, in memory: takes bytes as fast as a test lets it, and reads frames back. */
import { createParser } from 'eventsource-parser';
import type { Outlet, OutletListener } from '../src/lib/outlet.ts';

/** A frame as it was read back. */
export interface TappedFrame {
  readonly event: string;
  readonly id: string | undefined;
  /** Parsed JSON. */
  readonly data: unknown;
}

export interface TapOptions {
  /** Bytes that are taken before it counts as full; Infinity: it never does. Default Infinity. */
  readonly roomBytes?: number | undefined;
  /** Closes only when everything was taken, as a socket does. Default: at once. */
  readonly endsWhenDrained?: boolean | undefined;
}

export class Tap implements Outlet {
  /** Each piece as it was written: the same piece for two taps is the same object. */
  readonly writes: Uint8Array[] = [];
  closed = false;
  ended = false;
  destroyed = false;
  #listener: OutletListener | undefined;
  #roomBytes: number;
  #taken = 0;
  #written = 0;
  #wasFull = false;

  readonly #endsWhenDrained: boolean;

  constructor({ roomBytes = Infinity, endsWhenDrained = false }: TapOptions = {}) {
    this.#roomBytes = roomBytes;
    this.#endsWhenDrained = endsWhenDrained;
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#written - this.#taken - (this.#roomBytes === Infinity ? this.#written : 0));
  }

  get roomBytes(): number {
    return this.closed || this.ended ? 0 : Math.max(0, this.#roomBytes - this.bufferedBytes);
  }

  write(bytes: Uint8Array): void {
    if (this.closed || this.ended) throw new Error('Written to a tap that is closed.');
    this.writes.push(bytes);
    this.#written += bytes.byteLength;
    this.#wasFull ||= this.roomBytes === 0;
  }

  end(last?: Uint8Array): void {
    if (last !== undefined) this.write(last);
    this.ended = true;
    if (!this.#endsWhenDrained) this.leave();
  }

  destroy(): void {
    this.destroyed = true;
    this.leave();
  }

  listen(listener: OutletListener): void {
    this.#listener = listener;
    if (this.closed) listener.onClose();
  }

  // The test's side ---------------------------------------------------------------------------------------------------

  /** Takes everything that waits, as a socket that drains. */
  drain(): void {
    this.#taken = this.#written;
    if (!this.#wasFull || this.closed) return;
    this.#wasFull = false;
    this.#listener?.onDrain();
  }

  /** The client goes away. */
  leave(): void {
    if (this.closed) return;
    this.closed = true;
    this.#listener?.onClose();
  }

  get text(): string {
    const decoder = new TextDecoder();
    return this.writes.map((bytes) => decoder.decode(bytes, { stream: true })).join('');
  }

  /** Every frame so far. */
  get frames(): TappedFrame[] {
    const frames: TappedFrame[] = [];
    const parser = createParser({
      onEvent: ({ event = 'message', id, data }) => frames.push({ event, id, data: JSON.parse(data) }),
    });
    parser.feed(this.text);
    return frames;
  }

  /** Frames of one kind. */
  of(event: string): TappedFrame[] {
    return this.frames.filter((frame) => frame.event === event);
  }

  /** Payloads of everything that is no control frame, in order. */
  get payloads(): unknown[] {
    return this.frames.filter(({ event }) => !event.startsWith('linefeed.')).map(({ data }) => data);
  }

  get lastId(): string | undefined {
    return this.frames.findLast(({ id }) => id !== undefined)?.id;
  }
}
