#!/usr/bin/env bash
# Node 24.21.0, node:http2: stream.destroy() in the middle of a response sends END_STREAM. The reader gets `end`, the code 0 and no
# error, so half a body looks whole. stream.close(NGHTTP2_INTERNAL_ERROR) makes the reader see an error. On HTTP/1.1
# socket.destroy() makes the reader see one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >check.mjs <<'JS'
import { connect, constants, createServer } from 'node:http2';

const cuts = {
  'destroy()': (stream) => stream.destroy(),
  'close(INTERNAL_ERROR)': (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
};
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: half\n\n');
  const cut = cuts[decodeURIComponent(request.url.slice(1))];
  setTimeout(() => cut(response.stream), 200);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const client = connect(`http://127.0.0.1:${server.address().port}`);
const seen = {};
for (const name of Object.keys(cuts)) {
  const stream = client.request({ ':path': `/${encodeURIComponent(name)}` });
  let error = 'no error';
  stream.resume().on('error', (cause) => (error = cause.code));
  await new Promise((resolve) => stream.on('close', resolve));
  seen[name] = `code ${stream.rstCode}, ${error}`;
}
console.log(seen);
const same = seen['destroy()'] === 'code 0, no error' && seen['close(INTERNAL_ERROR)'].startsWith('code 2, ERR_');
console.log(same ? 'ok: destroy() looks like a complete response' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
node_modules/.bin/node check.mjs
