#!/usr/bin/env bash
# orval 8.38.0 on OpenAPI 3.2: a 200 response of `text/event-stream` that has `itemSchema` and no `schema` disappears from the
# generated types. Only the error responses are left, so the type of the result is that of a failure. With `schema: { type: string }`
# beside `itemSchema` the response is there, as a string.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 orval@8.38.0
cat >check.mjs <<'JS'
import { readFileSync, writeFileSync } from 'node:fs';
import { generate } from 'orval';

const document = (content) => ({
  openapi: '3.2.0',
  info: { title: 'events', version: '1' },
  paths: {
    '/events': {
      get: {
        operationId: 'events',
        responses: {
          200: { description: 'The stream.', content: { 'text/event-stream': content } },
          403: {
            description: 'No.',
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
          },
        },
      },
    },
  },
  components: {
    schemas: {
      Problem: { type: 'object', properties: { code: { type: 'string' } } },
      Event: { type: 'object', properties: { data: { type: 'string' } } },
    },
  },
});
const itemSchema = { $ref: '#/components/schemas/Event' };
const seen = {};
for (const [name, content] of [
  ['itemSchema alone', { itemSchema }],
  ['with schema', { schema: { type: 'string' }, itemSchema }],
]) {
  writeFileSync('openapi.json', JSON.stringify(document(content)));
  await generate({ input: './openapi.json', output: { target: './client.ts', client: 'fetch' } });
  const code = readFileSync('client.ts', 'utf8');
  const statuses = [...code.matchAll(/export type eventsResponse(\d+) /g)].map((match) => match[1]);
  seen[name] = statuses.join(' and ');
}
console.log('statuses with a type:', seen);
const same = seen['itemSchema alone'] === '403' && seen['with schema'] === '200 and 403';
console.log(same ? 'ok: the 200 response is lost without schema' : 'CHANGED: see above');
process.exitCode = same ? 0 : 1;
JS
node_modules/.bin/node check.mjs
