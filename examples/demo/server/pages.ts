/** The page: built files from `dist`, or Vite in middleware mode for `--dev`. */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pathOf } from './http.ts';

type Pages = (req: IncomingMessage, res: ServerResponse) => void;

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.txt': 'text/plain; charset=utf-8',
};

export async function createPages({ dev, server }: { dev: boolean; server: Server }): Promise<Pages> {
  if (dev) return createDevPages(server);
  const built = await readFile(join(dist, 'index.html')).catch(() => undefined);
  if (built === undefined) {
    console.error('The page is not built: run "npx pnpm@12 demo" at the root, or "pnpm build" here first.');
    process.exit(1);
  }
  return servePage;
}

async function createDevPages(server: Server): Promise<Pages> {
  // Vite's page script reloads the page after its server was away, so "restart the server" opens a new page here.
  const { createServer } = await import('vite');
  const vite = await createServer({ root, server: { middlewareMode: true, hmr: { server } } });
  return (req, res) => vite.middlewares(req, res);
}

async function servePage(req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.method !== 'GET' && req.method !== 'HEAD') return refuse(res, 405, 'Only GET and HEAD here.');
  let path: string;
  try {
    path = decodeURIComponent(pathOf(req));
  } catch {
    return refuse(res, 400, 'This path is not well encoded.');
  }
  const file = normalize(join(dist, path.endsWith('/') ? `${path}index.html` : path));
  if (!file.startsWith(dist + sep) || path.includes('\0')) return refuse(res, 404, 'Nothing is here.');
  const body = await readFile(file).catch(() => undefined);
  if (body === undefined) return refuse(res, 404, 'Nothing is here.');
  res.writeHead(200, {
    'content-type': types[extname(file)] ?? 'application/octet-stream',
    'content-length': body.byteLength,
    // Vite puts a hash of the content into the names under /assets/.
    'cache-control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    'x-content-type-options': 'nosniff',
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

function refuse(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  res.end(`${text}\n`);
}
