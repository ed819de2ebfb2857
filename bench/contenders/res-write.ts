/** Node's own response: a loop of `res.write`. */
import { createServer, type ServerResponse } from 'node:http';
import { encodeBareFrame, type Contender } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const responses = new Set<ServerResponse>();
  const server = createServer((req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    responses.add(res);
    res.on('close', () => responses.delete(res));
  });
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/' },
    subscribers: () => responses.size,
    publish: (payloads) => {
      for (const payload of payloads) {
        const frame = Buffer.from(encodeBareFrame(payload));
        for (const res of responses) res.write(frame);
      }
    },
  };
}
