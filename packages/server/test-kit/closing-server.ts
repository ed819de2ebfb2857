/** A server that ends on a signal, in a separate process. It prints its port, and then each step of its end. */
import cluster from 'node:cluster';
import { createServer, type RequestListener } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Writable } from 'node:stream';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';
import { createFeed } from '../src/index.ts';
import { closeOnSignal, toNodeHandler, type NodeRequest, type NodeResponse } from '../src/node.ts';

const [kind = 'http', graceMs = '0'] = process.argv.slice(2);
const feed = createFeed(defineChannel({ notice: z.string() }), { authorize: () => true });
const events = toNodeHandler(feed);

const listener = (req: NodeRequest, res: NodeResponse): void => {
  if (req.url === '/hang') (res as Writable).write('a');
  else events(req, res, () => res.end('page'));
};

if (kind === 'cluster' && cluster.isPrimary) {
  const worker = cluster.fork();
  process.on('SIGTERM', () => worker.process.kill('SIGTERM'));
  worker.on('exit', (code) => process.exit(code));
} else serve();

function serve(): void {
  const server =
    kind === 'http2' ? http2.createServer(listener) : createServer(listener satisfies RequestListener);
  closeOnSignal(server, feed, {
    graceMs: Number(graceMs),
    onSignal: (signal) => console.log(signal),
    onClosed: () => console.log('closed'),
  });
  server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
}
