/** Linefeed on Express 5. */
import type { AddressInfo } from 'node:net';
import { closeOnSignal, sendEventStream, toNodeHandler } from '@linefeed/server/node';
import express from 'express';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';
import { announce, port, stop } from './life.ts';

const app = express();
app.get('/countdown', (req, res) => sendEventStream(req, res, countdown, { retryMs: 2_000 }));
// Middleware: requests outside of the feed's path go to the next handler.
app.use(toNodeHandler(feed));

const server = app.listen(port, () => announce((server.address() as AddressInfo).port));
closeOnSignal(server, feed, { onSignal: stop });
