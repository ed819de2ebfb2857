/** Reads the stream of a row's server, in a page or in Node, and returns the observed outcome. */
import {
  createClient,
  eventSourceTransport,
  fetchTransport,
  type LinefeedError,
  type Transport,
} from '@linefeed/client';
import type { AnyChannel } from '@linefeed/shared';
import type { ClientOutcome, ClientScript, Frame, PlainOutcome } from './table.ts';

/** A task for a page; all of it is sent as JSON. */
export type Job =
  | {
      readonly type: 'parse';
      readonly url: string;
      readonly reader: 'fetch' | 'EventSource';
      readonly listened: readonly string[];
      /** The response stays open: the reader leaves after this number of frames. */
      readonly open: number | undefined;
    }
  | {
      readonly type: 'follow';
      readonly url: string;
      readonly reader: 'fetch' | 'EventSource';
      readonly script: ClientScript;
    }
  | {
      readonly type: 'watch';
      readonly url: string;
      /** Watch at least this long, and until the other fields are met. */
      readonly watchMs: number;
      readonly events: number;
      readonly readyState: number | undefined;
    };

export interface ParsingOutcome {
  readonly frames: readonly Frame[];
  readonly retryMs: readonly number[];
}

/** Ends a wait that would never end; a busy machine may take long. */
const PATIENCE_MS = 60_000;
/** Browsers open six connections to one server of HTTP/1.1; a probe may need one beside the stream. */
const AT_ONCE = 5;

/** Runs many jobs, a few at a time, and returns their outcomes in their order. */
export async function run(jobs: readonly Job[]): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  const waiting = [...jobs.entries()];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      outcomes[next[0]] = await runOne(next[1]).catch((error: unknown) => ({ error: String(error) }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcomes;
}

function runOne(job: Job): Promise<unknown> {
  if (job.type === 'parse') return parse(job);
  if (job.type === 'follow') return follow(job);
  return watch(job);
}

const TRANSPORTS: Readonly<Record<'fetch' | 'EventSource', () => Transport>> = {
  fetch: () => fetchTransport(),
  EventSource: () => eventSourceTransport(),
};

/** Reads one response to its end, by a transport without a client. */
function parse({ url, reader, listened, open }: Extract<Job, { type: 'parse' }>): Promise<ParsingOutcome> {
  return new Promise((resolve) => {
    const frames: Frame[] = [];
    const retryMs: number[] = [];
    const finish = (): void => {
      clearTimeout(timer);
      connection.close();
      resolve({ frames, retryMs });
    };
    const timer = setTimeout(finish, PATIENCE_MS);
    const connection = TRANSPORTS[reader]()(
      { url, entries: [], cursor: undefined },
      {
        full: () => undefined,
        onLife: () => undefined,
        onRetry: (ms) => void retryMs.push(ms),
        onFrame(event, data, id) {
          if (!listened.includes(event)) return;
          frames.push([event, data, id]);
          if (frames.length === open) finish();
        },
        onEnd: finish,
      },
    );
    for (const event of listened) connection.listen?.(event);
  });
}

/** Lets a whole client subscribe, until the row's condition is met. */
async function follow({ url, reader, script }: Extract<Job, { type: 'follow' }>): Promise<ClientOutcome> {
  const { until, closeOn, retry, connectTimeoutMs } = script;
  const payloads: unknown[] = [];
  let error: LinefeedError | undefined;
  const startedAt = performance.now();
  const client = createClient<AnyChannel>({
    url,
    transport: TRANSPORTS[reader](),
    retry,
    connectTimeoutMs,
    onError: (each) => (error = each),
  });
  client.subscribe('a', (payload: unknown) => void payloads.push(payload));
  const isDone = (): boolean => {
    const { state, connectionCount } = client.connection.getSnapshot();
    return closeOn !== undefined
      ? state === closeOn.state
      : payloads.length >= (until.payloads ?? 0) &&
          (until.state ?? state) === state &&
          connectionCount >= (until.connections ?? 0) &&
          performance.now() - startedAt >= (until.ms ?? 0);
  };
  while (!isDone() && performance.now() - startedAt < PATIENCE_MS) await pause(5);
  if (closeOn !== undefined) {
    client.close();
    await pause(closeOn.watchMs);
  }
  const { state } = client.connection.getSnapshot();
  client.close();
  return {
    payloads,
    state,
    error: error && (error.status === undefined ? error.code : `${error.code} ${error.status}`),
  };
}

/** Watches an EventSource without any of our code. */
async function watch({
  url,
  watchMs,
  events,
  readyState: state,
}: Extract<Job, { type: 'watch' }>): Promise<PlainOutcome> {
  const source = new EventSource(url);
  const data: string[] = [];
  source.addEventListener('message', (event: MessageEvent<string>) => void data.push(event.data));
  const startedAt = performance.now();
  await pause(watchMs);
  const isThere = (): boolean => data.length >= events && (state ?? source.readyState) === source.readyState;
  while (!isThere() && performance.now() - startedAt < PATIENCE_MS) await pause(20);
  const { readyState } = source;
  source.close();
  return { data, readyState };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
