/** Linefeed on Express 5. */
import type { AddressInfo } from 'node:net';
import { sendEventStream, toNodeHandler } from '@linefeed/server/node';
import express from 'express';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';
import { announce, port } from './life.ts';

const app = express();
app.get('/countdown', (req, res) => sendEventStream(req, res, countdown, { retryMs: 2_000 }));
// Middleware: what is not under the path of the feed goes on to the next.
app.use(toNodeHandler(feed));

const server = app.listen(port, () => announce((server.address() as AddressInfo).port, () => server.close()));
