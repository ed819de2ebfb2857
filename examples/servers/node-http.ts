/** Linefeed on `node:http`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { closeOnSignal, sendEventStream, toNodeHandler } from '@linefeed/server/node';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';
import { announce, port, stop } from './life.ts';

const events = toNodeHandler(feed);

const server = createServer((req, res) => {
  if (req.url === '/countdown') sendEventStream(req, res, countdown, { retryMs: 2_000 });
  else events(req, res);
});

server.listen(port, () => announce((server.address() as AddressInfo).port));
closeOnSignal(server, feed, { onSignal: stop });
