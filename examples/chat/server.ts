/** The server: the messages by REST, the answers as runs, and the page. */
import { mkdirSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { json } from 'node:stream/consumers';
import { createFeed, LinefeedError } from '@linefeed/server';
import { uiMessageSource } from '@linefeed/server/ai';
import { closeOnSignal, toNodeHandler } from '@linefeed/server/node';
import { sqliteRuns } from '@linefeed/server/sqlite';
import { convertToModelMessages, generateId, streamText, toUIMessageStream, type UIMessage } from 'ai';
import { chats, ChatId } from './channel.ts';
import { model } from './model.ts';

const DATA = process.env['DATA'] ?? join(import.meta.dirname, 'data');
mkdirSync(DATA, { recursive: true });

const feed = createFeed(chats, {
  path: '/events',
  // The record survives the process. Without a file, `memoryRuns()` is the default.
  runs: sqliteRuns({ path: join(DATA, 'runs.db') }),
  stopFromClients: true,
  // Everyone may read and stop every chat here. Yours asks: is it a chat of this user?
  authorize: () => true,
});

// Replaces your database: one file for each chat.
const fileOf = (chat: string) => join(DATA, `${chat}.json`);

async function load(chat: string): Promise<UIMessage[]> {
  return JSON.parse(await readFile(fileOf(chat), 'utf8').catch(() => '[]')) as UIMessage[];
}

async function save(chat: string, messages: readonly UIMessage[]): Promise<void> {
  const part = `${fileOf(chat)}.${generateId()}`;
  await writeFile(part, JSON.stringify(messages));
  await rename(part, fileOf(chat));
}

/** Starts the answer to the last message. Returns the run before the answer has begun. */
async function ask(chat: string, message: UIMessage, key: string): Promise<{ readonly run: string }> {
  const source = uiMessageSource(async ({ signal }) => {
    const messages = [...(await load(chat)).filter(({ id }) => id !== message.id), message];
    await save(chat, messages);
    const { stream } = streamText({
      model,
      messages: await convertToModelMessages(messages),
      abortSignal: signal,
    });
    return toUIMessageStream({
      stream,
      originalMessages: messages,
      generateMessageId: generateId,
      onEnd: ({ messages: all }) => save(chat, all),
    });
  });
  return await feed.start('answer', { chat }, source, { key, whenBusy: 'refuse', leaseMs: 3_000 });
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname } = new URL(req.url ?? '/', 'http://localhost');
  const chat = ChatId.safeParse(/^\/api\/chat\/([^/]+)$/.exec(pathname)?.[1]);
  if (req.method === 'GET' && chat.success) return sendJson(res, 200, await load(chat.data));
  if (req.method === 'GET') return await sendPage(res, pathname);
  // A page of another origin can post a form without a preflight, but not this type.
  if (req.method !== 'POST' || req.headers['content-type'] !== 'application/json') {
    return sendJson(res, 415, {});
  }
  const { id, messages, key } = (await json(req)) as { id: string; messages: UIMessage[]; key: string };
  try {
    sendJson(res, 200, await ask(ChatId.parse(id), messages.at(-1)!, key));
  } catch (error) {
    if (!LinefeedError.is(error) || error.code !== 'run_busy') throw error;
    res.writeHead(409, { 'content-type': 'text/plain' }).end('An answer is being written in another tab.');
  }
}

function sendJson(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}

const PAGES = process.env['PAGES'] ?? join(import.meta.dirname, 'dist');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
};

async function sendPage(res: ServerResponse, pathname: string): Promise<void> {
  const file = pathname === '/' ? 'index.html' : normalize(pathname);
  const body = await readFile(join(PAGES, file)).catch(() => undefined);
  if (body === undefined) res.writeHead(404).end();
  else res.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body);
}

const events = toNodeHandler(feed);
const server = createServer((req, res) => {
  events(req, res, () => {
    answer(req, res).catch((error: unknown) => {
      console.error(error);
      if (!res.headersSent) sendJson(res, 500, {});
    });
  });
});
closeOnSignal(server, feed);

server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`);
});
