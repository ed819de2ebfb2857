#!/usr/bin/env bash
# msw 3.0.5: client.send({ id, event, data, retry }) of an sse() handler writes the `retry:` line alone. The id, the event name and
# the data are dropped without an error. Send the retry by itself, and the event after it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 msw@3.0.5
cat >check.mjs <<'JS'
import { sse } from 'msw';
import { setupServer } from 'msw/node';

const server = setupServer(
  sse('http://mocked.test/events', ({ client }) => {
    client.send({ id: '1', event: 'greeting', data: 'hello', retry: 500 });
    client.send({ id: '2', data: 'second' });
    client.close();
  }),
);
server.listen();
const response = await fetch('http://mocked.test/events', { headers: { accept: 'text/event-stream' } });
const text = await response.text();
server.close();
console.log('received:', JSON.stringify(text));
const same = text.includes('retry:500') && !text.includes('hello') && text.includes('second');
console.log(same ? 'ok: the event that carries a retry is lost' : 'CHANGED: see above');
process.exitCode = same ? 0 : 1;
JS
node_modules/.bin/node --experimental-eventsource check.mjs
