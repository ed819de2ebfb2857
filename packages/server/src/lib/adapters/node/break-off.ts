/** Ends a response of Node so that its reader sees that it is incomplete. */
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { systemClock } from '../../base/clock.ts';
import type { NodeResponse } from './node-request.ts';

/** The error code of a reset HTTP/2 stream (RFC 9113 §7). */
const INTERNAL_ERROR = 2;

/** Cuts a response now. Bytes that wait are dropped. */
export function cut(res: NodeResponse): void {
  const stream = streamOf(res);
  if (stream === undefined) {
    res.destroy();
    return;
  }
  // A stream that is only destroyed ends like a complete one.
  stream.close(INTERNAL_ERROR);
  // If the connection takes no bytes, the reset waits. Then destroy the stream to free its memory. An earlier destroy would drop the reset.
  systemClock.defer(() => stream.destroy());
}

/** Cuts a response as soon as its bytes are handed to the system. The caller must bound that time. */
export function breakOff(res: NodeResponse): void {
  const stream = streamOf(res);
  if (stream !== undefined) {
    if (stream.writable) stream.write('', () => cut(res));
    else cut(res);
    return;
  }
  const response = res as ServerResponse;
  const { socket } = response;
  // An earlier pipelined response has the socket. Node writes the waiting bytes when this response gets it.
  if (socket === null) response.once('socket', () => process.nextTick(breakOff, res));
  else if (socket.writable) socket.write('', () => cutSocket(response, socket));
  else cutSocket(response, socket);
}

function cutSocket(res: ServerResponse, socket: Socket): void {
  // The end of the connection is the end of a body without chunks. Only a reset shows that it is incomplete.
  if (!res.chunkedEncoding && !socket.destroyed) {
    try {
      socket.resetAndDestroy();
    } catch {
      // TLS and Unix sockets cannot be reset.
    }
  }
  res.destroy();
}

function streamOf(res: NodeResponse): ServerHttp2Stream | undefined {
  return (res as { stream?: ServerHttp2Stream }).stream;
}
