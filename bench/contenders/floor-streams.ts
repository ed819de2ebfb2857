/** The floor of streams: the same generators, and a bare socket. */
import { EventEmitter, on } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import {
  encodeBareFrame,
  makePayload,
  type Contender,
  type ContenderOptions,
  type Payload,
} from '../lib/contender.ts';
import { chunkOf, listen } from '../lib/listen.ts';

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const emitter = new EventEmitter().setMaxListeners(0);
  let open = 0;
  async function* steps(signal: AbortSignal): AsyncGenerator<Payload> {
    if (options['streamEvents'] === undefined) {
      for await (const [payload] of on(emitter, 'step', { signal }) as AsyncIterable<[Payload]>)
        yield payload;
    }
    for (let n = 0; n < Number(options['streamEvents']); n += 1) yield makePayload(n, bytes);
  }
  // Values that a source yields in one turn are sent in one write, as in Linefeed.
  const writeAll = async (socket: Socket, signal: AbortSignal): Promise<void> => {
    let waiting = '';
    const flush = (): void => {
      socket.write(chunkOf(waiting));
      waiting = '';
    };
    for await (const payload of steps(signal)) {
      if (waiting === '') setImmediate(flush);
      waiting += encodeBareFrame(payload);
      if (!socket.writableNeedDrain) continue;
      await new Promise((resolve) => {
        socket.once('drain', resolve);
        signal.addEventListener('abort', resolve, { once: true });
      });
    }
  };
  const server = createServer((req, res) => {
    const abort = new AbortController();
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    open += 1;
    res.on('close', () => {
      open -= 1;
      abort.abort();
    });
    // Rejects only with the abort after the client has left.
    writeAll(res.socket!, abort.signal).catch(() => undefined);
  });
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/' },
    subscribers: () => open,
    publish: (payloads) => {
      for (const payload of payloads) emitter.emit('step', payload);
    },
  };
}
