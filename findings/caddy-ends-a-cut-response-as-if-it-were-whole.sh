#!/usr/bin/env bash
# Caddy 2.6.2 (Debian 12): a backend dies in the middle of a chunked response. Caddy writes the last chunk itself, so the reader
# sees a complete response and no error, also where the backend's socket was reset. nginx and most other proxies cut the
# connection. So the clean end of an event stream proves nothing: end a stream with an event, and reconnect after any other end.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq caddy 2>/dev/null
dpkg -x caddy_*.deb .
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >Caddyfile <<'CADDY'
{
	admin off
	auto_https off
}
http://127.0.0.1:{$FRONT} {
	reverse_proxy 127.0.0.1:{$BACK} {
		flush_interval -1
	}
}
CADDY
cat >check.mjs <<'JS'
import { spawn } from 'node:child_process';
import { createServer, request } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

const freePort = () =>
  new Promise((resolve) => {
    const probe = createTcpServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
const backend = createServer((incoming, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write('data: one\n\n');
  setTimeout(() => response.socket.resetAndDestroy(), 300);
});
await new Promise((resolve) => backend.listen(0, '127.0.0.1', resolve));
const front = await freePort();
const environment = { ...process.env, FRONT: front, BACK: backend.address().port, HOME: process.cwd() };
const caddy = spawn('./usr/bin/caddy', ['run', '--config', 'Caddyfile'], { env: environment, stdio: 'ignore' });
const read = (port) =>
  new Promise((resolve) => {
    const sent = request({ port, host: '127.0.0.1', agent: false }, (response) => {
      let body = '';
      response.on('data', (part) => (body += part));
      response.on('end', () => resolve(`clean end after ${JSON.stringify(body)}`));
      response.on('error', (error) => resolve(`${error.code} after ${JSON.stringify(body)}`));
    });
    sent.on('error', (error) => resolve(error.code));
    sent.end();
  });
let through = await read(front);
for (let tries = 0; through === 'ECONNREFUSED' && tries < 100; tries += 1) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  through = await read(front);
}
const direct = await read(backend.address().port);
caddy.kill();
backend.close();
console.log('without a proxy:', direct);
console.log('through Caddy:  ', through);
const same = direct.startsWith('ECONNRESET') && through.startsWith('clean end');
console.log(same ? 'ok: Caddy ends the cut response cleanly' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
./usr/bin/caddy version
node_modules/.bin/node check.mjs
