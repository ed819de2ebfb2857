#!/usr/bin/env bash
# ai 7.0.173: after a tool call the answer continues the message of the assistant, under the same id. A resume with
# `resumeStreamIsReplay` (the default of DefaultChatTransport) empties that message at the first `start` chunk. So a page that
# reloads during the second answer loses the tool call and all text before it, although it has loaded them. Without
# `resumeStreamIsReplay` the message is emptied too, because the chat made a new id for it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node@24.21.0 ai@7.0.173 zod@4.6.7
cat >check.mjs <<'JS'
import { AbstractChat } from 'ai';

class State {
  status = 'ready';
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => this.messages.push(message);
  popMessage = () => this.messages.pop();
  replaceMessage = (index, message) => (this.messages[index] = message);
  snapshot = (value) => structuredClone(value);
}
class Chat extends AbstractChat {}

const saved = () => [
  { id: 'u1', role: 'user', parts: [{ type: 'text', text: 'Weather?' }] },
  {
    id: 'a1',
    role: 'assistant',
    parts: [
      { type: 'step-start' },
      { type: 'text', text: 'I look outside.', state: 'done' },
      { type: 'tool-look', toolCallId: 'c1', state: 'output-available', input: {}, output: 'rain' },
    ],
  },
];
const chunks = [
  { type: 'start', messageId: 'a1' },
  { type: 'start-step' },
  { type: 'text-start', id: 't' },
  { type: 'text-delta', id: 't', delta: 'Rain.' },
  { type: 'text-end', id: 't' },
  { type: 'finish-step' },
  { type: 'finish' },
];
const seen = {};
for (const resumeStreamIsReplay of [true, false]) {
  const transport = { resumeStreamIsReplay, reconnectToStream: async () => ReadableStream.from(chunks) };
  const chat = new Chat({ id: 'c', transport, state: new State(saved()) });
  await chat.resumeStream();
  seen[resumeStreamIsReplay] = chat.messages.slice(1).map(({ parts }) => parts.map(({ type }) => type).join(' ')).join(' | ');
}
console.log('parts after a resume, by resumeStreamIsReplay:', seen);
const same = seen.true === 'step-start text' && seen.false === 'step-start text';
console.log(same ? 'ok: the parts before the continuation are gone' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
node_modules/.bin/node check.mjs
