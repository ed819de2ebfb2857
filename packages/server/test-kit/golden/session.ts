/** A scripted session with a server in memory. Its transcript has every byte of each response. */
import { createManualClock, type ManualClock } from '@linefeed/server/testing';
import { expectGolden, settle, Transcript } from '../../../../scripts/lib/golden.ts';

/** Answers a request: `feed.handle`, or a function that returns `eventStream(…)`. */
export type Handle = (request: Request) => Promise<Response> | Response;

/** A party whose bytes a session writes down. */
export interface Recorded {
  /** Writes what has arrived since the last call. */
  flush(transcript: Transcript): void;
}

/** One request and its response. */
export class Exchange implements Recorded {
  readonly name: string;
  /** All text of the body so far. */
  text = '';
  status = 0;
  isOver = false;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #unwritten = '';
  #resumed: Promise<void> | undefined;
  #resume: () => void = () => undefined;
  #remark: string | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** The connection's id, from hello. */
  get id(): string {
    return /"connection":"([0-9a-f]{32})"/.exec(this.text)?.[1] ?? 'none';
  }

  /** The last event id that a client would have. */
  get lastEventId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }

  take(response: Response): void {
    this.status = response.status;
    this.#reader = response.body?.getReader();
    if (this.#reader === undefined) this.isOver = true;
    else void this.#pump(this.#reader);
  }

  async #pump(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    try {
      for (;;) {
        await this.#resumed;
        const { done, value } = await reader.read();
        if (done) break;
        const text = decoder.decode(value, { stream: true });
        this.text += text;
        this.#unwritten += text;
      }
      this.#remark = 'the response ends';
    } catch (error) {
      this.#remark = `the response breaks off: ${(error as Error).name}`;
    }
    this.isOver = true;
  }

  flush(transcript: Transcript): void {
    transcript.body(this.name, this.#unwritten);
    this.#unwritten = '';
    if (this.#remark !== undefined) transcript.remark(this.name, this.#remark);
    this.#remark = undefined;
  }

  /** Takes no more bytes, except one chunk that it already waits for. */
  pause(): void {
    this.#resumed = new Promise((resolve) => (this.#resume = resolve));
  }

  resume(): void {
    this.#resume();
  }

  /** The client disconnects. */
  async leave(): Promise<void> {
    await this.#reader?.cancel();
  }
}

export interface SendOptions extends RequestInit {
  /** The answer comes only after this time. */
  readonly passMs?: number;
  /** The answer comes only after this step. */
  readonly meanwhile?: readonly [words: string, act: () => unknown];
}

export class Session {
  /** Chance is constant, so that the number of draws has no effect. */
  readonly clock: ManualClock = createFixedClock();
  readonly #transcript = new Transcript();
  readonly #exchanges: Recorded[] = [];

  /**
   * One step of the script: does it, lets everything settle, and writes the bytes that arrived. `isDone`: for bytes that
   * need sockets.
   */
  async step(words: string, act: () => unknown, isDone?: () => boolean): Promise<void> {
    this.#transcript.step(words);
    await act();
    await this.settle(isDone);
  }

  async pass(ms: number): Promise<void> {
    await this.step(`${ms} ms pass`, () => this.clock.advance(ms));
  }

  async settle(isDone?: () => boolean): Promise<void> {
    await settle(() => this.clock.settle(), isDone);
    for (const exchange of this.#exchanges) exchange.flush(this.#transcript);
  }

  /** The name of the next party. */
  nextName(): string {
    const index = this.#exchanges.length;
    const letter = String.fromCharCode('A'.charCodeAt(0) + (index % 26));
    return index < 26 ? letter : `${letter}${Math.floor(index / 26)}`;
  }

  /** Writes a request down. The bytes of its response follow with each step. */
  begin(name: string, recorded: Recorded, request: readonly string[]): void {
    this.#exchanges.push(recorded);
    this.#transcript.step(`request ${name}`);
    this.#transcript.head(name, '>', request);
  }

  /** Sends a request and waits for its head. */
  async send(handle: Handle, target: string, init: SendOptions = {}): Promise<Exchange> {
    const exchange = new Exchange(this.nextName());
    const { passMs, meanwhile, ...given } = init;
    const request = new Request(new URL(target, 'http://feed.test'), given);
    this.begin(exchange.name, exchange, [
      `${request.method} ${target}`,
      ...headerLines(new Headers(given.headers)),
      ...(typeof given.body === 'string' ? ['', given.body] : []),
    ]);
    const answering = Promise.resolve(handle(request));
    let response: Response | undefined;
    void answering.then((value) => (response = value));
    if (passMs !== undefined) await this.pass(passMs);
    if (meanwhile !== undefined) await this.step(...meanwhile);
    await settle(
      () => this.clock.settle(),
      () => response !== undefined,
    );
    const { status, headers } = await answering;
    // Headers of a fetch response are sorted. The records of the Node adapter have their order.
    this.#transcript.head(exchange.name, '<', [String(status), ...headerLines(headers)]);
    exchange.take(await answering);
    await this.settle();
    return exchange;
  }

  get text(): string {
    return this.#transcript.text;
  }
}

/** A manual clock whose `random` is a constant: epochs, lifetimes and delays are the same in each run. */
export function createFixedClock(chance: number = 0.5): ManualClock {
  return Object.assign(createManualClock(), { random: () => chance });
}

/** Compares the session with its record. */
export function expectRecord(session: Session, name: string): void {
  expectGolden(new URL(`./records/${name}.txt`, import.meta.url), session.text);
}

/** Writes the end of a feed, and compares the session with its record. */
export async function expectRecordAfterClose(
  session: Session,
  feed: { close(): Promise<void> },
  name: string,
): Promise<void> {
  await session.step('close', () => feed.close());
  expectRecord(session, name);
}

export function post(body: object | string): RequestInit {
  return { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) };
}

/** The path of a list. Each entry is encoded as one value of the query. */
export function list(...entries: readonly string[]): string {
  return `/events?${entries.map((entry) => `topic=${encodeURIComponent(entry)}`).join('&')}`;
}

function headerLines(headers: Headers): string[] {
  return [...headers].map(([name, value]) => `${name}: ${value}`);
}
