#!/usr/bin/env bash
# Node 24.21.0, the compatibility API of http2: `finish` of the response comes only when the whole stream has closed. While the peer
# still sends its request body, the answer has left and `finish` has not fired; `finish` of the stream itself has. On HTTP/1.1 the
# response finishes when it is written. Code that frees something at `finish` waits for the peer: listen on `response.stream`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >check.mjs <<'JS'
import { connect, createServer } from 'node:http2';

const seen = [];
const server = createServer((request, response) => {
  request.resume();
  response.on('finish', () => seen.push('finish of the response'));
  response.stream.on('finish', () => seen.push('finish of the stream'));
  response.end('answer');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const client = connect(`http://127.0.0.1:${server.address().port}`);
const stream = client.request({ ':path': '/', ':method': 'POST' }, { endStream: false });
let answer = '';
stream.on('data', (part) => (answer += part));
await new Promise((resolve) => stream.on('end', resolve));
await new Promise((resolve) => setTimeout(resolve, 1_000));
const open = [...seen];
console.log(`the client has "${answer}" and its request is open; the server saw: ${open.join(', ')}`);
stream.end();
for (let waited = 0; seen.length < 2 && waited < 3_000; waited += 50) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
console.log(`after the end of the request: ${seen.join(', ')}`);
const same = open.join() === 'finish of the stream' && seen.length === 2;
console.log(same ? 'ok: finish of the response waits for the request' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
node_modules/.bin/node check.mjs
