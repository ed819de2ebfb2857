// @vitest-environment happy-dom
import { defineChannel, topic } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import {
  dehydrate,
  hydrate,
  notifyManager,
  QueryClient,
  QueryClientProvider,
  QueryObserver,
  queryOptions,
  useQuery,
} from '@tanstack/react-query';
import { act, createElement as h } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { mount } from '../../../test/page.ts';
import { createScript, type Script } from '../../../test/scripted-client.ts';
import type { Client } from '../client/client.ts';
import { followQuery, useFollow } from './follow.ts';

const board = defineChannel({
  word: z.string(),
  room: topic({ params: z.object({ name: z.string(), wing: z.string().default('west') }), data: z.string() }),
});
type Board = typeof board;

interface Words {
  readonly cursor: string;
  readonly words: readonly string[];
}

const reduce = ({ words }: Words, word: string) => ({ words: [...words, word] });

// The default scheduler notifies components in a timer.
notifyManager.setScheduler(queueMicrotask);

const queryClients: QueryClient[] = [];

afterEach(() => {
  for (const queryClient of queryClients.splice(0)) queryClient.clear();
});

/** Creates a query that is observed like in a component, with fetches that the test answers, and a scripted client. */
function start() {
  const script = createScript();
  const client = script.client as Client<Board>;
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false, gcTime: Infinity } } });
  queryClients.push(queryClient);
  const fetches: Array<PromiseWithResolvers<Words> & { readonly signal: AbortSignal }> = [];
  const query = queryOptions({
    queryKey: ['words'],
    queryFn: async ({ signal }) => {
      const fetched = { ...Promise.withResolvers<Words>(), signal };
      fetches.push(fetched);
      return await fetched.promise;
    },
    staleTime: Infinity,
  });
  const observe = () => new QueryObserver(queryClient, query).subscribe(() => {});
  const answer = async (cursor: string, ...words: string[]) => {
    fetches.at(-1)!.resolve({ cursor, words });
    await script.settle();
  };
  const words = () => queryClient.getQueryData(query.queryKey)?.words.join(' ');
  return { script, client, queryClient, query, fetches, observe, answer, words };
}

/** Follows the state of the first fetch, at e.5, on an open connection. */
async function follow() {
  const scene = start();
  const { script, client, queryClient, query } = scene;
  const stop = followQuery(queryClient, client, 'word', { query, reduce });
  const unobserve = scene.observe();
  await scene.answer('e.5', 'a');
  script.last().hello('e.5');
  script.last().subscribed('word', 5);
  return {
    ...scene,
    end() {
      stop();
      unobserve();
      client.close();
    },
  };
}

describe('followQuery', () => {
  it('followQuery subscribes from the cursor of the state once it is fetched, and applies later events', async () => {
    const { script, client, queryClient, query, observe, answer, words } = start();
    const stop = followQuery(queryClient, client, 'word', { query, reduce });
    const unobserve = observe();
    await script.settle();
    expect(script.attempts).toHaveLength(0);
    await answer('e.5', 'a');
    expect(script.last().opening.entries).toEqual([{ address: 'word', key: '1', from: 'e.5' }]);
    script.last().hello('e.5');
    script.last().subscribed('word', 5);
    script.last().send('word', 'b', 'e.6.0');
    script.last().send('word', 'c', 'e.8.6');
    expect(queryClient.getQueryData(query.queryKey)).toEqual({
      cursor: 'e.5',
      cursorByAddress: { word: 'e.8' },
      words: ['a', 'b', 'c'],
    });
    stop();
    unobserve();
    script.last().send('word', 'd', 'e.9.8');
    expect(words()).toBe('a b c');
    client.close();
  });

  it('followQuery resumes after the last event that is in the cache', async () => {
    const { script, client, queryClient, query, end } = await follow();
    script.last().send('word', 'b', 'e.6.0');
    end();
    await script.settle();
    const { client: other, script: otherScript } = start();
    const stop = followQuery(queryClient, other, 'word', { query, reduce });
    await otherScript.settle();
    expect(otherScript.last().opening.entries).toEqual([expect.objectContaining({ from: 'e.6' })]);
    stop();
    client.close();
    other.close();
  });

  it('followQuery replaces the state with a refetched one, and drops events that it already contains', async () => {
    const { script, queryClient, query, answer, words, end } = await follow();
    void queryClient.invalidateQueries(query);
    await answer('e.7', 'a', 'b', 'c');
    script.last().send('word', 'b', 'e.6.0');
    script.last().send('word', 'c', 'e.7.6');
    script.last().send('word', 'd', 'e.8.7');
    expect(words()).toBe('a b c d');
    expect(script.controls).toEqual([]);
    expect(script.attempts).toHaveLength(1);
    end();
  });

  it('followQuery requests events again that the earlier state had and a refetched state does not contain', async () => {
    const { script, queryClient, query, answer, words, end } = await follow();
    void queryClient.invalidateQueries(query);
    await script.settle();
    script.last().send('word', 'b', 'e.6.0');
    expect(words()).toBe('a b');
    // The state was read before the event, and the response arrives after it.
    await answer('e.5', 'a');
    expect(words()).toBe('a');
    expect(script.controls).toEqual([
      expect.objectContaining({ add: [expect.objectContaining({ address: 'word', from: 'e.5' })] }),
    ]);
    end();
  });

  it('followQuery requests events again when an optimistic update is rolled back', async () => {
    const { script, queryClient, query, words, end } = await follow();
    const before = queryClient.getQueryData(query.queryKey);
    queryClient.setQueryData(query.queryKey, (state) => state && { ...state, words: [...state.words, '?'] });
    script.last().send('word', 'b', 'e.6.0');
    expect(words()).toBe('a ? b');
    queryClient.setQueryData(query.queryKey, before);
    await script.settle();
    expect(words()).toBe('a');
    expect(script.controls).toEqual([
      expect.objectContaining({ add: [expect.objectContaining({ address: 'word', from: 'e.5' })] }),
    ]);
    end();
  });

  it('followQuery applies an event once when several followers share a query', async () => {
    const { script, client, queryClient, query, words, end } = await follow();
    const stop = followQuery(queryClient, client, 'word', { query, reduce });
    await script.settle();
    script.last().subscribed('word', 5, { key: '2', n: 1 });
    script.last().send('word', 'b', 'e.6.0');
    expect(words()).toBe('a b');
    stop();
    end();
  });

  it('followQuery stops when the state is removed', async () => {
    const { script, queryClient, query, words, end } = await follow();
    void queryClient.resetQueries({ queryKey: query.queryKey });
    await script.settle();
    script.last().send('word', 'b', 'e.6.0');
    expect(words()).toBeUndefined();
    end();
  });
});

it('a state without a cursor is reported once on the console, and nothing is subscribed', async () => {
  const complaints = vi.spyOn(console, 'error').mockImplementation(() => {});
  const { script, client, queryClient, query } = start();
  const stop = followQuery(queryClient, client, 'word', { query, reduce });
  for (const words of [['a'], ['b']]) queryClient.setQueryData(query.queryKey, { words } as never);
  await script.settle();
  expect(complaints.mock.calls).toEqual([
    [expect.stringContaining('["words"] has no cursor, so word is not followed')],
  ]);
  expect(script.attempts).toHaveLength(0);
  stop();
  complaints.mockRestore();
});

describe('several addresses that update one state', () => {
  const froms = ({ last }: Script) => last().opening.entries.map(({ address, from }) => `${address} ${from}`);

  /** Follows both addresses from e.5. The log has `word` at 6 and 8, and `room` at 7 and 9. */
  async function followBoth() {
    const scene = await follow();
    const { script, client, queryClient, query, end } = scene;
    const room = () => followQuery(queryClient, client, 'room', { params: { name: 'x' }, query, reduce });
    const stop = room();
    await script.settle();
    script.last().subscribed('room?name=x', 5, { key: '2', n: 1 });
    return {
      ...scene,
      room,
      leave: stop,
      end() {
        stop();
        end();
      },
    };
  }

  it('each address of a followed state applies the events past its own position', async () => {
    const { script, words, end } = await followBoth();
    script.last().send('word', 'b', 'e.6.0');
    script.last().send('word', 'd', 'e.8.6');
    // The server replays one address after the other.
    script.last().send('room?name=x', 'c', 'e.7.0');
    script.last().send('room?name=x', 'e', 'e.9.7');
    script.last().send('word', 'd', 'e.8.6');
    expect(words()).toBe('a b d c e');
    expect(script.controls).toHaveLength(1);
    end();
  });

  it('an address that joins a followed state starts at the cursor of the fetch', async () => {
    const { script, client, queryClient, query, end } = await follow();
    script.last().send('word', 'b', 'e.6.0');
    const stop = followQuery(queryClient, client, 'room', { params: { name: 'x' }, query, reduce });
    await script.settle();
    expect(script.controls[0]?.add).toEqual([
      expect.objectContaining({ address: 'room?name=x', from: 'e.5' }),
    ]);
    stop();
    end();
  });

  it('an address that rejoins a followed state resumes after its own last event', async () => {
    const { script, client, room, leave, words, end } = await followBoth();
    script.last().send('room?name=x', 'b', 'e.6.0');
    leave();
    await script.clock.advance(1_000);
    script.last().send(FRAME.end, { address: 'room?name=x', n: 2 });
    script.last().send('word', 'c', 'e.8.0');
    const stop = room();
    await script.settle();
    expect(script.controls.at(-1)?.add).toEqual([
      expect.objectContaining({ address: 'room?name=x', from: 'e.6' }),
    ]);
    expect(words()).toBe('a b c');
    stop();
    end();
    expect(client.connection.getSnapshot().state).toBe('closed');
  });

  it('each address of a hydrated state resumes after its own last event', async () => {
    const { script, queryClient, query, end } = await followBoth();
    script.last().send('word', 'b', 'e.6.0');
    script.last().send('room?name=x', 'c', 'e.7.0');
    end();
    const { script: otherScript, client: other, queryClient: otherQueries } = start();
    hydrate(otherQueries, JSON.parse(JSON.stringify(dehydrate(queryClient))));
    const stop = followQuery(otherQueries, other, 'word', { query, reduce });
    const stopRoom = followQuery(otherQueries, other, 'room', { params: { name: 'x' }, query, reduce });
    const stopNew = followQuery(otherQueries, other, 'room', { params: { name: 'y' }, query, reduce });
    await otherScript.settle();
    expect(froms(otherScript)).toEqual(['word e.6', 'room?name=x e.7', 'room?name=y e.5']);
    for (const each of [stop, stopRoom, stopNew]) each();
    other.close();
  });

  it('two addresses that the server gives one event name apply an event once', async () => {
    const { script, client, queryClient, query, words, end } = await follow();
    const stops = [{ name: 'x' }, { name: 'x', wing: 'west' }].map((params) =>
      followQuery(queryClient, client, 'room', { params, query, reduce }),
    );
    await script.settle();
    const event = 'room?name=x&wing=west';
    script.last().subscribed('room?name=x', 5, { key: '2', n: 1, event });
    script.last().subscribed(event, 5, { key: '3', n: 1 });
    script.last().send(event, 'b', 'e.6.0');
    script.last().send(event, 'c', 'e.7.6');
    expect(words()).toBe('a b c');
    for (const stop of stops) stop();
    end();
  });

  it('each address resumes from its own position in the state that a rollback restores', async () => {
    const { script, queryClient, query, words, end } = await followBoth();
    script.last().send('word', 'b', 'e.6.0');
    const before = queryClient.getQueryData(query.queryKey);
    script.last().send('room?name=x', 'c', 'e.7.0');
    script.last().send('word', 'd', 'e.8.6');
    queryClient.setQueryData(query.queryKey, before);
    await script.settle();
    expect(words()).toBe('a b');
    expect(script.controls.at(-1)?.add).toEqual([
      expect.objectContaining({ address: 'word', from: 'e.6' }),
      expect.objectContaining({ address: 'room?name=x', from: 'e.5' }),
    ]);
    end();
  });

  it('a gap of one address keeps the query stale until a fetch succeeds, while another address continues', async () => {
    const { script, queryClient, query, fetches, answer, words, end } = await followBoth();
    script.last().send(FRAME.gap, { address: 'word', from: 'e.5', to: 'e.9', reason: 'trimmed' });
    await script.settle();
    fetches.at(-1)!.reject(new Error('down'));
    await script.settle();
    script.last().send('room?name=x', 'b', 'e.10.0');
    expect(words()).toBe('a b');
    // The query is stale, so the next refetch of stale queries includes it.
    expect(queryClient.getQueryState(query.queryKey)).toMatchObject({ isInvalidated: true });
    void queryClient.refetchQueries({ queryKey: query.queryKey, stale: true });
    await answer('e.12', 'x');
    expect(script.controls.at(-1)?.add).toEqual([expect.objectContaining({ address: 'word', from: 'e.12' })]);
    script.last().subscribed('word', 12, { key: '3', n: 2 });
    script.last().send('word', 'y', 'e.13.9');
    script.last().send('room?name=x', 'z', 'e.14.10');
    expect(words()).toBe('x y z');
    end();
  });
});

it('a followed address named like a property of every object starts at the cursor of the fetch', async () => {
  const { script, client, queryClient, query } = await follow();
  script.last().send('word', 'b', 'e.6.0');
  await script.settle();
  // `constructor` is a topic of that name in a channel.
  const stop = followQuery(queryClient, client, 'constructor' as 'word', { query, reduce });
  await script.settle();
  expect(script.controls.at(-1)!.add).toMatchObject([{ address: 'constructor', from: 'e.5' }]);
  stop();
});

describe('followQuery at a gap', () => {
  const gap = { address: 'word', from: 'e.5', to: 'e.9', reason: 'trimmed' };

  it('a gap refetches the state, and later events follow from its cursor', async () => {
    const { script, fetches, answer, words, end } = await follow();
    script.last().send(FRAME.gap, gap);
    script.last().send('word', 'x', 'e.10');
    await script.settle();
    expect(fetches).toHaveLength(2);
    expect(words()).toBe('a');
    await answer('e.10', 'a', 'x');
    expect(words()).toBe('a x');
    script.last().send('word', 'y', 'e.11.10');
    expect(words()).toBe('a x y');
    // The later events were already received.
    expect(script.controls).toEqual([]);
    expect(script.attempts).toHaveLength(1);
    end();
  });

  it('a gap leaves the old state unchanged until a refetch succeeds', async () => {
    const { script, queryClient, query, fetches, answer, words, end } = await follow();
    script.last().send(FRAME.gap, gap);
    await script.settle();
    fetches.at(-1)!.reject(new Error('down'));
    await script.settle();
    script.last().send('word', 'x', 'e.10');
    await script.settle();
    expect(words()).toBe('a');
    expect(queryClient.getQueryState(query.queryKey)).toMatchObject({ status: 'error', isInvalidated: true });
    expect(script.controls).toEqual([]);
    void queryClient.refetchQueries(query);
    await answer('e.12', 'a', 'x', 'y');
    expect(words()).toBe('a x y');
    expect(script.controls.at(-1)?.add).toEqual([expect.objectContaining({ from: 'e.12' })]);
    end();
  });
});

describe('a state that is fetched after a gap', () => {
  const gap = { address: 'word', from: 'e.5', to: 'e.9', reason: 'trimmed' };

  it.each(['e.5', 'e.8', 'zzz.1'])(
    'a refetched state with cursor %s is followed from the end of the gap',
    async (cursor) => {
      const { script, queryClient, query, fetches, answer, words, end } = await follow();
      script.last().send(FRAME.gap, gap);
      await script.settle();
      await answer(cursor, 'a', 'x');
      expect(queryClient.getQueryData(query.queryKey)?.cursor).toBe(cursor);
      expect(script.controls).toEqual([
        expect.objectContaining({ add: [expect.objectContaining({ address: 'word', from: 'e.9' })] }),
      ]);
      script.last().subscribed('word', 9, { key: '2', n: 1 });
      script.last().send('word', 'y', 'e.10.9');
      expect(words()).toBe('a x y');
      expect(fetches).toHaveLength(2);
      end();
    },
  );

  it('a refetched state is followed from the end of each gap when several addresses had one', async () => {
    const { script, client, queryClient, query, fetches, answer, words, end } = await follow();
    const stop = followQuery(queryClient, client, 'room', { params: { name: 'x' }, query, reduce });
    await script.settle();
    script.last().subscribed('room?name=x', 5, { key: '2', n: 1 });
    script.last().send(FRAME.gap, gap);
    script.last().send(FRAME.gap, { ...gap, address: 'room?name=x', to: 'e.8' });
    await script.settle();
    // The second fetch started before the second gap.
    expect(fetches.map(({ signal }) => signal.aborted)).toEqual([false, true, false]);
    await answer('zzz.1', 'a', 'x');
    expect(script.controls.slice(1)).toEqual([
      expect.objectContaining({
        add: [
          expect.objectContaining({ address: 'word', from: 'e.9' }),
          expect.objectContaining({ address: 'room?name=x', from: 'e.8' }),
        ],
      }),
    ]);
    expect(queryClient.getQueryState(query.queryKey)).toMatchObject({ isInvalidated: false });
    expect(words()).toBe('a x');
    expect(fetches).toHaveLength(3);
    stop();
    end();
  });

  it('a gap keeps the query stale when an optimistic update replaces the refetch', async () => {
    const { script, queryClient, query, fetches, answer, words, end } = await follow();
    script.last().send(FRAME.gap, gap);
    await script.settle();
    await queryClient.cancelQueries({ queryKey: query.queryKey });
    queryClient.setQueryData(query.queryKey, (state) => state && { ...state, words: [...state.words, '?'] });
    expect(queryClient.getQueryState(query.queryKey)).toMatchObject({
      fetchStatus: 'idle',
      isInvalidated: true,
    });
    void queryClient.refetchQueries({ queryKey: query.queryKey, stale: true });
    await script.settle();
    expect(fetches).toHaveLength(3);
    await answer('e.9', 'a', 'x');
    expect(words()).toBe('a x');
    expect(script.controls.at(-1)?.add).toEqual([expect.objectContaining({ from: 'e.9' })]);
    end();
  });

  it('a state that replaces a removed one after a gap is followed from its cursor', async () => {
    const { script, queryClient, query, end } = await follow();
    script.last().send(FRAME.gap, gap);
    await script.settle();
    queryClient.removeQueries({ queryKey: query.queryKey });
    queryClient.setQueryData(query.queryKey, { cursor: 'e.12', words: ['x'] });
    await script.settle();
    expect(script.controls.at(-1)?.add).toEqual([expect.objectContaining({ from: 'e.12' })]);
    end();
  });

  it('a state whose fetch began before the gap is followed from its own cursor', async () => {
    const { script, queryClient, query, fetches } = start();
    queryClient.setQueryData(query.queryKey, { cursor: 'e.5', words: ['a'] });
    const stop = followQuery(queryClient, script.client as Client<Board>, 'word', { query, reduce });
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('word', 5);
    // The query has no observer, so a running fetch is not cancelled.
    void queryClient.prefetchQuery({ ...query, staleTime: 0 });
    await script.settle();
    script.last().send(FRAME.gap, gap);
    await script.settle();
    fetches[0]!.resolve({ cursor: 'e.5', words: ['old'] });
    await script.settle();
    expect(fetches).toHaveLength(1);
    expect(script.controls.at(-1)?.add).toEqual([expect.objectContaining({ address: 'word', from: 'e.5' })]);
    stop();
    script.client.close();
  });
});

describe('useFollow', () => {
  it('useFollow subscribes once in StrictMode, passes the signal to the fetch, and unsubscribes when disabled', async () => {
    const { script, client, queryClient, query, fetches, answer } = start();
    let renders = 0;
    const Component = ({ enabled = true }) => {
      renders += 1;
      const { data } = useQuery(query, queryClient);
      useFollow(client, 'word', {
        query,
        enabled,
        reduce: (state, word) => ({ words: [...state.words, word] }),
      });
      return data?.words.join(' ') ?? 'loading';
    };
    const wrap = (enabled: boolean) =>
      h(QueryClientProvider, { client: queryClient }, h(Component, { enabled }));
    const page = await mount(wrap(true), { strict: true });
    expect(page.text()).toBe('loading');
    expect(fetches.at(-1)!.signal.aborted).toBe(false);
    await act(async () => await answer('e.5', 'a'));
    expect(page.text()).toBe('a');
    expect(script.attempts).toHaveLength(1);
    expect(script.last().opening.entries).toHaveLength(1);
    await act(async () => {
      script.last().hello('e.5');
      script.last().subscribed('word', 5);
      await script.settle();
    });
    renders = 0;
    await act(async () => {
      script.last().send('word', 'b', 'e.6.0');
      script.last().send('word', 'c', 'e.7.6');
    });
    expect(page.text()).toBe('a b c');
    // StrictMode renders twice.
    expect(renders).toBe(2);
    await page.show(wrap(false));
    await act(async () => await script.clock.advance(1_000));
    expect(script.client.connection.getSnapshot().state).toBe('idle');
    await page[Symbol.asyncDispose]();
  });

  it('the pending fetch of a followed query is aborted when its component is unmounted', async () => {
    const { client, queryClient, query, fetches } = start();
    const Component = () => {
      useFollow(client, 'word', { query, reduce });
      return useQuery(query).status;
    };
    const page = await mount(h(QueryClientProvider, { client: queryClient }, h(Component)));
    await page[Symbol.asyncDispose]();
    expect(fetches[0]!.signal.aborted).toBe(true);
  });

  it('useFollow reports a closed client on the console, and the page stays rendered', async () => {
    const complaints = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { client, queryClient, query } = start();
    client.close();
    queryClient.setQueryData(query.queryKey, { cursor: 'e.5', words: ['a'] });
    const Component = () => {
      useFollow(client, 'word', { query, reduce });
      return useQuery(query).data?.words[0];
    };
    await using page = await mount(h(QueryClientProvider, { client: queryClient }, h(Component)));
    queryClient.setQueryData(query.queryKey, { cursor: 'e.6', words: ['b'] });
    await act(async () => {});
    expect(page.text()).toBe('b');
    expect(complaints.mock.calls).toEqual([[expect.objectContaining({ code: 'closed' })]]);
  });

  it('useFollow opens no connection during server rendering', async () => {
    const { script, client, queryClient, query } = start();
    queryClient.setQueryData(query.queryKey, { cursor: 'e.5', words: ['a'] });
    const Component = () => {
      useFollow(client, 'word', { query, reduce });
      return useQuery(query).data?.words[0];
    };
    expect(renderToString(h(QueryClientProvider, { client: queryClient }, h(Component)))).toBe('a');
    await script.settle();
    expect(script.attempts).toHaveLength(0);
  });
});
