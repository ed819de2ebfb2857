/** Sends the built page. */
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';

const PAGES = process.env['PAGES'] ?? join(import.meta.dirname, 'dist');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
};

export async function sendPage(res: ServerResponse, pathname: string): Promise<void> {
  const file = pathname === '/' ? 'index.html' : normalize(pathname);
  const body = await readFile(join(PAGES, file)).catch(() => undefined);
  if (body === undefined) res.writeHead(404).end();
  else res.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body);
}
