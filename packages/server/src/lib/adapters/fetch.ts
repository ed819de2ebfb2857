/** Fetch-style runtimes: `Request` in, `Response` out. */
import { refusal } from '@linefeed/shared/wire';
import type { Answer, IncomingRequest } from '../exchange.ts';
import type { Outlet, OutletListener } from '../outlet.ts';

/** Bytes that a response body takes in before it counts as full. */
const HIGH_WATER_BYTES = 64 * 1024;

export function toIncomingRequest(request: Request): IncomingRequest {
  const url = new URL(request.url);
  return {
    method: request.method,
    url,
    header: (name) => request.headers.get(name) ?? undefined,
    text: (maxBytes) => readText(request, maxBytes),
    toRequest: () => (request.body === null ? request : new Request(request.url, { method: 'GET', headers: request.headers })),
  };
}

/** `signal`: aborts when the client leaves, in runtimes that do not cancel the body. */
export function toResponse(answer: Answer, signal: AbortSignal | undefined): Response {
  const { status, body } = answer;
  const headers = new Headers();
  for (const [name, value] of answer.headers) headers.append(name, value);
  if (typeof body !== 'function') return new Response(status === 204 ? null : (body ?? null), { status, headers });
  const outlet = new StreamOutlet(signal);
  body(outlet);
  return new Response(outlet.readable, { status, headers });
}

class StreamOutlet implements Outlet {
  readonly readable: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #listener: OutletListener | undefined;
  #closed = false;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.destroy();

  constructor(signal: AbortSignal | undefined) {
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#listener?.onDrain(),
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
    );
    this.#signal = signal;
    if (signal?.aborted === true) this.destroy();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : HIGH_WATER_BYTES - (this.#controller.desiredSize ?? 0);
  }

  get writable(): boolean {
    return !this.#closed && (this.#controller.desiredSize ?? 0) > 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(bytes: Uint8Array): void {
    if (!this.#closed) this.#controller.enqueue(bytes);
  }

  end(): void {
    if (this.#closed) return;
    this.#controller.close();
    this.#close();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#controller.error(new DOMException('The event stream was cut.', 'AbortError'));
    this.#close();
  }

  listen(listener: OutletListener): void {
    this.#listener = listener;
    if (this.#closed) listener.onClose();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#listener?.onClose();
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  if (request.body === null) return '';
  const reader = request.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      await reader.cancel();
      throw refusal('payload_too_large', `The body has more than ${maxBytes} bytes.`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
