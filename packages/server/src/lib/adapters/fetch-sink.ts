/** The response sink of fetch-style runtimes: a `ReadableStream` for the body of a `Response`. */
import { systemClock } from '../base/clock.ts';
import type { Departure, ResponseSink, SinkListener } from '../http/response-sink.ts';

/** Bytes that a response body buffers before it counts as full. */
const HIGH_WATER_BYTES = 64 * 1024;

export class StreamSink implements ResponseSink {
  readonly readable: ReadableStream<Uint8Array>;
  /** Set by `end`. After the `Response` is made, nothing can end its connection. */
  departure: Departure | undefined;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #listener: SinkListener | undefined;
  #closed = false;
  /** The error that ends the body after the written bytes are read. */
  #error: Error | undefined;
  readonly #signal: AbortSignal | undefined;
  // End the body without an error: servers would log the error as their own, and no client is left to receive it.
  readonly #onAbort = (): void => this.#finish();

  constructor(signal: AbortSignal | undefined) {
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () =>
          this.#error === undefined ? this.#listener?.onDrain() : this.#failWhenTaken(this.#error),
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
    );
    this.#signal = signal;
    if (signal?.aborted === true) this.#finish();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : HIGH_WATER_BYTES - (this.#controller.desiredSize ?? 0);
  }

  get roomBytes(): number {
    return this.#isOver ? 0 : Math.max(0, this.#controller.desiredSize ?? 0);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get #isOver(): boolean {
    return this.#closed || this.#error !== undefined;
  }

  write(bytes: Uint8Array): void {
    if (!this.#isOver) this.#controller.enqueue(bytes);
  }

  end(last?: Uint8Array, departure?: Departure): void {
    if (this.#isOver) return;
    this.departure = departure;
    if (last !== undefined) this.write(last);
    this.#finish();
  }

  breakOff(error: Error): void {
    if (this.#isOver) return;
    this.#error = error;
    this.#failWhenTaken(error);
  }

  destroy(): void {
    this.#fail(new DOMException('The event stream was cut.', 'AbortError'));
  }

  listen(listener: SinkListener): void {
    this.#listener = listener;
    if (this.#closed) listener.onClose();
  }

  /** An error drops the bytes that were not taken. */
  #failWhenTaken(error: Error): void {
    if (this.bufferedBytes > 0) return;
    // A server destroys its response with the error. It gets a turn first, to write the last bytes.
    systemClock.defer(() => this.#fail(error));
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#controller.error(error);
    this.#close();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#controller.close();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#listener?.onClose();
  }
}
