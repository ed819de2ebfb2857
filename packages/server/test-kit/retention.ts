/** Opens, changes and closes connections in a separate process, and prints how many request stores are retained. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { defineChannel, stream } from '@linefeed/shared';
import { toHttpRequest } from '../src/lib/adapters/fetch.ts';
import { createFeed } from '../src/index.ts';
import { Tap } from './tap.ts';
import { respond } from '../src/lib/http/http.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const storage = new AsyncLocalStorage<object>();
const anything = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const;

const feed = createFeed(defineChannel({ count: stream({ data: anything }) }), {
  authorize: () => true,
  streams: {
    async *count({ signal }) {
      yield 1;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  },
});

// Node loads its own classes on first use, and that setup retains the current store.
const request = new Request('http://localhost/events/count');

async function open(store: object): Promise<Tap> {
  return storage.run(store, async () => {
    const answer = await respond(feed, toHttpRequest(request));
    const tap = new Tap();
    if (typeof answer?.body === 'function') answer.body(tap);
    return tap;
  });
}

/** Removes a subscription that does not exist: the request is applied, and changes nothing. */
async function change({ frames }: Tap, store: object): Promise<void> {
  const { connection } = frames[0]!.data as { connection: string };
  const body = JSON.stringify({ connection, n: 1, remove: ['count~none'] });
  const post = new Request('http://localhost/events', { method: 'POST', body });
  const answer = await storage.run(store, () => respond(feed, toHttpRequest(post)));
  if (answer?.status !== 202) throw new Error(`Not applied: ${answer?.status}`);
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 10));
  collect();
}

/** The first connection sets up the shared state of the feed, and the last one keeps that state in use. */
async function openAndLeave(count: number): Promise<{ left: Array<WeakRef<object>>; last: Tap }> {
  const stores = Array.from({ length: count }, () => ({}));
  const taps = await Promise.all(stores.map(open));
  const last = await open({});
  await turn();
  for (const tap of taps) tap.leave();
  const changing = {};
  await change(last, changing);
  return { left: [...stores, changing].map((store) => new WeakRef(store)), last };
}

const { left, last } = await openAndLeave(5);
for (let count = 0; count < 5; count += 1) await turn();
console.log(`${left.filter((reference) => reference.deref() !== undefined).length} stores are retained`);
last.leave();
await feed.close();
