/** Served by every server in the contract tests: event streams of all kinds, and a feed. */
import { randomBytes } from 'node:crypto';
import { createFeed, eventStream, type Feed, type StreamEnd } from '@linefeed/server';
import { sendEventStream, toNodeHandler, type NodeRequest, type NodeResponse } from '@linefeed/server/node';
import { defineChannel, type Channel } from '@linefeed/shared';
import * as z from 'zod';

const topics = { notice: z.object({ text: z.string() }) };
const board: Channel<typeof topics> = defineChannel(topics);

/** State of one run of a source, by the `run` of its query. */
export interface Run {
  readonly log: string[];
  readonly ends: StreamEnd[];
  readonly errors: unknown[];
  produced: number;
  /** The handler has the request. */
  asked: boolean;
  /** Lets the source yield; undefined while it does not wait. */
  emit: ((value: unknown) => void) | undefined;
}

export interface App {
  readonly feed: Feed<typeof board>;
  /** The `cache-control` of event streams. */
  cacheControl: string;
  run(name: string): Run;
  /** A request listener of Node's http and http2 servers. */
  node(req: NodeRequest, res: NodeResponse): void;
  /** A handler of a fetch-style runtime. */
  fetch(request: Request): Response | Promise<Response>;
}

interface Source {
  readonly signal: AbortSignal;
  readonly lastEventId: string | undefined;
}

export const ITEM_BYTES: number = 64 * 1024;
// Random, or a compressing server would send a thousand of them in the space of one.
const ITEM = randomBytes((ITEM_BYTES / 4) * 3).toString('base64');

export function createApp(): App {
  const runs = new Map<string, Run>();
  const feed = createFeed(
    { ...board },
    {
      context: (_, reply) => {
        reply.headers.set('x-context', 'set');
        reply.headers.append('set-cookie', 'one=1');
        reply.headers.append('set-cookie', 'two=2; HttpOnly');
        return undefined;
      },
    },
  );
  const feedHandler = toNodeHandler(feed);

  function run(name: string): Run {
    let found = runs.get(name);
    if (found === undefined)
      runs.set(name, (found = { log: [], ends: [], errors: [], produced: 0, asked: false, emit: undefined }));
    return found;
  }

  const sources: Record<string, (given: Source, run: Run) => AsyncIterable<unknown> | Iterable<unknown>> = {
    async *told({ signal }, current) {
      signal.addEventListener('abort', () => current.log.push('abort'));
      current.log.push('started');
      try {
        for (;;) {
          yield await new Promise((resolve, reject) => {
            current.emit = resolve;
            signal.addEventListener('abort', () => reject(new DOMException('over', 'AbortError')));
          });
        }
      } finally {
        current.log.push('finally');
      }
    },
    *flood({ signal }, current) {
      signal.addEventListener('abort', () => current.log.push('abort'));
      current.log.push('started');
      try {
        for (;;) {
          current.produced += 1;
          yield ITEM;
        }
      } finally {
        current.log.push('finally');
      }
    },
    async *drip({ signal }, current) {
      signal.addEventListener('abort', () => current.log.push('abort'));
      current.log.push('started');
      try {
        for (;;) {
          current.produced += 1;
          yield current.produced;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      } finally {
        current.log.push('finally');
      }
    },
    *count() {
      yield* [1, { two: 'zwei ☂' }, 'drei\nvier'];
    },
    echo: ({ lastEventId }) => [lastEventId ?? 'none'],
    async *midway(_, current) {
      yield 1;
      await new Promise((resolve) => (current.emit = resolve));
      throw new Error('internal detail');
    },
    throws() {
      throw new Error('internal detail');
    },
    *large() {
      yield '☂'.repeat(400_000);
    },
  };

  function route(url: URL): {
    content: (given: Source) => AsyncIterable<unknown> | Iterable<unknown>;
    options: object;
  } {
    const current = run(url.searchParams.get('run') ?? '');
    const source = sources[url.pathname.slice(1)]!;
    const number = (name: string): number | undefined => {
      const value = url.searchParams.get(name);
      return value === null ? undefined : Number(value);
    };
    return {
      content(given) {
        current.log.push('called');
        return source(given, current);
      },
      options: {
        pingMs: number('pingMs'),
        stallTimeoutMs: number('stallTimeoutMs'),
        status: number('status'),
        failure: url.searchParams.get('failure') ?? undefined,
        comment: 'open',
        headers: { 'X-Option': 'set', 'cache-control': app.cacheControl },
        cookies: [
          { name: 'a', value: '1' },
          { name: 'b', value: 'ü', httpOnly: true, path: '/' },
        ],
        onClose: (end: StreamEnd) => void current.ends.push(end),
        onError: (error: unknown) => void current.errors.push(error),
      },
    };
  }

  const isFeed = (url: URL): boolean => url.pathname.startsWith('/events');
  /** Whether the handler starts only when its client has left. */
  const startsLate = (url: URL): boolean => {
    run(url.searchParams.get('run') ?? '').asked = true;
    return url.searchParams.has('late');
  };

  const app: App = {
    feed,
    cacheControl: 'no-cache, no-transform',
    run,
    node(req, res) {
      const url = new URL(req.url ?? '/', 'http://node.test');
      res.setHeader('x-before', 'kept');
      if (isFeed(url)) return feedHandler(req, res);
      const { content, options } = route(url);
      const send = (): void => sendEventStream(req, res, content, options);
      if (startsLate(url)) res.once('close', send);
      else send();
    },
    async fetch(request) {
      const url = new URL(request.url);
      if (isFeed(url)) return await feed.handle(request);
      if (startsLate(url)) await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
      const { content, options } = route(url);
      return eventStream(content, { request, ...options });
    },
  };
  return app;
}
