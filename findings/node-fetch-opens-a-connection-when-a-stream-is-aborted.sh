#!/usr/bin/env bash
# Node 24.21.0, the global fetch: aborting a response that streams opens a new connection to the same server, on which no request is
# sent. http.Server.close() of that server then waits for it. A test or a drain that counts connections sees one too many: count
# requests, and end a drain with closeAllConnections().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >check.mjs <<'JS'
import { createServer } from 'node:http';

let connections = 0;
let requests = 0;
const server = createServer((request, response) => {
  requests += 1;
  if (request.method === 'POST') return response.end('done');
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: one\n\n');
});
server.on('connection', () => (connections += 1));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}/`;
const controller = new AbortController();
const streaming = await fetch(url, { signal: controller.signal });
await streaming.body.getReader().read();
await (await fetch(url, { method: 'POST', body: 'x' })).text();
const before = connections;
controller.abort();
for (let waited = 0; connections === before && waited < 3_000; waited += 50) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
console.log(`connections before the abort: ${before}, after: ${connections}; requests: ${requests}`);
const same = before === 2 && connections === 3 && requests === 2;
console.log(same ? 'ok: the abort opens a third connection without a request' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
node_modules/.bin/node check.mjs
