/**
 * Writes chunks of a chunked response directly to its socket. Shared bytes are framed once, and the writes of one turn
 * leave together.
 */
import { OutgoingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Internals of a response that this file reads. If one is missing, the response is not bypassed. */
interface Internals {
  readonly chunkedEncoding?: boolean;
  readonly _send?: unknown;
  readonly _header?: string | null;
  readonly _headerSent?: boolean;
  readonly _hasBody?: boolean;
  _last?: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 /;

// Captured at module load, so that later patches of the prototype or of a response are detected.
const own = OutgoingMessage.prototype as OutgoingMessage & Internals;
const { write, end, _send: send } = own;

/**
 * Returns the socket to which chunks of this response can be written directly. `later`: not yet, because an earlier
 * pipelined response is pending or the head is not sent. `never`: other code handles its bytes, or they are not
 * chunked.
 */
export function rawSocketOf(res: ServerResponse): Socket | 'later' | 'never' {
  const { _send, _header, _headerSent, _hasBody, chunkedEncoding } = res as Internals;
  if (send === undefined || res.write !== write || res.end !== end || _send !== send) return 'never';
  if (!res.headersSent) return 'later';
  if (chunkedEncoding !== true || _hasBody !== true) return 'never';
  const { socket } = res;
  if (socket === null || socket.destroyed || _headerSent !== true) return 'later';
  // This check also saves memory. Node keeps the head as its 25 parts, 800 bytes of them, until the string is read.
  if (!STATUS_LINE.test(_header ?? '')) return 'never';
  // Bytes buffered in the response itself would be overtaken.
  if (res.writableLength !== socket.writableLength) return 'later';
  return socket;
}

/**
 * Ends the connection of a response after its body, also if its head has announced keep-alive. Must be called before
 * the response ends.
 */
export function endConnectionAfter(res: ServerResponse): void {
  if (!res.headersSent) {
    res.setHeader('connection', 'close');
    return;
  }
  const internals = res as Internals;
  // Node reads it when the response is finished. It also keeps Node from answering a pipelined request.
  if (typeof internals._last === 'boolean') internals._last = true;
  else {
    const { socket } = res;
    res.once('finish', () => socket?.end());
  }
}

// Turns: one turn lasts until the next process.nextTick. -----------------------------------------------------------------

let turn = 0;
let turnEnds = false;
/** Sockets with a second write in this turn. That write and later ones leave in one system call. */
const corked: Socket[] = [];

function endTurn(): void {
  turnEnds = false;
  turn += 1;
  forgetChunks();
  for (const socket of corked) socket.uncork();
  corked.length = 0;
}

/**
 * Writes bytes as one chunk. Like `socket.write`, it returns `false` if the caller must wait for 'drain'. `wroteIn` is
 * the turn of the socket's last write.
 */
export function writeRaw(socket: Socket, bytes: Uint8Array, wroteIn: number): boolean {
  if (!turnEnds) {
    turnEnds = true;
    process.nextTick(endTurn);
  }
  // The first write of a turn leaves immediately, because most turns have only one.
  if (wroteIn === turn && socket.writableCorked === 0) {
    socket.cork();
    corked.push(socket);
  }
  return socket.write(toChunk(bytes));
}

/** The current turn. */
export function turnNow(): number {
  return turn;
}

// Chunks -----------------------------------------------------------------------------------------------------------------

const CR_LF_BYTES = 2;
/**
 * Number of different byte arrays cached in a turn. Connections that get the same bytes are mostly written one after
 * another.
 */
const REMEMBERED = 8;

let framed: Array<{ readonly bytes: Uint8Array; readonly chunk: Buffer }> = [];
let oldest = 0;
let lastBytes: Uint8Array | undefined;
let lastChunk: Buffer | undefined;

/** The bytes as one chunk (RFC 9112 §7.1). The same bytes give the same chunk. */
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
  // Small buffers come from Node's pool. A separate buffer costs a microsecond, and its garbage collection.
  const chunk = Buffer.allocUnsafe(length);
  chunk.write(head, 'latin1');
  chunk.set(bytes, head.length);
  chunk.write('\r\n', length - CR_LF_BYTES, 'latin1');
  return chunk;
}
