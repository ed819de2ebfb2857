/** A feed in a process of its own, on a log that others share. Its parent tells it what to publish. */
import { createServer } from 'node:http';
import { flushCompileCache } from 'node:module';
import { createFeed, type LinefeedError } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { board } from '../../kit/board.ts';
import { LOG_VARIABLE, openLog, type LogSpec, type OpenedLog } from './log-spec.ts';

/**
 * `repeat`: each number until it is acknowledged, with its key. `once`: no number waits for another one. `transaction`:
 * each number in a transaction of its own, until it is committed, with its key.
 */
export type Mode = 'repeat' | 'once' | 'transaction';

/** Commands of the parent. */
export type Command =
  | {
      readonly type: 'publish';
      readonly run: string;
      readonly everyMs: number;
      readonly mode: Mode;
    }
  | { readonly type: 'stop'; readonly run: string };

/** The outcome of one call of `publish`. */
export interface Outcome {
  readonly run: string;
  readonly n: number;
  /** Time from the call to its outcome. */
  readonly ms: number;
  /** The cursor of the event; none if a transaction published it. */
  readonly cursor?: string | undefined;
  readonly error?: { readonly code: string; readonly retryable: boolean; readonly message: string };
}

/** Messages of the child. */
export type Report =
  | { readonly type: 'listening'; readonly port: number }
  | ({ readonly type: 'outcome' } & Outcome)
  /** Each number up to `last` has its outcome. */
  | { readonly type: 'stopped'; readonly run: string; readonly last: number }
  | { readonly type: 'error'; readonly message: string };

const report = (message: Report): void => void process.send?.(message);

const { log, transact } = await openWhenPossible(JSON.parse(process.env[LOG_VARIABLE] ?? '') as LogSpec);
const feed = createFeed(board, {
  log,
  retryMs: 50,
  onError: (error) => report({ type: 'error', message: String(error) }),
  streams: {
    // oxlint-disable-next-line require-yield -- the channel has a stream that these tests do not use
    async *report() {
      await Promise.resolve();
    },
  },
});
const handler = toNodeHandler(feed);
const stopping = new Set<string>();

/** Tries again while the server does not answer in time, as a process manager does. */
async function openWhenPossible(spec: LogSpec): Promise<OpenedLog> {
  for (;;) {
    try {
      return await openLog(spec);
    } catch (error) {
      if ((error as Partial<LinefeedError>).retryable !== true) throw error;
      report({ type: 'error', message: String(error) });
    }
  }
}

async function publishOne(run: string, n: number, mode: Mode): Promise<boolean> {
  const start = performance.now();
  const idempotencyKey = `${run} ${n}`;
  let cursor: string | undefined;
  const send = async (transaction?: unknown): Promise<void> => {
    const options = { idempotencyKey, ...(transaction === undefined ? {} : { transaction }) };
    // Two addresses, in turn.
    // A publish in a transaction has no cursor yet.
    const published: { readonly cursor: string } | void = await (n % 2 === 0
      ? feed.publish('room', { name: 'a' }, { run, n }, options)
      : feed.publish('notice', { run, n }, options));
    cursor = published?.cursor;
  };
  try {
    await (mode === 'transaction' ? transact!(send) : send());
    report({ type: 'outcome', run, n, ms: performance.now() - start, cursor });
    return true;
  } catch (error) {
    const { code = 'unknown', message, retryable = false } = error as Partial<LinefeedError> & Error;
    report({ type: 'outcome', run, n, ms: performance.now() - start, error: { code, message, retryable } });
    return false;
  }
}

async function publish({ run, everyMs, mode }: Extract<Command, { type: 'publish' }>): Promise<void> {
  const open: Promise<boolean>[] = [];
  let n = 0;
  while (!stopping.has(run)) {
    n += 1;
    if (mode === 'once') open.push(publishOne(run, n, mode));
    else while (!(await publishOne(run, n, mode))) await pause(everyMs);
    await pause(everyMs);
  }
  await Promise.all(open);
  report({ type: 'stopped', run, last: n });
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

process.on('message', (command: Command) => {
  if (command.type === 'publish') void publish(command);
  else stopping.add(command.run);
});
process.on('disconnect', () => process.exit(0));

const server = createServer((req, res) => handler(req, res, () => res.writeHead(404).end()));
server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  report({ type: 'listening', port: (server.address() as { port: number }).port });
  // Node writes the cache at the end of a process. Most of these are killed.
  flushCompileCache();
});
