/** A real server in a separate process: page, feed, and a publisher that its parent controls over IPC. */
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createFeed, memoryLog, message } from '@linefeed/server';
import { closeOnSignal, toNodeHandler } from '@linefeed/server/node';
import { sqliteLog } from '@linefeed/server/sqlite';
import { board } from './board.ts';

/** Commands of the parent. */
export type Command =
  | { readonly type: 'publish'; readonly from: number; readonly to: number; readonly everyMs: number }
  /** Tells all clients to reconnect over the grace, then ends. */
  | { readonly type: 'drain'; readonly graceMs: number }
  /** Stops listening and tells all clients to reconnect. The process stays. */
  | { readonly type: 'close' };

/** Messages of the child. */
export type Report =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'published'; readonly to: number }
  | { readonly type: 'closed' };

const [port = '0', bundle = '', run = 'run', pingMs = '15000', logPath = '', timeoutMs = ''] =
  process.argv.slice(2);

const feed = createFeed(board, {
  pingMs: Number(pingMs),
  timeoutMs: timeoutMs === '' ? undefined : Number(timeoutMs),
  retryMs: 50,
  log: logPath === '' ? memoryLog() : sqliteLog({ path: logPath }),
  streams: {
    async *report({ params, lastEventId, signal }) {
      for (let step = Number(lastEventId ?? 0) + 1; step <= params.steps && !signal.aborted; step += 1) {
        yield message({ step }, { id: step });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  },
});
const feedHandler = toNodeHandler(feed);

const html = (body: string): string => `<!doctype html><meta charset="utf-8"><title>e2e</title>${body}`;
const pages: Readonly<Record<string, { readonly type: string; readonly body: string }>> = {
  '/': { type: 'text/html', body: html('<script type="module" src="/app.js"></script>') },
  '/app.js': { type: 'text/javascript', body: bundle === '' ? '' : readFileSync(bundle, 'utf8') },
  '/plain': {
    type: 'text/html',
    body: html(
      `<script>window.seen = []; new EventSource('/events/notice').addEventListener('notice', (event) => window.seen.push(JSON.parse(event.data).n))</script>`,
    ),
  },
};

const server = createServer((req, res) => {
  feedHandler(req, res, (error) => {
    if (error !== undefined) {
      console.error(error);
      return void res.destroy();
    }
    if (req.url === '/connections') return void res.end(String(feed.stats().connections));
    const page = pages[req.url ?? ''];
    res.writeHead(page === undefined ? 404 : 200, { 'content-type': page?.type ?? 'text/plain' });
    res.end(page?.body);
  });
});

function report(message: Report): void {
  process.send?.(message);
}

async function publish({ from, to, everyMs }: Extract<Command, { type: 'publish' }>): Promise<void> {
  for (let n = from; n <= to; n += 1) {
    // The parent may repeat numbers after it killed a server: each is in the log once.
    await Promise.all([
      feed.publish('notice', { run, n }, { idempotencyKey: `notice ${run} ${n}` }),
      feed.publish('room', { name: 'a' }, { run, n }, { idempotencyKey: `room ${run} ${n}` }),
    ]);
    if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  report({ type: 'published', to });
}

closeOnSignal(server, feed, { graceMs: 200, onClosed: () => process.exit(0) });

process.on('message', (command: Command) => {
  if (command.type === 'publish') void publish(command);
  else if (command.type === 'drain')
    void feed.close({ graceMs: command.graceMs }).then(() => process.exit(0));
  else {
    server.close();
    void feed.close().then(() => report({ type: 'closed' }));
  }
});
process.on('disconnect', () => process.exit(0));

server.listen(Number(port), '127.0.0.1', () => {
  const address = server.address();
  report({ type: 'listening', port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
});
