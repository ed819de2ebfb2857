#!/usr/bin/env bash
# A named event beside the data of a model stream is not skipped by these readers: they do not look at `event:`.
# ai 7.0.173 (DefaultChatTransport) ends the chat with AI_TypeValidationError, and the rest of the text is lost.
# openai 7.59.0 hands the data of the foreign event to the caller as a chunk. Comments are skipped by both.
# So a heartbeat or a control event on such a stream must be a comment.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 ai@7.0.173 openai@7.59.0
cat >check.mjs <<'JS'
import { createServer } from 'node:http';
import { DefaultChatTransport, readUIMessageStream } from 'ai';
import OpenAI from 'openai';

const data = (value) => `data: ${JSON.stringify(value)}\n\n`;
const chunk = (content) => ({ id: '1', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] });
const bodies = {
  '/ai': (extra) =>
    data({ type: 'start', messageId: 'm' }) +
    data({ type: 'text-start', id: 't' }) +
    data({ type: 'text-delta', id: 't', delta: 'a' }) +
    extra +
    data({ type: 'text-delta', id: 't', delta: 'b' }) +
    data({ type: 'text-end', id: 't' }) +
    data({ type: 'finish' }),
  '/chat/completions': (extra) => data(chunk('a')) + extra + data(chunk('b')),
};
let extra = '';
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(`${bodies[request.url](extra)}data: [DONE]\n\n`);
});
server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const chat = async () => {
    const transport = new DefaultChatTransport({ api: `${url}/ai` });
    const stream = await transport.sendMessages({ trigger: 'submit-message', chatId: 'c', messages: [] });
    let text = '';
    let failure = 'no error';
    for await (const message of readUIMessageStream({ stream, onError: (error) => (failure = error.name) })) {
      text = message.parts.map((part) => part.text).join('');
    }
    return `"${text}", ${failure}`;
  };
  const complete = async () => {
    const client = new OpenAI({ apiKey: 'none', baseURL: url });
    const seen = [];
    for await (const part of await client.chat.completions.create({ model: 'm', messages: [], stream: true })) {
      seen.push(part.choices?.[0].delta.content ?? JSON.stringify(part));
    }
    return seen.join(' ');
  };
  const seen = {};
  for (const [name, block] of [
    ['comment', ': ping\n\n'],
    ['named event', 'event: ping\ndata: {}\n\n'],
  ]) {
    extra = block;
    seen[name] = { ai: await chat(), openai: await complete() };
  }
  console.log(seen);
  const same =
    seen['comment'].ai === '"ab", no error' &&
    seen['comment'].openai === 'a b' &&
    seen['named event'].ai === '"a", AI_TypeValidationError' &&
    seen['named event'].openai === 'a {} b';
  console.log(same ? 'ok: a named event is data for both readers' : 'CHANGED: see above');
  process.exit(same ? 0 : 1);
});
JS
node_modules/.bin/node check.mjs
