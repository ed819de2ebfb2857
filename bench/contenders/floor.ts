/** The floor: a loop over bare sockets that writes the same pre-chunked bytes to each. */
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { encodeBareFrame, type Contender } from '../lib/contender.ts';
import { chunkOf, listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const sockets = new Set<Socket>();
  const server = createServer((req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    const socket = res.socket!;
    sockets.add(socket);
    res.on('close', () => sockets.delete(socket));
  });
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/' },
    subscribers: () => sockets.size,
    publish: (payloads) => {
      for (const payload of payloads) {
        const chunk = chunkOf(encodeBareFrame(payload));
        for (const socket of sockets) socket.write(chunk);
      }
    },
  };
}
