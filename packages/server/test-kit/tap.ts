/** The receiving end of an answer, in memory. It takes bytes as fast as the test decides, and parses the frames. */
import { createParser } from 'eventsource-parser';
import type { HttpResponse } from '../src/lib/http/http.ts';
import type { ResponseSink, SinkListener } from '../src/lib/http/response-sink.ts';

/** A parsed frame. */
export interface TappedFrame {
  readonly event: string;
  readonly id: string | undefined;
  /** Parsed JSON. */
  readonly data: unknown;
}

export interface TapOptions {
  /** Bytes that it buffers before it counts as full. Infinity: it is never full. Default Infinity. */
  readonly roomBytes?: number | undefined;
  /** Closes only when everything was taken, like a socket. Default: closes immediately. */
  readonly endsWhenDrained?: boolean | undefined;
}

export class Tap implements ResponseSink {
  /** The byte arrays as written. Two taps that get the same bytes share one object. */
  readonly writes: Uint8Array[] = [];
  closed = false;
  ended = false;
  destroyed = false;
  /** The error of `breakOff`. */
  broken: Error | undefined;
  #listener: SinkListener | undefined;
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

  breakOff(error: Error): void {
    this.broken = error;
    this.end();
  }

  destroy(): void {
    this.destroyed = true;
    this.leave();
  }

  listen(listener: SinkListener): void {
    this.#listener = listener;
    if (this.closed) listener.onClose();
  }

  // The test's side ---------------------------------------------------------------------------------------------------

  /** Takes all buffered bytes, like a socket that drains. */
  drain(): void {
    this.#taken = this.#written;
    if (!this.#wasFull || this.closed) return;
    this.#wasFull = false;
    this.#listener?.onDrain();
  }

  /** The client disconnects. */
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

  /** Frames of one event name. */
  of(event: string): TappedFrame[] {
    return this.frames.filter((frame) => frame.event === event);
  }

  /** The event names of all frames. */
  get events(): string[] {
    return this.frames.map(({ event }) => event);
  }

  /** The data of the frames of one event name. */
  dataOf(event: string): unknown[] {
    return this.of(event).map(({ data }) => data);
  }

  /** The numbers in the events of `other`, or of another topic with that payload. */
  numbers(topic: string = 'other'): number[] {
    return this.of(topic).map(({ data }) => (data as { n: number }).n);
  }

  /** The id of the connection, from its linefeed.hello. */
  get connection(): string {
    return (this.frames[0]!.data as { connection: string }).connection;
  }

  /** Payloads of all frames except control frames, in order. */
  get payloads(): unknown[] {
    return this.frames.filter(({ event }) => !event.startsWith('linefeed.')).map(({ data }) => data);
  }

  get lastId(): string | undefined {
    return this.frames.findLast(({ id }) => id !== undefined)?.id;
  }
}

/** Opens an answer into a tap, at once. */
export function connect({ body }: HttpResponse, tap: Tap = new Tap()): Tap {
  if (typeof body !== 'function') throw new Error(`Not opened: ${body ?? ''}`);
  body(tap);
  return tap;
}
