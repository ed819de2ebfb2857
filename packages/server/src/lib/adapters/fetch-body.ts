/** The body of a `Request` of a fetch-style runtime. */
import { refusal } from '@linefeed/shared/wire';
import type { ConsumedBody, StartTimer } from '../http/http.ts';

const BODY_IS_GONE: ConsumedBody = {
  remedy:
    'Call feed.handle with a request whose body is unread, or make one of the text: new Request(request, { body: text }).',
};

/** A body that is read as text, discarded, or both: a body that is too long is read in part, and then discarded. */
export class RequestBody {
  readonly #request: Request;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #isWhole = false;

  constructor(request: Request) {
    this.#request = request;
  }

  async text(maxBytes: number): Promise<string | ConsumedBody> {
    const { body, bodyUsed } = this.#request;
    if (bodyUsed || body?.locked === true) return BODY_IS_GONE;
    if (body === null) return '';
    const decoder = new TextDecoder();
    let text = '';
    await this.#readUpTo(maxBytes, body, (bytes) => (text += decoder.decode(bytes, { stream: true })));
    if (this.#isWhole) return text + decoder.decode();
    throw refusal('payload_too_large', `The body has more than ${maxBytes} bytes.`);
  }

  /** Reads the rest before it cancels. Some runtimes cut the socket on an early cancel, and the response is lost. */
  async discard(maxBytes: number, startTimer: StartTimer): Promise<void> {
    const { body } = this.#request;
    // A locked body has another reader, which keeps reading it.
    if (body === null || this.#isWhole || (this.#reader === undefined && body.locked)) return;
    const cancel = (): void => void this.#reader?.cancel().catch(() => undefined);
    const timer = startTimer(cancel);
    try {
      await this.#readUpTo(maxBytes, body, () => undefined);
      if (!this.#isWhole) cancel();
    } catch {
      // The client disconnected.
    } finally {
      timer.clear();
    }
  }

  async #readUpTo(
    maxBytes: number,
    body: ReadableStream<Uint8Array>,
    take: (bytes: Uint8Array) => void,
  ): Promise<void> {
    this.#reader ??= body.getReader();
    for (let bytes = 0; ;) {
      const { done, value } = await this.#reader.read();
      if (done) {
        this.#isWhole = true;
        return;
      }
      bytes += value.byteLength;
      if (bytes > maxBytes) return;
      take(value);
    }
  }
}
