/** The server: orders and chat by REST, every change of them by the feed, and the page. */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFeed, message } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { board, Line, Order, Room, type Orders } from './channel.ts';

// Replaces your database.
const orders = new Map<string, Order>(
  [
    { id: '1', what: '12 rye loaves, Hotel Anker', baked: true },
    { id: '2', what: '40 rolls, school kitchen', baked: false },
    { id: '3', what: 'Plum cake, Mrs Lindqvist', baked: false },
  ].map((order) => [order.id, order]),
);

const feed = createFeed(board, {
  path: '/events',
  // Everything in this channel is public.
  authorize: () => true,
  streams: {
    async *plan({ lastEventId, signal }) {
      const open = [...orders.values()].filter(({ baked }) => !baked);
      const steps = ['Heat the ovens', ...open.map(({ what }) => what), 'Clean the tables', 'Open the shop'];
      // A client that resumes after a break has received the steps up to `lastEventId`.
      for (let n = Number(lastEventId ?? 0); n < steps.length; n += 1) {
        await sleep(500, undefined, { signal });
        yield message({ time: toTime(n), text: steps[n]! }, { id: n + 1 });
      }
    },
  },
});

function toTime(n: number): string {
  return `${4 + Math.floor(n / 2)}:${n % 2 === 0 ? '00' : '30'}`;
}

function readOrders(): Orders {
  // The cursor first: an order that changes between these two lines is in the state, and is delivered as well.
  const cursor = feed.cursor();
  return { cursor, orders: [...orders.values()] };
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname } = new URL(req.url ?? '/', 'http://localhost');
  const chat = /^\/api\/chat\/(\w+)$/.exec(pathname);
  if (req.method === 'GET' && pathname === '/api/orders') return sendJson(res, 200, readOrders());
  if (req.method === 'GET') return await sendPage(res, pathname);
  // A page of another origin can post a form without a preflight, but not this type.
  if (req.headers['content-type'] !== 'application/json') return sendJson(res, 415, {});

  if (req.method === 'PUT' && pathname === '/api/orders') {
    const order = Order.safeParse(await readJson(req));
    if (!order.success) return sendJson(res, 400, {});
    // The state first: a client that has received the event finds it in the state.
    orders.set(order.data.id, order.data);
    await feed.publish('order', order.data);
    return sendJson(res, 200, {});
  }
  if (req.method === 'POST' && chat) {
    const room = Room.safeParse(chat[1]);
    const line = Line.safeParse(await readJson(req));
    if (!room.success || !line.success) return sendJson(res, 400, {});
    await feed.publish('chat', { room: room.data }, line.data);
    return sendJson(res, 200, {});
  }
  sendJson(res, 404, {});
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of req.setEncoding('utf8')) {
    text += chunk;
    if (text.length > 4_096) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sendJson(res: ServerResponse, status: number, body: object): void {
  // A cached answer would pair an old cursor with an old state.
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}

const PAGES = process.env['PAGES'] ?? join(import.meta.dirname, 'dist');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
};

async function sendPage(res: ServerResponse, pathname: string): Promise<void> {
  const file = pathname === '/' ? 'index.html' : normalize(pathname);
  const body = await readFile(join(PAGES, file)).catch(() => undefined);
  if (body === undefined) res.writeHead(404).end();
  else res.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body);
}

const events = toNodeHandler(feed);
const server = createServer((req, res) => {
  events(req, res, () => {
    answer(req, res).catch((error: unknown) => {
      console.error(error);
      if (!res.headersSent) sendJson(res, 500, {});
    });
  });
});

server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`);
});
