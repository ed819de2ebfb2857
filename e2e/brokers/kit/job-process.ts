/** A feed with runs in a process of its own, on a store that others share. Its parent calls it. */
import { createServer } from 'node:http';
import { createFeed, type LinefeedError, type RunStore } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import { jobs, LEASE_MS } from './jobs.ts';
import { openRuns, RUNS_VARIABLE, type RunsSpec } from './runs-spec.ts';

/** Calls of the parent. */
export type Call =
  | {
      readonly type: 'start';
      readonly name: string;
      readonly key?: string | undefined;
      readonly attempts?: number | undefined;
      /** Number of events. Default: no end. */
      readonly count?: number | undefined;
    }
  | { readonly type: 'stop'; readonly name: string }
  | { readonly type: 'runs'; readonly name: string };

export interface Question {
  readonly id: number;
  readonly call: Call;
}

/** Messages of the child. `at`: milliseconds since 1970. */
export type Report =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: string }
  /** A source of this process was called. */
  | { readonly type: 'begun'; readonly run: string; readonly stored: number }
  /** Its signal aborted. */
  | { readonly type: 'aborted'; readonly run: string; readonly at: number }
  | { readonly type: 'error'; readonly message: string };

/** Between two events of a source. */
const EVERY_MS = 20;

const report = (message: Report): void => void process.send?.(message);
const by = String(process.pid);

const feed = createFeed(jobs, {
  runs: await openWhenPossible(JSON.parse(process.env[RUNS_VARIABLE] ?? '') as RunsSpec),
  runLeaseMs: LEASE_MS,
  retryMs: 50,
  onError: (error) => report({ type: 'error', message: String(error) }),
});

/** Tries again while the server does not answer in time, as a process manager does. */
async function openWhenPossible(spec: RunsSpec): Promise<RunStore> {
  for (;;) {
    try {
      return await openRuns(spec);
    } catch (error) {
      if ((error as Partial<LinefeedError>).retryable !== true) throw error;
      report({ type: 'error', message: String(error) });
    }
  }
}

async function perform(call: Call): Promise<unknown> {
  if (call.type === 'stop') return await feed.stop('job', { name: call.name }, { reason: 'asked' });
  if (call.type === 'runs') return await feed.runs('job', { name: call.name });
  const { name, key, attempts, count = Infinity } = call;
  return await feed.start(
    'job',
    { name },
    async function* ({ run, signal, stored }) {
      report({ type: 'begun', run, stored: stored.length });
      signal.addEventListener('abort', () => report({ type: 'aborted', run, at: Date.now() }));
      for (let n = 1; n <= count; n += 1) {
        yield { by, n };
        await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      }
      return by;
    },
    { key, attempts },
  );
}

process.on('message', ({ id, call }: Question) => {
  perform(call).then(
    (value) => report({ type: 'answer', id, value }),
    (error: unknown) => report({ type: 'answer', id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));

const handler = toNodeHandler(feed);
const server = createServer((req, res) => handler(req, res, () => res.writeHead(404).end()));
server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  report({ type: 'listening', port: (server.address() as { port: number }).port });
});
