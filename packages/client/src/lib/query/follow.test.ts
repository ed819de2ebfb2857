// @vitest-environment happy-dom
import { defineChannel, topic } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import {
  notifyManager,
  QueryClient,
  QueryClientProvider,
  QueryObserver,
  queryOptions,
  useQuery,
} from '@tanstack/react-query';
import { act, createElement as h } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { mount } from '../../../test/page.ts';
import { createScript } from '../../../test/scripted-transport.ts';
import type { Client } from '../client.ts';
import { followQuery, useFollow } from './follow.ts';

const board = defineChannel({
  word: z.string(),
  room: topic({ params: z.object({ name: z.string() }), data: z.string() }),
});
type Board = typeof board;

interface Words {
  readonly cursor: string;
  readonly words: readonly string[];
}

const reduce = ({ words }: Words, word: string) => ({ words: [...words, word] });

// Else components hear of a change by a timer.
notifyManager.setScheduler(queueMicrotask);

const queryClients: QueryClient[] = [];

afterEach(() => {
  for (const queryClient of queryClients.splice(0)) queryClient.clear();
});

/** A query whose fetches are answered by the test, watched as a component watches it, and a scripted client. */
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
  it('subscribes once the state is there, from its cursor, and applies what comes', async () => {
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
    expect(queryClient.getQueryData(query.queryKey)).toEqual({ cursor: 'e.8', words: ['a', 'b', 'c'] });
    stop();
    unobserve();
    script.last().send('word', 'd', 'e.9.8');
    expect(words()).toBe('a b c');
    client.close();
  });

  it('goes on behind the last event that the cache holds', async () => {
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

  it('takes a state that was fetched anew for what it says, and drops what it holds already', async () => {
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

  it('asks again for what a fetched state does not hold yet, though it was applied to the one before', async () => {
    const { script, queryClient, query, answer, words, end } = await follow();
    void queryClient.invalidateQueries(query);
    await script.settle();
    script.last().send('word', 'b', 'e.6.0');
    expect(words()).toBe('a b');
    // It was read before the event, and comes behind it.
    await answer('e.5', 'a');
    expect(words()).toBe('a');
    expect(script.controls).toEqual([
      expect.objectContaining({ add: [expect.objectContaining({ address: 'word', from: 'e.5' })] }),
    ]);
    end();
  });

  it('asks again where an optimistic change is taken back', async () => {
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

  it('applies an event once, however many follow the same query', async () => {
    const { script, client, queryClient, query, words, end } = await follow();
    const stop = followQuery(queryClient, client, 'word', { query, reduce });
    await script.settle();
    script.last().subscribed('word', 5, { key: '2', n: 1 });
    script.last().send('word', 'b', 'e.6.0');
    expect(words()).toBe('a b');
    stop();
    end();
  });

  it('stops when the state is removed', async () => {
    const { script, queryClient, query, words, end } = await follow();
    void queryClient.resetQueries({ queryKey: query.queryKey });
    await script.settle();
    script.last().send('word', 'b', 'e.6.0');
    expect(words()).toBeUndefined();
    end();
  });
});

describe('a gap', () => {
  const gap = { address: 'word', from: 'e.5', to: 'e.9', reason: 'trimmed' };

  it('fetches the state, and follows from its cursor', async () => {
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
    // What came meanwhile was received already.
    expect(script.controls).toEqual([]);
    expect(script.attempts).toHaveLength(1);
    end();
  });

  it('leaves the old state as it is where the fetch fails, until one succeeds', async () => {
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

describe('useFollow', () => {
  it('follows while it is mounted, once also in StrictMode, and hands the signal to the fetch', async () => {
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
    // Twice for once: StrictMode.
    expect(renders).toBe(2);
    await page.show(wrap(false));
    await act(async () => await script.clock.advance(1_000));
    expect(script.client.connection.getSnapshot().state).toBe('idle');
    await page[Symbol.asyncDispose]();
  });

  it('aborts a fetch that nobody waits for any more', async () => {
    const { client, queryClient, query, fetches } = start();
    const Component = () => {
      useFollow(client, 'word', { query, reduce });
      return useQuery(query).status;
    };
    const page = await mount(h(QueryClientProvider, { client: queryClient }, h(Component)));
    await page[Symbol.asyncDispose]();
    expect(fetches[0]!.signal.aborted).toBe(true);
  });

  it('opens nothing on the server', async () => {
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
