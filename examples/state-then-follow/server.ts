/** The server: tasks by REST, and every change of them by the feed. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createFeed, memoryLog, type Feed, type Log } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { z } from 'zod';
import { board, Task, type Snapshot } from './channel.ts';

export interface TaskServer {
  readonly server: Server;
  readonly feed: Feed<typeof board>;
}

/** `log`: storage of changes. A reader that resumes after an evicted change reads the state instead. */
export function createTaskServer(log: Log = memoryLog()): TaskServer {
  // Replaces your database.
  const tasks = new Map<string, Task>();
  const feed = createFeed(board, { log, authorize: () => true });
  const events = toNodeHandler(feed);

  function readSnapshot(): Snapshot {
    // The cursor first: a change between these two lines is in the state, and is delivered as well. In the opposite
    // order it would be in neither.
    const cursor = feed.cursor();
    const state = [...tasks.values()];
    return { cursor, state };
  }

  async function changeTask(task: Task): Promise<void> {
    // The state first: a client that has received the event finds it in the state.
    tasks.set(task.id, task);
    await feed.publish('task', task);
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.method === 'GET' && req.url === '/tasks') return sendJson(res, 200, readSnapshot());
    if (req.method === 'POST' && req.url === '/tasks') {
      const task = Task.safeParse(await readJson(req));
      if (!task.success) return sendJson(res, 400, { message: z.prettifyError(task.error) });
      await changeTask(task.data);
      return sendJson(res, 200, task.data);
    }
    sendJson(res, 404, { message: `There is no ${req.method} ${req.url}.` });
  }

  const server = createServer((req, res) => {
    events(req, res, () => {
      answer(req, res).catch((error: unknown) => {
        console.error(error);
        sendJson(res, 500, { message: 'The server failed.' });
      });
    });
  });
  return { server, feed };
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of req.setEncoding('utf8')) text += chunk;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sendJson(res: ServerResponse, status: number, body: object): void {
  // A cached snapshot would pair an old cursor with an old state; one cached for another user would leak data.
  res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}
