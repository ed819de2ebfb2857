#!/usr/bin/env bash
# ai 7.0.173: a resume that finds no run sets the status of the chat to `ready`, although the answer to a message that was sent
# meanwhile is running. `useChat({ resume: true })` asks at its mount, and a user may send before the server has answered. The
# page then shows the button for the next message instead of the button for stop, until the next chunk. A transport that lets
# such a resume wait until its signal aborts keeps the status.
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
  messages = [];
  pushMessage = (message) => this.messages.push(message);
  popMessage = () => this.messages.pop();
  replaceMessage = (index, message) => (this.messages[index] = message);
  snapshot = (value) => structuredClone(value);
}
class Chat extends AbstractChat {}

let answerResume;
const transport = {
  // A run that has started and has no chunk yet.
  sendMessages: async () => new ReadableStream(),
  reconnectToStream: () => new Promise((resolve) => (answerResume = resolve)),
};
const chat = new Chat({ id: 'c', transport, state: new State() });
const tick = () => new Promise((resolve) => setImmediate(resolve));

void chat.resumeStream();
void chat.sendMessage({ text: 'Hi' });
await tick();
const before = chat.status;
answerResume(null);
await tick();
const after = chat.status;
console.log(`a message was sent: ${before}; its resume found no run: ${after}`);
const same = before === 'submitted' && after === 'ready';
console.log(same ? 'ok: the chat is ready while its answer is running' : 'CHANGED: see above');
process.exit(same ? 0 : 1);
JS
node_modules/.bin/node check.mjs
