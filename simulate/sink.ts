/** The server's end of a simulated response. */
import type { ResponseSink, SinkListener } from '../packages/server/src/lib/http/response-sink.ts';
import type { WireChecker } from './wire.ts';

/** Bytes that a socket accepts before it counts as full. */
const HIGH_WATER_BYTES = 1_500;

/** Error of a sink whose adapter is broken. */
export const SINK_FAILURE = 'a sink that throws';

export class SimSink implements ResponseSink {
  closed = false;
  ended = false;
  destroyed = false;
  onWork: () => void = () => undefined;
  readonly #onBuffered: (bytes: number) => void;
  readonly #wire: WireChecker;
  readonly #look: () => void;
  /** Number of calls before it begins to throw. */
  throwsAfter = Infinity;
  onThrow: () => void = () => undefined;
  #listener: SinkListener | undefined;
  #queue: Uint8Array[] = [];
  #buffered = 0;
  #wasFull = false;

  constructor(onBuffered: (bytes: number) => void, wire: WireChecker, look: () => void) {
    this.#onBuffered = onBuffered;
    this.#look = look;
    this.#wire = wire;
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  get roomBytes(): number {
    this.#look();
    return this.closed || this.ended ? 0 : Math.max(0, HIGH_WATER_BYTES - this.#buffered);
  }

  write(bytes: Uint8Array): void {
    if (this.closed || this.ended) throw new Error('Written to a closed sink.');
    this.#throwAtTimes();
    this.#wire.write(bytes);
    this.#queue.push(bytes);
    this.#buffered += bytes.byteLength;
    this.#wasFull ||= this.#buffered >= HIGH_WATER_BYTES;
    this.#onBuffered(this.#buffered);
    this.onWork();
  }

  end(last?: Uint8Array): void {
    this.#throwAtTimes();
    if (last !== undefined) this.write(last);
    this.ended = true;
    this.onWork();
  }

  breakOff(): void {
    throw new Error('A feed never breaks a response off.');
  }

  destroy(): void {
    this.destroyed = true;
    this.#queue = [];
    this.#buffered = 0;
    this.onWork();
  }

  #throwAtTimes(): void {
    this.throwsAfter -= 1;
    if (this.throwsAfter >= 0) return;
    this.onThrow();
    throw new Error(SINK_FAILURE);
  }

  listen(listener: SinkListener): void {
    this.#throwAtTimes();
    this.#listener = listener;
    if (this.closed) listener.onClose();
  }

  /** Removes up to `most` of the waiting bytes. */
  take(most: number): Uint8Array {
    const first = this.#queue[0];
    if (first === undefined) return new Uint8Array();
    const taken = first.subarray(0, most);
    if (taken.byteLength === first.byteLength) this.#queue.shift();
    else this.#queue[0] = first.subarray(most);
    this.#buffered -= taken.byteLength;
    if (this.#buffered === 0 && this.#wasFull) {
      this.#wasFull = false;
      this.#listener?.onDrain();
    }
    return taken;
  }

  /** The client is gone, from the server's view. */
  leave(): void {
    if (this.closed) return;
    this.closed = true;
    this.#listener?.onClose();
  }
}
