#!/usr/bin/env bash
# Node 24.21.0: http.Server.close() closes idle keep-alive connections, but not a connection on which no request was ever sent (a
# browser opens such connections ahead, and so do load balancers). close() does not call back while that connection is open.
# closeIdleConnections() does not end it either, closeAllConnections() does. So a drain needs its own deadline.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0
cat >check.mjs <<'JS'
import { createServer } from 'node:http';
import { connect } from 'node:net';

const attempt = async (name, end) => {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise((resolve) => server.once('connection', resolve));
  const socket = connect(server.address().port, '127.0.0.1').on('error', () => {});
  await accepted;
  const closed = new Promise((resolve) => server.close(() => resolve('closed')));
  end(server);
  const outcome = await Promise.race([
    closed,
    new Promise((resolve) => setTimeout(resolve, 4_000, 'open after 4 s')),
  ]);
  socket.destroy();
  console.log(`${name}: ${outcome}`);
  return outcome;
};
const outcomes = [
  await attempt('close()', () => {}),
  await attempt('close() and closeIdleConnections()', (server) => server.closeIdleConnections()),
  await attempt('close() and closeAllConnections()', (server) => server.closeAllConnections()),
];
const same = outcomes.join() === 'open after 4 s,open after 4 s,closed';
console.log(same ? 'ok: only closeAllConnections ends it' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
node_modules/.bin/node check.mjs
