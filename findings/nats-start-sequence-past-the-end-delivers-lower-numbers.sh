#!/usr/bin/env bash
# nats-server 2.9.10 (Debian 12), @nats-io/jetstream 3.4.0: a consumer with `opt_start_seq: 100` on a stream that ends at 5 is made
# without an error, its info repeats `opt_start_seq: 100`, and its first message is number 6: the next one, not one from 100 on.
# With a start before the first held message it begins at the first held one. So a saved place of a stream that was made again,
# or trimmed, is accepted, and messages are skipped. Compare the number with `first_seq` and `last_seq` of the stream before.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq nats-server 2>/dev/null
dpkg -x nats-server_*.deb .
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0
cat >check.mjs <<'JS'
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const connection = await connect({ port: Number(process.argv[2]), waitOnFirstConnect: true, reconnectTimeWait: 100 });
const manager = await jetstreamManager(connection);
await manager.streams.add({ name: 'events', subjects: ['a'], max_msgs: 3 });
const client = jetstream(connection);
for (let n = 1; n <= 5; n += 1) await client.publish('a', 'x');
const open = async (start) => {
  const options = { deliver_policy: 'by_start_sequence', opt_start_seq: start, ack_policy: 'none' };
  const { name, config } = await manager.consumers.add('events', options);
  return { name, start: config.opt_start_seq };
};
const first = async ({ name }) => (await (await client.consumers.get('events', name)).next({ expires: 5000 }))?.seq;
const [ahead, behind] = [await open(100), await open(1)];
await client.publish('a', 'x');
const seen = {
  'a consumer from 100, info': ahead.start,
  'its first message': await first(ahead),
  'a consumer from 1, info': behind.start,
  'its first message, 4 to 6 held': await first(behind),
};
await connection.close();
console.log(seen);
const same = Object.values(seen).join() === '100,6,1,4';
console.log(same ? 'ok: a start that the stream does not hold is moved in silence' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
./usr/sbin/nats-server --version
./usr/sbin/nats-server -js -a 127.0.0.1 -p "$port" -sd "$folder/store" >server.log 2>&1 &
timeout 60 node_modules/.bin/node check.mjs "$port"
