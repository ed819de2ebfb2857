#!/usr/bin/env bash
# ioredis 6.0.0 and iovalkey 0.4.0, `autoResendUnfulfilledCommands: false`: the connection is cut before the reply of a written command
# arrives. The option stops the repeat, as it says, but nobody rejects the call either: its promise is still pending five seconds
# later, while the client is connected again and answers other calls. Put a timer of your own around each call (`commandTimeout`
# rejects it too). With the option left on, the command is sent twice (see the finding on lost replies).
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq redis-server redis-tools libjemalloc2 liblzf1 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 ioredis@6.0.0 iovalkey@0.4.0
cat >check.mjs <<'JS'
import { connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { Redis as Valkey } from 'iovalkey';

const port = Number(process.argv[2]);
/** Passes bytes on. Once armed, it lets the next command reach the server, and cuts the connection at its reply. */
let armed = false;
const relay = createServer((near) => {
  const far = connect(port, '127.0.0.1');
  near.pipe(far);
  far.on('data', (reply) => {
    if (!armed) return near.write(reply);
    armed = false;
    near.destroy();
  });
  near.on('error', () => {}).on('close', () => far.destroy());
  far.on('error', () => {}).on('close', () => near.destroy());
});
await new Promise((resolve) => relay.listen(0, '127.0.0.1', resolve));
const options = { host: '127.0.0.1', port: relay.address().port, autoResendUnfulfilledCommands: false };
const seen = {};
for (const [name, Client] of Object.entries({ ioredis: Redis, iovalkey: Valkey })) {
  for (const [kind, more] of Object.entries({ alone: {}, 'with commandTimeout': { commandTimeout: 2000 } })) {
    const client = new Client({ ...options, ...more }).on('error', () => {});
    await client.ping();
    const key = `${name} ${kind}`;
    let outcome = 'pending';
    armed = true;
    client.xadd(key, '*', 'n', '1').then(
      () => (outcome = 'resolved'),
      (error) => (outcome = `rejected: ${error.message}`),
    );
    await new Promise((resolve) => setTimeout(resolve, 5000));
    seen[key] = `${outcome}; then PING ${await client.ping()}, entries ${await client.xlen(key)}`;
    client.disconnect();
  }
}
console.log('five seconds after the cut:', seen);
const after = 'then PING PONG, entries 1';
const both = `pending; ${after} rejected: Command timed out; ${after}`;
const same = Object.values(seen).join(' ') === `${both} ${both}`;
console.log(same ? 'ok: the call never settles, though the client works again' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
export LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu"
./usr/bin/redis-server --version
./usr/bin/redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$folder" >server.log 2>&1 &
for _ in $(seq 100); do ./usr/bin/redis-cli -p "$port" ping >/dev/null 2>&1 && break; sleep 0.1; done
unset LD_LIBRARY_PATH
timeout 90 node_modules/.bin/node check.mjs "$port"
