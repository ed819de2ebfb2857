#!/usr/bin/env bash
# @google/genai 3.3.0 reads a stream frame only where the frame starts with `data:`. A frame that starts with `id:`, `event:` or a
# comment is dropped without an error, so text is missing and the call succeeds. A proxy or a gateway that adds ids or
# comments to frames loses content for this client. Send comments and ids to it as blocks of their own, or not at all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 @google/genai@3.3.0
cat >check.mjs <<'JS'
import { createServer } from 'node:http';
import { GoogleGenAI } from '@google/genai';

const data = (text) =>
  `data: ${JSON.stringify({ candidates: [{ content: { role: 'model', parts: [{ text }] } }] })}\n\n`;
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(
    data('bare') + `id: 2\n${data('id')}` + `event: message\n${data('event')}` + `: note\n${data('comment')}` + data('last'),
  );
});
server.listen(0, '127.0.0.1', async () => {
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const client = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl } });
  const seen = [];
  for await (const chunk of await client.models.generateContentStream({ model: 'any', contents: 'any' })) {
    seen.push(chunk.text);
  }
  console.log('sent: bare, id, event, comment, last; received:', seen.join(', '));
  const same = seen.join() === 'bare,last';
  console.log(same ? 'ok: three of five frames are dropped without an error' : 'CHANGED: see above');
  process.exit(same ? 0 : 1);
});
JS
node_modules/.bin/node check.mjs
