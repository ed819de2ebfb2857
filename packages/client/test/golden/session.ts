/** A scripted server for one client. The transcript has every byte that the client sends. */
import { createManualClock, type ManualClock } from '@linefeed/client/testing';
import { encodeFrame } from '@linefeed/shared/wire';
import { expectGolden, settle, Transcript } from '../../../../scripts/lib/golden.ts';

/** One request of the client, and its response. */
export class Served {
  readonly name: string;
  readonly transcript: Transcript;
  readonly body: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #isOver = false;

  constructor(name: string, transcript: Transcript, signal: AbortSignal | null | undefined) {
    this.name = name;
    this.transcript = transcript;
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    signal?.addEventListener('abort', () => {
      if (this.#isOver) return;
      this.#isOver = true;
      transcript.remark(name, 'the client aborts the request');
      this.#controller.error(signal.reason);
    });
  }

  /** Sends frames: `[event, payload, id]`. */
  send(...frames: ReadonlyArray<readonly [event: string, payload: unknown, id?: string | undefined]>): void {
    const text = frames.map(([event, payload, id]) =>
      encodeFrame({ event, data: JSON.stringify(payload), id }),
    );
    this.transcript.body(this.name, text.join(''));
    this.#controller.enqueue(new TextEncoder().encode(text.join('')));
  }

  /** Sends hello, and the acceptance of logged addresses from a position of the epoch `e` on. */
  accept(helloId: string | undefined, accepted: Readonly<Record<string, number>>, change: object = {}): void {
    this.send(
      ['linefeed.hello', { ...HELLO, connection: `connection-${this.name}` }, helloId],
      ...Object.entries(accepted).map(
        ([address, position]) =>
          [
            'linefeed.subscribed',
            { address, event: address, cursor: `e.${position}`, tail: `e.${position}`, ...change },
          ] as const,
      ),
    );
  }

  /** Ends the response. */
  end(): void {
    this.#isOver = true;
    this.transcript.remark(this.name, 'the server ends the response');
    this.#controller.close();
  }
}

const HELLO = { protocol: 1, pingMs: 15_000, timeoutMs: 35_000, maxDurationMs: 0 };

const PART_MS = 250;

/** How the server answers the next request that is not a control request. Default: an event stream. */
export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export class ClientSession {
  /** `random()` is 0.5. */
  readonly clock: ManualClock = Object.assign(createManualClock(1_000_000), { random: () => 0.5 });
  /** Statuses of the next control requests. Default 202. */
  readonly controlStatuses: number[] = [];
  readonly answers: Answer[] = [];
  readonly #transcript = new Transcript();
  readonly #streams: Served[] = [];
  #count = 0;

  readonly fetch: typeof fetch = async (input, init = {}) => {
    const name = String.fromCharCode('A'.charCodeAt(0) + this.#count);
    this.#count += 1;
    const { method = 'GET', headers, body, signal, ...rest } = init;
    this.#transcript.head(name, '>', [
      `${method} ${input as string}`,
      ...[...new Headers(headers)].map(([key, value]) => `${key}: ${value}`),
      ...Object.entries(rest).map(([key, value]) => `(${key}: ${String(value)})`),
      ...(typeof body === 'string' ? ['', body] : []),
    ]);
    const isControl = typeof body === 'string' && 'connection' in (JSON.parse(body) as object);
    const answer = isControl ? { status: this.controlStatuses.shift() ?? 202 } : this.answers.shift();
    if (answer !== undefined) {
      this.#transcript.head(name, '<', [String(answer.status)]);
      return new Response(answer.status === 204 ? null : (answer.body ?? ''), answer);
    }
    const served = new Served(name, this.#transcript, signal);
    this.#streams.push(served);
    return new Response(served.body, { headers: { 'content-type': 'text/event-stream' } });
  };

  /** The latest event stream. */
  get last(): Served {
    return this.#streams.at(-1)!;
  }

  /** A remark about the client's surroundings. */
  note(words: string): void {
    this.#transcript.remark('client', words);
  }

  /** One step of the script: does it, and lets everything settle. */
  async step(words: string, act: () => unknown): Promise<void> {
    this.#transcript.step(words);
    await act();
    await settle(() => this.clock.advance(0));
  }

  async pass(ms: number): Promise<void> {
    await this.step(`${ms} ms pass`, async () => {
      // A response needs turns of the event loop. Without them the clock would pass the timers that it sets.
      for (let left = ms; left > 0; left -= PART_MS) {
        await this.clock.advance(Math.min(left, PART_MS));
        await settle(() => this.clock.advance(0));
      }
    });
  }

  get text(): string {
    return this.#transcript.text;
  }
}

/** Compares the session with its record. */
export function expectRecord(session: ClientSession, name: string): void {
  expectGolden(new URL(`./records/${name}.txt`, import.meta.url), session.text);
}
