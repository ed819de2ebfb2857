/** One feed process. `start.ts` forks two of them and tells both about each other. */
import { EventEmitter, on } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createFeed } from '@linefeed/server';
import { closeOnSignal, toNodeHandler } from '@linefeed/server/node';
import { openLogOrExit } from '@linefeed/example-open-log';
import { board, Name, type ProcessState } from './channel.ts';
import type { Name as ProcessName } from './names.ts';
import { sendPage } from './pages.ts';
import { publishTicks } from './publisher.ts';

/** A message to the start program. */
export type ToParent = { readonly listening: string } | { readonly kill: ProcessName };

/** A message of the start program. */
export interface ToChild {
  readonly processes: readonly ProcessState[];
}

const name = Name.parse(process.env['NAME']);
const port = Number(process.env['PORT']);

const { log, title, close } = await openLogOrExit('cluster.db', {
  name: 'linefeed_cluster',
  maxEvents: 5_000,
});

let processes: ProcessState[] = [];
const changes = new EventEmitter();

const feed = createFeed(board, {
  path: '/events',
  // Everything here is public.
  authorize: () => true,
  log,
  // Once for each outage of the log.
  onError: (error) => console.error(`${name}:`, error instanceof Error ? error.message : error),
  streams: {
    async *cluster({ signal }) {
      // Before the first value: a change while the reader takes it is not missed.
      const changed = on(changes, 'change', { signal });
      yield { servedBy: name, log: title, processes };
      for await (const _ of changed) yield { servedBy: name, log: title, processes };
    },
  },
});

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname } = new URL(req.url ?? '/', 'http://localhost');
  if (req.method === 'GET') return await sendPage(res, pathname);
  const victim = Name.safeParse(/^\/kill\/(\w+)$/.exec(pathname)?.[1]);
  // A page of another origin can post a form without a preflight, but not this type.
  const isOurs = req.headers['content-type'] === 'application/json';
  if (req.method !== 'POST' || !victim.success || !isOurs) return void res.writeHead(404).end();
  // Answered first: the victim may be this process.
  res.writeHead(202, { 'content-type': 'application/json' });
  res.end('{}', () => tell({ kill: victim.data }));
}

function tell(message: ToParent): void {
  process.send?.(message);
}

const events = toNodeHandler(feed);
const server = createServer((req, res) => {
  events(req, res, () => {
    answer(req, res).catch((error: unknown) => {
      console.error(error);
      res.destroy();
    });
  });
});

server.on('error', (error) => {
  console.error(`${name} cannot listen on port ${port}: ${error.message}`);
  process.exit(1);
});

server.listen(port, '127.0.0.1', () => tell({ listening: title }));

const publishing = new AbortController();
publishTicks(feed, log, name, publishing.signal).catch((error: unknown) => {
  if (publishing.signal.aborted) return;
  console.error(error);
  process.exit(1);
});

process.on('message', (message: ToChild) => {
  processes = [...message.processes];
  changes.emit('change');
});

// Without its parent, nothing would end this process.
process.on('disconnect', () => process.exit(0));

closeOnSignal(server, feed, {
  graceMs: 200,
  onSignal: () => publishing.abort(),
  onClosed: () => void close().finally(() => process.exit(0)),
});
