#!/usr/bin/env bash
# ioredis 6.0.0 and iovalkey 0.4.0 (defaults) on Redis 7.0 (Debian 12): a command was executed, and the connection is cut before
# its reply arrives. The client reconnects and sends the command again, so XADD appends twice and its promise resolves once.
# node-redis 6.3.1 rejects the call instead, though the entry is stored. With none of them is a failed or a successful XADD proof
# of one entry: give each append an id that a script on the server checks.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq redis-server redis-tools libjemalloc2 liblzf1 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 ioredis@6.0.0 iovalkey@0.4.0 redis@6.3.1
cat >check.mjs <<'JS'
import { connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { Redis as Valkey } from 'iovalkey';
import { createClient } from 'redis';

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
const direct = createClient({ url: `redis://127.0.0.1:${port}` });
await direct.connect();
const through = { host: '127.0.0.1', port: relay.address().port };
const node = createClient({ socket: through }).on('error', () => {});
await node.connect();
const clients = { ioredis: new Redis(through), iovalkey: new Valkey(through), 'node-redis': node };
const seen = {};
for (const [name, client] of Object.entries(clients)) {
  client.on('error', () => {});
  await (client.ping ? client.ping() : client.PING());
  armed = true;
  const adding = name === 'node-redis' ? client.xAdd(name, '*', { n: '1' }) : client.xadd(name, '*', 'n', '1');
  const outcome = await adding.then(
    () => 'resolved',
    () => 'rejected',
  );
  seen[name] = `${outcome}, entries ${await direct.xLen(name)}`;
}
console.log(seen);
const same = Object.values(seen).join('; ') === 'resolved, entries 2; resolved, entries 2; rejected, entries 1';
console.log(same ? 'ok: two clients append twice, the third rejects what was stored' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
export LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu"
./usr/bin/redis-server --version
./usr/bin/redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$folder" >server.log 2>&1 &
for _ in $(seq 100); do ./usr/bin/redis-cli -p "$port" ping >/dev/null 2>&1 && break; sleep 0.1; done
unset LD_LIBRARY_PATH
timeout 60 node_modules/.bin/node check.mjs "$port"
