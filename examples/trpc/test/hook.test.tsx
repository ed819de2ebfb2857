/** useSubscription of @trpc/tanstack-react-query over linefeedLink, in a DOM without a browser. */
import { EventEmitter, on } from 'node:events';
import { QueryClient, skipToken } from '@tanstack/react-query';
import { initTRPC, tracked, TRPCError } from '@trpc/server';
import { observable } from '@trpc/server/observable';
import { createTRPCOptionsProxy, useSubscription } from '@trpc/tanstack-react-query';
import { Window } from 'happy-dom';
import { useState, type ReactNode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { serve as serveRouter, until, type Served } from './kit.ts';

const t = initTRPC.create({ isDev: false });
const emitter = new EventEmitter();
const ended: number[] = [];

const router = t.router({
  numbers: t.procedure.input(z.number()).subscription(async function* ({ input, signal }) {
    try {
      for await (const [value] of on(emitter, 'number', { signal: signal! })) yield (value as number) + input;
    } finally {
      ended.push(input);
    }
  }),
  ids: t.procedure.subscription(async function* ({ signal }) {
    yield tracked('1', 'one');
    await new Promise((resolve) => signal!.addEventListener('abort', resolve));
  }),
  few: t.procedure.subscription(async function* () {
    yield 1;
    yield 2;
  }),
  ticks: t.procedure.subscription(() => observable<number>((observer) => observer.next(7))),
  denied: t.procedure.subscription(() => {
    throw new TRPCError({ code: 'FORBIDDEN', message: 'not you' });
  }),
});

let served: Served<typeof router>;
let root: Root;
let container: Element;

beforeEach(async () => {
  const window = new Window();
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', window.document);
  container = window.document.body as unknown as Element;
  served = await serveRouter(router);
  root = createRoot(container);
});
afterEach(async () => {
  root.unmount();
  await until(() => expect(served.feed.stats().connections).toBe(0));
  await served.close();
  ended.length = 0;
});

/** The hook's options, over a client of our link. */
function createHooks() {
  return createTRPCOptionsProxy<typeof router>({ client: served.ours(), queryClient: new QueryClient() });
}

function show(node: ReactNode): void {
  root.render(node);
}

const text = (): string => container.textContent;

describe('useSubscription', () => {
  it('useSubscription goes from connecting to pending and shows yielded values', async () => {
    const trpc = createHooks();
    const states: string[] = [];
    function View() {
      const { data, status } = useSubscription(
        trpc.numbers.subscriptionOptions(10, {
          onConnectionStateChange: ({ state }) => void states.push(state),
        }),
      );
      return `${status} ${data}`;
    }
    show(<View />);
    await until(() => expect(text()).toBe('pending undefined'));
    await until(() => expect(emitter.listenerCount('number')).toBe(1));
    emitter.emit('number', 1);
    await until(() => expect(text()).toBe('pending 11'));
    served.cut();
    await until(() => expect(states).toEqual(['connecting', 'pending', 'connecting', 'pending']));
    expect(text()).toBe('pending 11');
  });

  it('useSubscription is idle after the server returns', async () => {
    const trpc = createHooks();
    const seen: number[] = [];
    function View() {
      const { status } = useSubscription(
        trpc.few.subscriptionOptions(undefined, { onData: (n) => void seen.push(n) }),
      );
      return status;
    }
    show(<View />);
    await until(() => expect(text()).toBe('idle'));
    expect(seen).toEqual([1, 2]);
  });

  it('useSubscription shows tracked ids and the values of observables', async () => {
    const trpc = createHooks();
    function View() {
      const ids = useSubscription(trpc.ids.subscriptionOptions());
      const ticks = useSubscription(trpc.ticks.subscriptionOptions());
      return `${ids.data?.id} ${ids.data?.data} ${ticks.data}`;
    }
    show(<View />);
    await until(() => expect(text()).toBe('1 one 7'));
  });

  it('useSubscription ends the old run when its input changes, and the last run when it is unmounted', async () => {
    const trpc = createHooks();
    let change!: (input: number) => void;
    function View() {
      const [input, setInput] = useState(1);
      change = setInput;
      const { data } = useSubscription(trpc.numbers.subscriptionOptions(input));
      return `${input} ${data}`;
    }
    show(<View />);
    await until(() => expect(emitter.listenerCount('number')).toBe(1));
    change(2);
    await until(() => expect(ended).toEqual([1]));
    await until(() => expect(emitter.listenerCount('number')).toBe(1));
    emitter.emit('number', 10);
    await until(() => expect(text()).toBe('2 12'));
    show(null);
    await until(() => expect(ended).toEqual([1, 2]));
    expect(emitter.listenerCount('number')).toBe(0);
  });

  it('useSubscription starts again after reset, and never starts with skipToken', async () => {
    const trpc = createHooks();
    let again!: () => void;
    function View() {
      const { reset, data } = useSubscription(trpc.numbers.subscriptionOptions(1));
      const skipped = useSubscription(trpc.numbers.subscriptionOptions(skipToken));
      again = reset;
      return `${data} ${skipped.status}`;
    }
    show(<View />);
    await until(() => expect(emitter.listenerCount('number')).toBe(1));
    emitter.emit('number', 1);
    await until(() => expect(text()).toBe('2 idle'));
    again();
    await until(() => expect(ended).toEqual([1]));
    await until(() => expect(text()).toBe('undefined idle'));
    await until(() => expect(emitter.listenerCount('number')).toBe(1));
    emitter.emit('number', 2);
    await until(() => expect(text()).toBe('3 idle'));
  });

  it('useSubscription shows the error that ended the subscription', async () => {
    const trpc = createHooks();
    function View() {
      const { status, error } = useSubscription(trpc.denied.subscriptionOptions());
      return `${status} ${error?.data?.code} ${error?.message}`;
    }
    show(<View />);
    await until(() => expect(text()).toBe('error FORBIDDEN not you'));
  });

  it('useSubscription renders only for the properties that a component reads', async () => {
    const trpc = createHooks();
    let renders = 0;
    const seen: number[] = [];
    function View() {
      renders += 1;
      const { status } = useSubscription(
        trpc.numbers.subscriptionOptions(0, { onData: (n) => void seen.push(n) }),
      );
      return status;
    }
    show(<View />);
    await until(() => expect(text()).toBe('pending'));
    await until(() => expect(emitter.listenerCount('number')).toBe(1));
    const before = renders;
    for (const n of [1, 2, 3]) emitter.emit('number', n);
    await until(() => expect(seen).toEqual([1, 2, 3]));
    expect(renders).toBe(before);
  });
});
