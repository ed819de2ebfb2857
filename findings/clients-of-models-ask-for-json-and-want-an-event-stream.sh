#!/usr/bin/env bash
# openai 7.59.0 and @anthropic-ai/sdk 1.14.0 send `Accept: application/json` also on streaming calls. A server that negotiates
# strictly answers 406 to its most common clients. A type that is not named is not a type with quality 0: refuse only `q=0`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 openai@7.59.0 @anthropic-ai/sdk@1.14.0
cat >check.mjs <<'JS'
import { createServer } from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const seen = {};
const server = createServer((request, response) => {
  seen[request.url.split('/')[1]] = request.headers.accept;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end('data: [DONE]\n\n');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}`;
const messages = [{ role: 'user', content: 'hello' }];
const openai = new OpenAI({ apiKey: 'none', baseURL: `${url}/openai` });
await openai.chat.completions.create({ model: 'm', messages, stream: true });
const anthropic = new Anthropic({ apiKey: 'none', baseURL: `${url}/anthropic` });
await anthropic.messages.create({ model: 'm', max_tokens: 1, messages, stream: true });
console.log('Accept of streaming calls:', seen);
const same = seen.openai === 'application/json' && seen.anthropic === 'application/json';
console.log(same ? 'ok: both ask for JSON' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
node_modules/.bin/node check.mjs
