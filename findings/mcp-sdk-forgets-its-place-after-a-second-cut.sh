#!/usr/bin/env bash
# @modelcontextprotocol/sdk 1.32.2: the GET stream of the Streamable HTTP client resumes with Last-Event-ID after a cut. When that
# connection is cut as well before it brought a new id, the next request has no Last-Event-ID: the place is lost, and what was
# sent meanwhile is not replayed. A server should repeat the id it resumed from in its first block, with a `data:` line.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 @modelcontextprotocol/sdk@1.32.2
cat >check.mjs <<'JS'
import { createServer } from 'node:http';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const ids = [];
const enough = Promise.withResolvers();
const server = createServer((request, response) => {
  if (request.method !== 'GET') return response.writeHead(202).end();
  ids.push(request.headers['last-event-id'] ?? 'none');
  if (ids.length === 3) enough.resolve();
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(': open\n\n');
  const message = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } };
  if (ids.length === 1) response.write(`id: 7\ndata: ${JSON.stringify(message)}\n\n`);
  setTimeout(() => response.destroy(), 200);
});
server.listen(0, '127.0.0.1', async () => {
  const url = new URL(`http://127.0.0.1:${server.address().port}/`);
  const delays = { initialReconnectionDelay: 100, maxReconnectionDelay: 100, reconnectionDelayGrowFactor: 1 };
  const transport = new StreamableHTTPClientTransport(url, { reconnectionOptions: { ...delays, maxRetries: 5 } });
  transport.onerror = () => {};
  transport.onmessage = () => {};
  await transport.start();
  await transport.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  const deadline = setTimeout(enough.reject, 30_000, new Error('the client did not come three times in 30 s'));
  await enough.promise;
  clearTimeout(deadline);
  console.log('Last-Event-ID of the first three requests:', ids.slice(0, 3).join(', '));
  const same = ids.slice(0, 3).join() === 'none,7,none';
  console.log(same ? 'ok: the id is sent once and then forgotten' : 'CHANGED: see above');
  process.exit(same ? 0 : 1);
});
JS
node_modules/.bin/node check.mjs
