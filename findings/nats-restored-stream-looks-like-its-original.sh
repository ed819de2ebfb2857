#!/usr/bin/env bash
# nats-server 2.9.10 (Debian 12): a stream that is deleted and restored from an older backup has the `created` time of its original,
# to the nanosecond, and gives the numbers after the backup to other messages. So equal name, equal `created` and a last number that
# did not go down do not prove that it is the same history: compare the content or time of the newest message that you know.
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
import { connect, createInbox } from '@nats-io/transport-node';

const connection = await connect({ port: Number(process.argv[2]), waitOnFirstConnect: true, reconnectTimeWait: 100 });
const manager = await jetstreamManager(connection);
const client = jetstream(connection);
const ask = async (subject, value) => {
  const answer = (await connection.request(subject, value, { timeout: 5000 })).string();
  const parsed = answer === '' ? {} : JSON.parse(answer);
  if (parsed.error) throw new Error(answer);
  return parsed;
};
const look = async () => {
  const { created, state } = await manager.streams.info('events');
  const newest = await manager.streams.getMessage('events', { seq: state.last_seq });
  return { created, last: state.last_seq, newest: newest.string() };
};

await manager.streams.add({ name: 'events', subjects: ['a'] });
for (const n of [1, 2, 3]) await client.publish('a', `message ${n}`);
// The backup that the command `nats stream backup` makes: parts that are acknowledged, then an empty message.
const parts = [];
const inbox = createInbox();
const subscription = connection.subscribe(inbox);
const order = { deliver_subject: inbox, chunk_size: 65_536 };
const { config, state } = await ask('$JS.API.STREAM.SNAPSHOT.events', JSON.stringify(order));
for await (const part of subscription) {
  if (part.data.length === 0) break;
  parts.push(part.data);
  part.respond();
}
for (const n of [4, 5]) await client.publish('a', `message ${n}`);
const before = await look();

await manager.streams.delete('events');
await new Promise((resolve) => setTimeout(resolve, 1100));
const { deliver_subject: target } = await ask('$JS.API.STREAM.RESTORE.events', JSON.stringify({ config, state }));
for (const part of parts) await ask(target, part);
await ask(target, '');
for (const n of [4, 5]) await client.publish('a', `another ${n}`);
const after = await look();
await connection.close();
console.log({ before, after });
const same =
  before.created === after.created && before.last === 5 && after.last === 5 && before.newest !== after.newest;
console.log(same ? 'ok: the same creation time and the same numbers, other messages' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
./usr/sbin/nats-server --version
./usr/sbin/nats-server -js -a 127.0.0.1 -p "$port" -sd "$folder/store" >server.log 2>&1 &
timeout 60 node_modules/.bin/node check.mjs "$port"
