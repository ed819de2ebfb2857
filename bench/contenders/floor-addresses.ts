/** The floor for many addresses: a map of bare sockets, to which the same pre-chunked bytes are written. */
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { addressAt, encodeBareFrame, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { chunkOf, listen } from '../lib/listen.ts';

export async function start(options: ContenderOptions): Promise<Contender> {
  const addresses = Number(options['addresses']);
  const rooms = new Map<string, Set<Socket>>();
  let open = 0;
  const server = createServer((req, res) => {
    const asked = new URL(req.url!, 'http://localhost').searchParams.getAll('topic');
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    open += 1;
    for (const name of asked) {
      const id = new URLSearchParams(name.split('?')[1]).get('id')!;
      const room = rooms.get(id);
      if (room === undefined) rooms.set(id, new Set([res.socket!]));
      else room.add(res.socket!);
    }
  });
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/' },
    subscribers: () => open,
    publish: (payloads) => {
      for (const payload of payloads) {
        const id = String(addressAt(payload.n, addresses));
        const chunk = chunkOf(encodeBareFrame(payload, `room?id=${id}`));
        for (const socket of rooms.get(id) ?? []) socket.write(chunk);
      }
    },
  };
}
