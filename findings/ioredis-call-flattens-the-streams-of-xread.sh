#!/usr/bin/env bash
# ioredis 6.0.0 and iovalkey 0.4.0, `call('XREAD', …)` on Redis 7.0 (Debian 12): ioredis asks for RESP3 by default, where the answer is
# a map of streams, and `call` gives it as one flat list [name, entries, name, entries]. iovalkey speaks RESP2, and gives a list of
# pairs [[name, entries], …]. So `for (const [name, entries] of answer)` reads the first two letters of a name with ioredis 6, and
# raises no error. The method `xread()` gives pairs in both, and so does `call` with `protocol: 2`.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq redis-server redis-tools libjemalloc2 liblzf1 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 ioredis@6.0.0 iovalkey@0.4.0
cat >check.mjs <<'JS'
import { Redis } from 'ioredis';
import { Redis as Valkey } from 'iovalkey';

const port = Number(process.argv[2]);
const clients = {
  ioredis: new Redis(port, '127.0.0.1'),
  'ioredis, protocol 2': new Redis(port, '127.0.0.1', { protocol: 2 }),
  iovalkey: new Valkey(port, '127.0.0.1'),
};
await clients.ioredis.xadd('ab', '1-0', 'n', '1');
await clients.ioredis.xadd('cd', '1-0', 'n', '2');
await clients.ioredis.hset('hash', 'field', 'value');
const seen = {};
for (const [name, client] of Object.entries(clients)) {
  const answer = await client.call('XREAD', 'STREAMS', 'ab', 'cd', '0', '0');
  seen[name] = JSON.stringify(answer);
  const loop = [];
  for (const [stream, entries] of answer) loop.push(`${stream}: ${JSON.stringify(entries)}`);
  console.log(name, '\n  XREAD  ', seen[name], '\n  loop   ', loop.join(' | '));
  console.log('  xread()', JSON.stringify(await client.xread('STREAMS', 'ab', 'cd', '0', '0')));
  console.log('  HGETALL', JSON.stringify(await client.call('HGETALL', 'hash')));
  client.disconnect();
}
const entry = (n) => `[["1-0",["n","${n}"]]]`;
const flat = `["ab",${entry(1)},"cd",${entry(2)}]`;
const pairs = `[["ab",${entry(1)}],["cd",${entry(2)}]]`;
const same = Object.values(seen).join(' ') === [flat, pairs, pairs].join(' ');
console.log(same ? 'ok: one flat list over RESP3, pairs over RESP2' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
export LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu"
./usr/bin/redis-server --version
./usr/bin/redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$folder" >server.log 2>&1 &
for _ in $(seq 100); do ./usr/bin/redis-cli -p "$port" ping >/dev/null 2>&1 && break; sleep 0.1; done
unset LD_LIBRARY_PATH
timeout 60 node_modules/.bin/node check.mjs "$port"
