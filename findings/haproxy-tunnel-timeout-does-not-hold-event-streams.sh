#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12): `timeout tunnel` is for connections that were upgraded, not for a long response. A silent event stream
# is cut after `timeout server`, whatever the tunnel timeout is. The heartbeat of a stream must be shorter than `timeout server`.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >check.mjs <<'JS'
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

const backend = createServer((incoming, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write('data: one\n\n');
});
await new Promise((resolve) => backend.listen(0, '127.0.0.1', resolve));
const front = await new Promise((resolve) => {
  const probe = createTcpServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
writeFileSync(
  'haproxy.cfg',
  `defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 2s
  timeout tunnel 60s
frontend front
  bind 127.0.0.1:${front}
  default_backend back
backend back
  server one 127.0.0.1:${backend.address().port}
`,
);
const haproxy = spawn('./usr/sbin/haproxy', ['-db', '-f', 'haproxy.cfg'], {
  env: { ...process.env, LD_LIBRARY_PATH: `${process.cwd()}/usr/lib/x86_64-linux-gnu` },
  stdio: 'ignore',
});
const read = () =>
  new Promise((resolve) => {
    const sent = request({ port: front, host: '127.0.0.1', agent: false }, (response) => {
      const startedAt = performance.now();
      const end = () => resolve((performance.now() - startedAt) / 1000);
      response.resume().on('end', end).on('error', end);
      setTimeout(() => response.destroy(), 20_000).unref();
    });
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
let seconds = await read();
for (let tries = 0; seconds === undefined && tries < 100; tries += 1) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  seconds = await read();
}
haproxy.kill();
console.log(`timeout server 2s, timeout tunnel 60s: the silent stream was cut after ${seconds?.toFixed(1)} s`);
const same = seconds > 1.5 && seconds < 10;
console.log(same ? 'ok: timeout server cuts the stream' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu" ./usr/sbin/haproxy -v | head -1
node_modules/.bin/node check.mjs
