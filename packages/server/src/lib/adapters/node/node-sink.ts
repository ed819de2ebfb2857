/** The response sink on Node: writes through the response or directly to its socket. */
import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ignore } from '../../base/promise.ts';
import type { Departure, ResponseSink, SinkListener } from '../../http/response-sink.ts';
import { breakOff, cut } from './break-off.ts';
import type { NodeResponse } from './node-request.ts';
import { endConnectionAfter, rawSocketOf, turnNow, writeRaw } from './raw-writes.ts';

/** The members of a response that the sink uses. The compatibility layer of http2 has some of them on the stream. */
interface Writable {
  write(bytes: Uint8Array): boolean;
  end(): void;
  readonly writableLength?: number;
  readonly writableHighWaterMark?: number;
  readonly writableEnded?: boolean;
  readonly stream?: {
    readonly writableLength: number;
    readonly writableHighWaterMark: number;
    readonly destroyed: boolean;
  };
  /** Added by compressing middleware, which buffers bytes until a flush. */
  flush?(): void;
}

/** Used for a response without `writableHighWaterMark`. */
const HIGH_WATER_BYTES = 16 * 1024;

export class NodeSink implements ResponseSink {
  readonly res: NodeResponse;
  readonly #writable: Writable;
  #listener: SinkListener | undefined;
  #closed = false;
  #ended = false;
  /**
   * Set when `write` returned false, until 'drain'. Compressing middleware has its own buffer, which no property
   * shows.
   */
  #full = false;
  /** Whether writes may still start to bypass the response. */
  #mayBypass: boolean;
  #socket: Socket | undefined;
  /** The turn of the last raw write. */
  #wroteIn = -1;
  /** The emitter with our 'drain' listener. */
  #draining: EventEmitter | undefined;
  #stopWaiting: (() => void) | undefined;

  constructor(res: NodeResponse, rawWrites: boolean) {
    this.res = res;
    this.#writable = res;
    // HTTP/2 responses have streams instead of sockets.
    this.#mayBypass = rawWrites && !('stream' in res);
    // 'close' of the response: a request already closes when its body has been read.
    res.on('close', () => this.#close());
    // Some versions emit an error for a reset; 'close' follows.
    res.on('error', ignore);
    const { stream, writableEnded } = this.#writable;
    if (res.destroyed || writableEnded === true || (stream ?? res.socket)?.destroyed === true)
      this.#closed = true;
  }

  get bufferedBytes(): number {
    return this.#buffer.writableLength ?? 0;
  }

  get roomBytes(): number {
    if (this.#closed || this.#ended || this.#full) return 0;
    const { writableHighWaterMark = HIGH_WATER_BYTES, writableLength = 0 } = this.#buffer;
    // At least 1: the sink is full only if `write` returned false.
    return Math.max(1, writableHighWaterMark - writableLength);
  }

  /** The object that holds the bytes not yet sent. */
  get #buffer(): Pick<Writable, 'writableLength' | 'writableHighWaterMark'> {
    return this.#socket ?? this.#writable.stream ?? this.#writable;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(bytes: Uint8Array): void {
    // An empty chunk would end the body.
    if (this.#closed || this.#ended || bytes.byteLength === 0) return;
    // Other code has ended the response, and `close` follows. A write now would precede the next response on the
    // socket.
    if (this.#writable.writableEnded === true) return;
    if (this.#mayBypass) this.#tryBypass();
    const socket = this.#socket;
    if (socket !== undefined) {
      // Node ends the socket when the client closes its half. `close` follows, and a write would be a server error.
      if (socket.writableEnded) return;
      if (!writeRaw(socket, bytes, this.#wroteIn) && !this.#full) this.#waitForDrain(socket);
      this.#wroteIn = turnNow();
      return;
    }
    if (!this.#writable.write(bytes) && !this.#full) this.#waitForDrain(this.res);
    this.#writable.flush?.();
  }

  end(last?: Uint8Array, departure?: Departure): void {
    if (this.#closed || this.#ended) return;
    if (departure !== undefined) this.depart(departure);
    // Send the last bytes and the chunk that ends the body together: one system call.
    const socket = last === undefined ? undefined : this.#socket;
    socket?.cork();
    if (last !== undefined) this.write(last);
    this.#ended = true;
    this.#writable.end();
    socket?.uncork();
  }

  /** Ends the connection after the response. Over HTTP/2, `closing` ends the session after its open streams (GOAWAY). */
  depart(departure: Departure): void {
    const { res } = this;
    if ('createPushResponse' in res) {
      if (departure === 'closing') res.stream?.session?.close();
      return;
    }
    // If the body is still arriving, ending the socket now would reset it, and the client might not get the answer.
    if (res.req?.complete !== false) endConnectionAfter(res);
  }

  breakOff(): void {
    if (this.#closed || this.#ended) return;
    this.#ended = true;
    breakOff(this.res);
  }

  destroy(): void {
    this.#ended = true;
    cut(this.res);
  }

  listen(listener: SinkListener): void {
    this.#listener = listener;
    if (this.#closed) listener.onClose();
  }

  /**
   * Tries the bypass as soon as the head is sent. Its check frees memory of the head, which an idle connection would
   * keep.
   */
  headSent(): void {
    if (this.#mayBypass && !this.#ended) this.#tryBypass();
  }

  #tryBypass(): void {
    const socket = rawSocketOf(this.res as ServerResponse);
    if (socket === 'later') return;
    this.#mayBypass = false;
    // Never bypass a full response: it drains by itself, and writes to the socket would then wait for two drains.
    if (socket !== 'never' && !this.#full) this.#socket = socket;
  }

  #waitForDrain(full: EventEmitter): void {
    this.#full = true;
    if (this.#draining === full) return;
    this.#stopWaiting?.();
    this.#draining = full;
    const onDrain = (): void => {
      this.#full = false;
      this.#listener?.onDrain();
    };
    // With `once` for each wait, listeners would accumulate: compressing middleware attaches them to its own stream
    // and never removes them.
    full.on('drain', onDrain);
    // The socket outlives the response, so its listener must be removed.
    this.#stopWaiting = () => full.off('drain', onDrain);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWaiting?.();
    this.#socket = undefined;
    this.#listener?.onClose();
  }
}
