/** The connection of linefeedLink: one for all subscriptions, its liveness and its lifetime. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { pass, record, serve as serveRouter, until } from './kit.ts';
import { createCounter, createPaced, numbers, serve, t } from './routers.ts';

describe('one connection', () => {
  it('one connection carries all subscriptions of a client, and each of two equal ones has its own run', async () => {
    const counter = createCounter();
    const served = await serve(counter.router);
    const client = served.ours();
    const logs = Array.from({ length: 5 }, () => record<{ data: number }>());
    const subscriptions = logs.map(({ callbacks }) => client.count.subscribe(undefined, callbacks));
    await until(() => expect(logs.map(({ log }) => log.data.length)).toEqual([1, 1, 1, 1, 1]));
    expect(counter.runs).toBe(5);
    expect(served.requests).toHaveLength(1);
    expect(served.feed.stats().connections).toBe(1);
    const late = record<{ data: number }>();
    subscriptions.push(client.count.subscribe(undefined, late.callbacks));
    await until(() => expect(late.log.data).toHaveLength(1));
    expect(served.feed.stats().connections).toBe(1);
    subscriptions[0]!.unsubscribe();
    await until(() => expect(counter.aborted).toEqual([1]));
    counter.emitter.emit('next');
    await until(() => expect(numbers(logs[4]!.log.data)).toEqual([1, 2]));
    expect(numbers(logs[0]!.log.data)).toEqual([1]);
    for (const subscription of subscriptions) subscription.unsubscribe();
    await until(() => expect(served.feed.stats().connections).toBe(0));
  });

  it('a subscription delivers 1 to 20 in order, each once, across a restart of the server', async () => {
    const { router } = createPaced(20);
    const first = await serveRouter(router);
    const { log, callbacks } = record<{ data: number }>();
    first.ours().paced.subscribe(undefined, callbacks);
    await until(() => expect(log.data.length).toBeGreaterThan(5), 5_000);
    const port = Number(new URL(first.origin).port);
    await first.close();
    await serve(router, { port });
    await until(() => expect(log.calls.at(-1)).toBe('complete'), 10_000);
    expect(numbers(log.data)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(log.errors).toEqual([]);
  });
});

describe('liveness', () => {
  it('a subscription on a silent connection reconnects and resumes after the last id', async () => {
    const counter = createCounter();
    const served = await serve(counter.router, { feed: { pingMs: 50, timeoutMs: 300 } });
    const { log, callbacks } = record<{ data: number }>();
    const subscription = served.ours().count.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toHaveLength(1));
    served.silence();
    await until(() => expect(numbers(log.data)).toEqual([1, 2]), 5_000);
    expect(log.states[2]).toMatch(/^connecting \(No bytes arrived for /);
    subscription.unsubscribe();
  });

  it('pings keep a connection open when a generator yields nothing', async () => {
    const counter = createCounter();
    const served = await serve(counter.router, { feed: { pingMs: 50, timeoutMs: 1_000 } });
    const { log, callbacks } = record();
    const subscription = served.ours().count.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toHaveLength(1));
    await pass(1_500);
    expect(log.states).toEqual(['connecting', 'pending']);
    expect(counter.runs).toBe(1);
    subscription.unsubscribe();
  });
});

describe('maxDurationMs', () => {
  it('maxDurationMs aborts a generator that never yields, and the client reconnects', async () => {
    const aborted = vi.fn<() => void>();
    let runs = 0;
    const router = t.router({
      // oxlint-disable-next-line require-yield -- this source waits and yields nothing
      never: t.procedure.subscription(async function* ({ signal }): AsyncGenerator<number, void, void> {
        runs += 1;
        await new Promise((resolve) => signal!.addEventListener('abort', resolve));
        aborted();
      }),
    });
    const served = await serve(router, { feed: { maxDurationMs: 300, pingMs: 100 } });
    const { log, callbacks } = record();
    const subscription = served.ours().never.subscribe(undefined, callbacks);
    await until(() => expect(aborted).toHaveBeenCalled(), 3_000);
    await until(() => expect(runs).toBeGreaterThan(1), 3_000);
    expect(log.errors).toEqual([]);
    subscription.unsubscribe();
  });

  it('maxDurationMs causes no error and no loss: the client reconnects and resumes after the last id', async () => {
    const { router } = createPaced(60);
    const served = await serve(router, { feed: { maxDurationMs: 200, pingMs: 50 } });
    const { log, callbacks } = record<{ data: number }>();
    served.ours().paced.subscribe(undefined, callbacks);
    await until(() => expect(log.calls.at(-1)).toBe('complete'), 10_000);
    expect(numbers(log.data)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    expect(served.requests.length).toBeGreaterThan(2);
    expect(log.errors).toEqual([]);
  });

  it('maxDurationMs keeps no connection open after every subscription has ended', async () => {
    const { router } = createPaced(2);
    const served = await serve(router, { feed: { maxDurationMs: 60_000 } });
    const { log, callbacks } = record();
    served.ours().paced.subscribe(undefined, callbacks);
    await until(() => expect(log.calls.at(-1)).toBe('complete'));
    await until(() => expect(served.feed.stats().connections).toBe(0));
  });
});

describe('memory', () => {
  it('the server keeps no reference to a delivered value', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const refs: Array<WeakRef<object>> = [];
    // Not in the generator, whose own frame would hold it.
    const make = (n: number): { n: number } => {
      const value = { n };
      refs.push(new WeakRef(value));
      return value;
    };
    let go!: () => void;
    const router = t.router({
      items: t.procedure.subscription(async function* () {
        for (let n = 0; n < 3; n += 1) yield make(n);
        await new Promise<void>((resolve) => (go = resolve));
      }),
    });
    const served = await serve(router);
    let count = 0;
    const subscription = served.ours().items.subscribe(undefined, { onData: () => void (count += 1) });
    await until(() => expect(count).toBe(3));
    await until(() => {
      gc();
      expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
    });
    go();
    subscription.unsubscribe();
  });
});
