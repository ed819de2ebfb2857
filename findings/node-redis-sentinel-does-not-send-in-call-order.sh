#!/usr/bin/env bash
# node-redis 6.3.1, `createSentinel` with its defaults, Redis 7.0 (Debian 12): calls of one turn are not sent in call order. The pool
# has one connection. The first call takes it, and the others of its turn wait. Calls of the next turn are sent before those. So a log that appends with single calls gets its entries in another order. `createClient` sends in call order, and so does
# one lease (`sentinel.acquire()`). With several appends in flight, use a lease, or await each one.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq redis-server redis-tools libjemalloc2 liblzf1 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 redis@6.3.1
cat >check.mjs <<'JS'
import { createClient, createSentinel } from 'redis';

const [port, sentinelPort] = process.argv.slice(2).map(Number);
const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
const options = { name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: sentinelPort }] };
const sentinel = await createSentinel(options)
  .on('error', () => {})
  .connect();
const lease = await sentinel.acquire();
const turn = () => new Promise((resolve) => setImmediate(resolve));
const order = async (name, target) => {
  const calls = [];
  for (let n = 0; n < 6; n += 1) {
    if (n % 3 === 0) await turn();
    calls.push(target.xAdd(name, '*', { n: String(n) }));
  }
  await Promise.all(calls);
  return (await client.xRange(name, '-', '+')).map((entry) => entry.message.n).join(' ');
};
const seen = {};
seen.createClient = await order('client', client);
seen['a lease'] = await order('lease', lease);
lease.release();
await turn();
seen.createSentinel = await order('sentinel', sentinel);
console.log('calls 0 1 2 in one turn, 3 4 5 in the next one; entries in the stream:', seen);
const inOrder = '0 1 2 3 4 5';
const same = seen.createClient === inOrder && seen['a lease'] === inOrder && seen.createSentinel !== inOrder;
console.log(same ? 'ok: the calls of createSentinel overtake each other' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
free() { node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }
port=$(free)
watch=$(free)
export LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu"
./usr/bin/redis-server --version
./usr/bin/redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$folder" >server.log 2>&1 &
for _ in $(seq 100); do ./usr/bin/redis-cli -p "$port" ping >/dev/null 2>&1 && break; sleep 0.1; done
printf 'port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %s 1\n' "$watch" "$folder" "$port" >sentinel.conf
./usr/bin/redis-server sentinel.conf --sentinel >sentinel.log 2>&1 &
for _ in $(seq 100); do ./usr/bin/redis-cli -p "$watch" ping >/dev/null 2>&1 && break; sleep 0.1; done
unset LD_LIBRARY_PATH
timeout 60 node_modules/.bin/node check.mjs "$port" "$watch"
