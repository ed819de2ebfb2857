#!/usr/bin/env bash
# nats-server 2.9.10 (Debian 12) with JetStream: the message id of a publish counts for the whole stream. The same id on another
# subject, or with another payload, is answered `duplicate: true`, and the message is dropped. A purge does not forget the ids: an
# empty stream still refuses them. So an idempotency key must contain the subject, and the payload must be compared by the caller.
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
await manager.streams.add({ name: 'events', subjects: ['a', 'b'] });
const client = jetstream(connection);
const publish = async (subject, payload) => (await client.publish(subject, payload, { msgID: 'key' })).duplicate;
const seen = {
  'first, subject a': await publish('a', 'one'),
  'other payload, subject a': await publish('a', 'two'),
  'subject b': await publish('b', 'three'),
};
seen['messages held'] = (await manager.streams.info('events')).state.messages;
await manager.streams.purge('events');
seen['after a purge'] = await publish('a', 'one');
seen['messages held after the purge'] = (await manager.streams.info('events')).state.messages;
await connection.close();
console.log(seen);
const same = JSON.stringify(Object.values(seen)) === '[false,true,true,1,true,0]';
console.log(same ? 'ok: one id counts for every subject and payload, and survives a purge' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
port=$(node_modules/.bin/node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
./usr/sbin/nats-server --version
./usr/sbin/nats-server -js -a 127.0.0.1 -p "$port" -sd "$folder/store" >server.log 2>&1 &
timeout 60 node_modules/.bin/node check.mjs "$port"
