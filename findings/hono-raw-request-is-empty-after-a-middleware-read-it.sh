#!/usr/bin/env bash
# Hono on Node: after a middleware has called c.req.text(), a later c.req.text() still gives the body (it is cached), but
# c.req.raw.text() rejects: the Request that most libraries take is used up. Pass new Request(c.req.raw, { body: await c.req.text() })
# to a handler that reads a Request.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 hono@4.13.19 @hono/node-server@2.1.8
cat >check.mjs <<'JS'
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const attempt = async (read) => {
  try {
    return await read();
  } catch (error) {
    return error.name;
  }
};
const app = new Hono();
app.use(async (c, next) => {
  await c.req.text();
  await next();
});
app.post('/', async (c) => {
  const again = await attempt(() => c.req.text());
  const raw = await attempt(() => c.req.raw.text());
  const copied = await attempt(async () =>
    new Request(c.req.raw, { method: 'POST', body: await c.req.text() }).text(),
  );
  return c.json({ again, raw, copied });
});
const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, async ({ port }) => {
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'hello' });
  const seen = await response.json();
  console.log('the cached text, the raw request, a copy of it:', Object.values(seen).join(', '));
  const same = seen.again === 'hello' && seen.raw === 'TypeError' && seen.copied === 'hello';
  console.log(same ? 'ok: the raw request is used up' : 'CHANGED: see above');
  server.close();
  process.exit(same ? 0 : 1);
});
JS
node_modules/.bin/node check.mjs
