#!/usr/bin/env bash
# nginx 1.22 (Debian 12) with its default `proxy_http_version 1.0`: a backend that closes its socket in the middle of a body is
# passed on as a complete response. Over HTTP/1.0 the end of the connection is the end of the body, so only a TCP reset of
# the backend makes nginx break the response. With `proxy_http_version 1.1` a plain close is enough.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq nginx nginx-common libpcre2-8-0 libssl3 zlib1g 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >check.mjs <<'JS'
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
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
  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
  response.write('data: half\n\n');
  const { socket } = response;
  setTimeout(() => (incoming.url === '/reset' ? socket.resetAndDestroy() : socket.destroy()), 300);
});
await new Promise((resolve) => backend.listen(0, '127.0.0.1', resolve));
const [old, newer] = [await freePort(), await freePort()];
const server = (port, version) =>
  `server { listen 127.0.0.1:${port}; location / { ${version} proxy_pass http://127.0.0.1:${backend.address().port}; } }`;
mkdirSync('temp');
writeFileSync(
  'nginx.conf',
  `daemon off; master_process off; pid nginx.pid; error_log error.log;
events {}
http { access_log off; proxy_temp_path temp; client_body_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp;
scgi_temp_path temp; ${server(old, '')} ${server(newer, 'proxy_http_version 1.1;')} }`,
);
const nginx = spawn('./usr/sbin/nginx', ['-p', process.cwd(), '-c', 'nginx.conf', '-e', 'error.log'], {
  env: { ...process.env, LD_LIBRARY_PATH: `${process.cwd()}/usr/lib/x86_64-linux-gnu` },
  stdio: 'ignore',
});
const read = (port, path) =>
  new Promise((resolve) => {
    const sent = request({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      response.resume();
      response.on('error', () => {});
      response.on('close', () => resolve(response.complete ? 'complete' : 'cut'));
    });
    sent.on('error', (error) => resolve(error.code));
    sent.end();
  });
const seen = {};
for (const [name, port, path] of [
  ['HTTP/1.0, close', old, '/close'],
  ['HTTP/1.0, reset', old, '/reset'],
  ['HTTP/1.1, close', newer, '/close'],
]) {
  seen[name] = await read(port, path);
  for (let tries = 0; seen[name] === 'ECONNREFUSED' && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    seen[name] = await read(port, path);
  }
}
nginx.kill();
console.log('to the backend:', seen);
const same = Object.values(seen).join() === 'complete,cut,cut';
console.log(same ? 'ok: a close over HTTP/1.0 looks complete' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu" ./usr/sbin/nginx -v
node_modules/.bin/node check.mjs
