/** A request over a real socket. The head of its response is recorded as it was sent; chunks of its body are joined. */
import { connect, type Socket } from 'node:net';
import type { Transcript } from '../../../../scripts/lib/golden.ts';
import type { Recorded, Session } from './session.ts';

const HEAD_END = '\r\n\r\n';

export class RawExchange implements Recorded {
  readonly name: string;
  readonly #socket: Socket;
  /** One character for each byte. */
  #received = '';
  #headLength: number | undefined;
  #flushedLength = 0;
  #isClosed = false;
  #hasLeft = false;
  readonly #remarks = new Set<string>();

  constructor(name: string, port: number, request: string) {
    this.name = name;
    this.#socket = connect(port, '127.0.0.1', () => this.#socket.write(request));
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text) => (this.#received += String(text)));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => (this.#isClosed = true));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The last chunk has arrived. */
  get isEnded(): boolean {
    return decodeBody(this.#received).isEnded;
  }

  get hasHead(): boolean {
    return this.#received.includes(HEAD_END);
  }

  /** The body so far. */
  get text(): string {
    return decodeBody(this.#received).text;
  }

  /** Whether the body has this text. */
  has(text: string): boolean {
    return this.text.includes(text);
  }

  get id(): string {
    return /"connection":"([0-9a-f]{32})"/.exec(this.text)?.[1] ?? 'none';
  }

  flush(transcript: Transcript): void {
    if (this.#headLength === undefined && this.hasHead) {
      this.#headLength = this.#received.indexOf(HEAD_END);
      transcript.head(this.name, '<', this.#received.slice(0, this.#headLength).split('\r\n'));
    }
    const { text } = this;
    transcript.body(this.name, text.slice(this.#flushedLength));
    this.#flushedLength = text.length;
    if (this.isEnded) this.#remark(transcript, 'the response ends');
    if (this.#isClosed && !this.#hasLeft) this.#remark(transcript, 'the server closes the connection');
  }

  #remark(transcript: Transcript, words: string): void {
    if (!this.#remarks.has(words)) transcript.remark(this.name, words);
    this.#remarks.add(words);
  }

  /** Closes the connection. */
  leave(): void {
    this.#hasLeft = true;
    this.#socket.destroy();
  }
}

export interface RawOptions {
  readonly body?: string;
  /** Waits until this is true; without it, for the head of the response. */
  readonly isDone?: (exchange: RawExchange) => boolean;
  /** Keeps the connection open. */
  readonly stays?: boolean;
}

/** Sends a request on a connection of its own, and waits for its response. */
export async function sendRaw(
  session: Session,
  port: number,
  lines: readonly string[],
  { body, isDone, stays = false }: RawOptions = {},
): Promise<RawExchange> {
  const sized = body === undefined ? lines : [...lines, `content-length: ${Buffer.byteLength(body)}`];
  const text = `${[...sized, 'host: feed.test'].join('\r\n')}${HEAD_END}${body ?? ''}`;
  const exchange = new RawExchange(session.nextName(), port, text);
  session.begin(exchange.name, exchange, body === undefined ? lines : [...lines, '', body]);
  await session.settle(() => exchange.hasHead && (isDone?.(exchange) ?? true));
  // The server closes a kept connection after some seconds, which would be in the record of a busy machine.
  if (!stays) exchange.leave();
  return exchange;
}

interface Body {
  readonly text: string;
  readonly isEnded: boolean;
}

function decodeBody(received: string): Body {
  const end = received.indexOf(HEAD_END);
  if (end === -1) return { text: '', isEnded: false };
  const rest = received.slice(end + HEAD_END.length);
  const isChunked = /^transfer-encoding: chunked\r?$/im.test(received.slice(0, end));
  const { text, isEnded } = isChunked ? joinChunks(rest) : { text: rest, isEnded: false };
  return { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(text, 'latin1')), isEnded };
}

/** The whole chunks of a body (RFC 9112 §7.1). */
function joinChunks(rest: string): Body {
  let text = '';
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    const size = lineEnd === -1 ? 0 : Number.parseInt(rest.slice(at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (size === 0 || next > rest.length) return { text, isEnded: rest.startsWith('0\r\n\r\n', at) };
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    at = next;
  }
}
