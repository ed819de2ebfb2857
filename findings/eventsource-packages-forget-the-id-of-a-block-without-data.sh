#!/usr/bin/env bash
# A block with `id:` and no `data:` moves the last event id (WHATWG HTML, "dispatch the event", step 1), though no event is fired.
# eventsource 5.1.5 sends that id when it reconnects. eventsource-client 1.2.0 and launchdarkly-eventsource 2.2.0 send the id of the
# last block with data. A server that moves a quiet reader forward by such blocks makes these readers repeat old events.
# Give each block that carries an id a `data:` line.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 eventsource@5.1.5 eventsource-client@1.2.0 launchdarkly-eventsource@2.2.0
cat >check.mjs <<'JS'
import { createServer } from 'node:http';
import { EventSource } from 'eventsource';
import { createEventSource } from 'eventsource-client';
import launchDarkly from 'launchdarkly-eventsource';

const ids = new Map();
const done = Promise.withResolvers();
const server = createServer((request, response) => {
  const seen = ids.get(request.url) ?? [];
  ids.set(request.url, [...seen, request.headers['last-event-id'] ?? 'none']);
  if (ids.size === 3 && [...ids.values()].every((list) => list.length >= 2)) done.resolve();
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('retry: 100\n\nid: 1\ndata: one\n\nid: 2\n\n');
  setTimeout(() => response.destroy(), 200);
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const sources = [
    new EventSource(`${url}/eventsource`),
    createEventSource({ url: `${url}/eventsource-client` }),
    new (launchDarkly.EventSource ?? launchDarkly)(`${url}/launchdarkly-eventsource`, {}),
  ];
  sources[0].onerror = () => {};
  sources[2].onerror = () => {};
  const deadline = setTimeout(done.reject, 30_000, new Error('a reader did not reconnect in 30 s'));
  await done.promise;
  clearTimeout(deadline);
  for (const source of sources) source.close();
  const second = Object.fromEntries([...ids].map(([path, list]) => [path.slice(1), list[1]]));
  console.log('Last-Event-ID of the first reconnection:', second);
  const same =
    second['eventsource'] === '2' &&
    second['eventsource-client'] === '1' &&
    second['launchdarkly-eventsource'] === '1';
  console.log(same ? 'ok: two of three readers forget the id of a block without data' : 'CHANGED: see above');
  process.exit(same ? 0 : 1);
});
JS
node_modules/.bin/node check.mjs
