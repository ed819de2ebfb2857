/** Writes chunks of a chunked response straight to its socket: shared bytes are framed once, and what one turn says leaves together. */
import { OutgoingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What this file knows of a response beyond its public face; where one of them is absent, the response is left alone. */
interface Internals {
  readonly chunkedEncoding?: boolean;
  readonly _send?: unknown;
  readonly _header?: string | null;
  readonly _headerSent?: boolean;
  readonly _hasBody?: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 /;

// As they are when this module is loaded: who patches them later, or a response, is seen.
const own = OutgoingMessage.prototype as OutgoingMessage & Internals;
const { write, end, _send: send } = own;

/**
 * The socket to which chunks of this response may be written without it; `later`: not yet, as its turn has not come (a
 * pipelined request) or its head is not out; `never`: somebody else has a say in its bytes, or they are not in chunks.
 */
export function rawSocketOf(res: ServerResponse): Socket | 'later' | 'never' {
  const { _send, _header, _headerSent, _hasBody, chunkedEncoding } = res as Internals;
  if (send === undefined || res.write !== write || res.end !== end || _send !== send) return 'never';
  if (!res.headersSent) return 'later';
  if (chunkedEncoding !== true || _hasBody !== true) return 'never';
  const { socket } = res;
  if (socket === null || socket.destroyed || _headerSent !== true) return 'later';
  // Looked at as much for its side effect: Node keeps the head as the 25 pieces it was put together from, 800 bytes of
  // them, until somebody looks into it.
  if (!STATUS_LINE.test(_header ?? '')) return 'never';
  // Something waits in the response itself, which would be overtaken.
  if (res.writableLength !== socket.writableLength) return 'later';
  return socket;
}

// Turns: until Node has worked through what is ready to run. -------------------------------------------------------------

let turn = 0;
let turnEnds = false;
/** Sockets that got a second write in this turn: that one and the later ones leave as one system call. */
const corked: Socket[] = [];

function endTurn(): void {
  turnEnds = false;
  turn += 1;
  forgetChunks();
  for (const socket of corked) socket.uncork();
  corked.length = 0;
}

/**
 * Writes bytes as one chunk. As `socket.write` does, `false` says that a drain is to be waited for. `wroteIn` is the
 * turn of the socket's last write.
 */
export function writeRaw(socket: Socket, bytes: Uint8Array, wroteIn: number): boolean {
  if (!turnEnds) {
    turnEnds = true;
    process.nextTick(endTurn);
  }
  // The first write of a turn leaves at once, as most turns have only that one.
  if (wroteIn === turn && socket.writableCorked === 0) {
    socket.cork();
    corked.push(socket);
  }
  return socket.write(toChunk(bytes));
}

/** The present turn. */
export function turnNow(): number {
  return turn;
}

// Chunks -----------------------------------------------------------------------------------------------------------------

const CR_LF_BYTES = 2;
/** So many different pieces are remembered in a turn: connections that get the same come one after the other, mostly. */
const REMEMBERED = 8;

let framed: Array<{ readonly bytes: Uint8Array; readonly chunk: Buffer }> = [];
let oldest = 0;
let lastBytes: Uint8Array | undefined;
let lastChunk: Buffer | undefined;

/** The bytes as one chunk (RFC 9112 §7.1); the same chunk for the same bytes. */
function toChunk(bytes: Uint8Array): Buffer {
  if (bytes === lastBytes) return lastChunk!;
  lastChunk = framed.find((entry) => entry.bytes === bytes)?.chunk;
  if (lastChunk === undefined) {
    lastChunk = frameChunk(bytes);
    framed[oldest] = { bytes, chunk: lastChunk };
    oldest = (oldest + 1) % REMEMBERED;
  }
  lastBytes = bytes;
  return lastChunk;
}

function forgetChunks(): void {
  framed = [];
  oldest = 0;
  lastBytes = undefined;
  lastChunk = undefined;
}

function frameChunk(bytes: Uint8Array): Buffer {
  const head = `${bytes.byteLength.toString(16)}\r\n`;
  const length = head.length + bytes.byteLength + CR_LF_BYTES;
  // Node's pool serves what is small: a buffer of its own costs a microsecond, and its collection.
  const chunk = Buffer.allocUnsafe(length);
  chunk.write(head, 'latin1');
  chunk.set(bytes, head.length);
  chunk.write('\r\n', length - CR_LF_BYTES, 'latin1');
  return chunk;
}
