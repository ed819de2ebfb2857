#!/usr/bin/env bash
# @nats-io/jetstream 3.4.0 on nats-server 2.9.10 (Debian 12): the stream below an ordered consumer is deleted and made again under the
# same name. The consumer makes itself again too, from the number after its newest message. The new stream counts from 1, so its
# messages up to that number are never delivered: no error, the loop goes on, and it only sees what comes after them.
# `status()` is the only sign (`consumer_deleted`, `ordered_consumer_recreated`). Compare `created` of the stream, and start again.
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
const client = jetstream(connection);
const make = () => manager.streams.add({ name: 'events', subjects: ['a'] });
await make();
for (const n of [1, 2, 3]) await client.publish('a', `old ${n}`);

const delivered = [];
const told = new Set();
let ended = 'no';
const consumer = await client.consumers.get('events');
const messages = await consumer.consume({ idle_heartbeat: 1000 });
void (async () => {
  for await (const { type } of messages.status()) told.add(type);
})();
void (async () => {
  for await (const message of messages) delivered.push(message.string());
})().then(
  () => (ended = 'ended'),
  (error) => (ended = `failed: ${error}`),
);
const until = async (condition) => {
  for (let tries = 0; !condition() && tries < 300; tries += 1) await new Promise((resolve) => setTimeout(resolve, 100));
};
await until(() => delivered.length === 3);
await manager.streams.delete('events');
await make();
for (const n of [1, 2, 3]) await client.publish('a', `new ${n}`);
await until(() => told.has('ordered_consumer_recreated'));
await client.publish('a', 'new 4');
await until(() => delivered.includes('new 4'));
const { messages: held, first_seq: first, last_seq: last } = (await manager.streams.info('events')).state;
console.log('delivered:', delivered.join(', '));
console.log(`the new stream holds ${held} messages, ${first} to ${last}; the loop has ended: ${ended}`);
console.log('told by status():', [...told].join(', '));
const same = `${delivered}/${held}/${ended}` === 'old 1,old 2,old 3,new 4/4/no';
console.log(same ? 'ok: three messages of the new stream are skipped in silence' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
./usr/sbin/nats-server --version
./usr/sbin/nats-server -js -a 127.0.0.1 -p "$port" -sd "$folder/store" >server.log 2>&1 &
timeout 90 node_modules/.bin/node check.mjs "$port"
