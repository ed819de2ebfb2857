/** Serves the page, tRPC as before, and the subscriptions a second time over Linefeed. */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { toNodeHandler } from '@linefeed/server/node';
import { fromRouter } from '@linefeed/server/trpc';
import { createHTTPHandler } from '@trpc/server/adapters/standalone';
import { appRouter } from './router.ts';

// The only new route.
const live = toNodeHandler(fromRouter(appRouter, { path: '/live' }));
const trpc = createHTTPHandler({ router: appRouter, basePath: '/trpc/' });

const PAGES = process.env['PAGES'] ?? join(import.meta.dirname, 'dist');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
};

const server = createServer((req, res) => {
  live(req, res, () => {
    const path = new URL(req.url ?? '/', 'http://localhost').pathname;
    if (path.startsWith('/trpc/')) return trpc(req, res);
    const file = path === '/' ? 'index.html' : normalize(path);
    readFile(join(PAGES, file)).then(
      (body) =>
        res.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body),
      () => res.writeHead(404).end(),
    );
  });
});

server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`);
});
