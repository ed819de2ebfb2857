import { defineChannel, type LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createScript, type Script } from '../../../test/scripted-client.ts';
import { createScriptTransport } from '../../../test/scripted-transport.ts';
import { stubPage } from '../../../test/stub-page.ts';
import { createClient, type ClientOptions } from '../client/client.ts';
import { createManualClock } from '../base/clock.ts';
import { persistCursor, toOpenPersistence, toPersist, type Persistence } from './persist.ts';
import type { SubscriptionOptions } from './subscription.ts';

afterEach(() => vi.unstubAllGlobals());

interface Handling {
  readonly script: Script;
  readonly log: unknown[];
  /** Ends the running handler. */
  finish: (error?: unknown) => void;
  readonly send: (...positions: number[]) => void;
}

/** Creates a subscription whose handler ends when the test calls `finish`. */
async function handle(
  options: SubscriptionOptions = {},
  client: Partial<ClientOptions> = {},
): Promise<Handling> {
  const script = createScript(client);
  const log: unknown[] = [];
  const handling: Handling = {
    script,
    log,
    finish: () => {},
    send(...positions) {
      for (const position of positions) script.last().send('a', position, `e.${position}.${position - 1}`);
    },
  };
  script.client.subscribe(
    'a',
    (payload: unknown) => {
      log.push(payload);
      return new Promise<void>((resolve, reject) => {
        handling.finish = (error) => (error === undefined ? resolve() : reject(error));
      });
    },
    options,
  );
  await script.settle();
  script.last().hello('e.0');
  script.last().subscribed('a', 0);
  return handling;
}

describe('handlers', () => {
  it('a subscription runs its handler for one event at a time', async () => {
    const handling = await handle();
    const { log, send, script } = handling;
    send(1, 2);
    await script.settle();
    expect(log).toEqual([1]);
    handling.finish();
    await script.settle();
    expect(log).toEqual([1, 2]);
  });

  it('a slow handler does not delay the handlers of other addresses', async () => {
    const { script, log, send } = await handle();
    const other: unknown[] = [];
    script.client.subscribe('b', (payload: unknown) => other.push(payload));
    await script.settle();
    script.last().subscribed('b', 0, { n: 1 });
    send(1, 2);
    script.last().send('b', 'x', 'e.3.0');
    script.last().send('b', 'y', 'e.4.3');
    expect(log).toEqual([1]);
    expect(other).toEqual(['x', 'y']);
  });

  it('the committed cursor stops before the first event that is not settled', async () => {
    const handling = await handle();
    const { script, send } = handling;
    script.client.subscribe('b', () => {});
    await script.settle();
    script.last().subscribed('b', 0, { n: 1 });
    expect(script.client.cursor).toBe('e.0');
    send(1);
    script.last().send('b', 'x', 'e.2.0');
    script.last().send('a', 3, 'e.3.1');
    await script.settle();
    expect(script.client.cursor).toBe('e.0');
    handling.finish();
    await script.settle();
    expect(script.client.cursor).toBe('e.2');
    handling.finish();
    await script.settle();
    expect(script.client.cursor).toBe('e.3');
  });

  it('unsubscribing settles the events that wait for the handler', async () => {
    const handling = await handle();
    const { script, send, log } = handling;
    const stop = script.client.subscribe('a', () => new Promise(() => {}));
    send(1, 2);
    handling.finish();
    await script.settle();
    handling.finish();
    await script.settle();
    expect(script.client.cursor).toBe('e.0');
    stop();
    await script.settle();
    expect(log).toEqual([1, 2]);
    expect(script.client.cursor).toBe('e.2');
  });

  it('a handler that throws or rejects is reported, and the next event is delivered', async () => {
    const handling = await handle();
    const { script, send, log } = handling;
    send(1, 2);
    handling.finish(new Error('mine'));
    await script.settle();
    expect(log).toEqual([1, 2]);
    expect(script.errors).toMatchObject([{ code: 'handler_failed', cause: { message: 'mine' } }]);
    expect(script.client.cursor).toBe('e.1');
  });

  it('onHandlerError retry calls a failed handler three more times, after 1, 2 and 4 s', async () => {
    const errors: unknown[] = [];
    const handling = await handle({ onHandlerError: 'retry', onError: (error) => errors.push(error) });
    const { script, send, log } = handling;
    send(1, 2);
    for (const waitMs of [1_000, 2_000, 4_000]) {
      handling.finish(new Error('mine'));
      await script.clock.advance(waitMs - 1);
      const tries = log.length;
      await script.clock.advance(1);
      expect(log.length).toBe(tries + 1);
      expect(script.client.cursor).toBe('e.0');
    }
    handling.finish(new Error('mine'));
    await script.settle();
    expect(log).toEqual([1, 1, 1, 1, 2]);
    expect(errors).toHaveLength(4);
    expect(script.errors).toEqual([]);
  });

  it('onHandlerError stop ends the subscription when its handler fails', async () => {
    const handling = await handle({ onHandlerError: 'stop' });
    const { script, send, log } = handling;
    send(1, 2);
    handling.finish(new Error('mine'));
    await script.clock.advance(1_000);
    expect(log).toEqual([1]);
    expect(script.client.cursor).toBe('e.2');
    expect(script.client.connection.getSnapshot().state).toBe('idle');
  });

  it('a handler that waits for its retry leaves no timer when the client is closed', async () => {
    const handling = await handle({ onHandlerError: 'retry' });
    handling.send(1);
    handling.finish(new Error('mine'));
    await handling.script.settle();
    handling.script.client.close();
    expect(handling.script.clock.pending).toBe(0);
    expect(handling.log).toEqual([1]);
  });

  it('a handler that fails after its subscription has ended is not retried', async () => {
    const handling = await handle({ onHandlerError: 'retry' });
    handling.send(1);
    handling.script.client.close();
    handling.finish(new Error('mine'));
    await handling.script.settle();
    expect(handling.script.clock.pending).toBe(0);
    expect(handling.script.errors).toMatchObject([{ code: 'handler_failed' }]);
  });

  it('queued events are settled without a handler call when the client is closed during a retry wait', async () => {
    const handling = await handle({ onHandlerError: 'retry' });
    const { script, send, log } = handling;
    send(1, 2);
    handling.finish(new Error('mine'));
    await script.settle();
    script.client.close();
    await script.clock.advance(10_000);
    expect(log).toEqual([1]);
    expect(script.client.cursor).toBe('e.2');
  });

  it('a handler can unsubscribe its own subscription', async () => {
    const script = createScript();
    const log: unknown[] = [];
    const stop = script.client.subscribe('a', (payload: unknown) => {
      log.push(payload);
      stop();
    });
    await script.settle();
    script.last().hello('e.0');
    script.last().subscribed('a', 0);
    script.last().send('a', 1, 'e.1.0');
    script.last().send('a', 2, 'e.2.1');
    expect(log).toEqual([1]);
    expect(script.client.cursor).toBe('e.2');
  });
});

describe('a full handler queue', () => {
  it('a full queue stops reading at its limit, and reading resumes at half of it', async () => {
    const handling = await handle({}, { maxQueuedEvents: 4 });
    const { script, send } = handling;
    const { sink } = script.last();
    send(1, 2, 3, 4);
    expect(sink.full()).toBeUndefined();
    send(5);
    const waiting = sink.full();
    expect(waiting).toBeInstanceOf(Promise);
    handling.finish();
    await script.settle();
    expect(sink.full()).toBe(waiting);
    handling.finish();
    await script.settle();
    expect(sink.full()).toBeUndefined();
    await waiting;
  });

  it('a queue has a limit of 1,000 events by default', async () => {
    const { script } = await handle();
    const send = (position: number) =>
      script.last().send('a', position, `e.${position.toString(36)}.${(position - 1).toString(36)}`);
    // The handler has the first event, so 999 are queued.
    for (let position = 1; position <= 1_000; position += 1) send(position);
    expect(script.last().sink.full()).toBeUndefined();
    send(1_001);
    expect(script.last().sink.full()).toBeInstanceOf(Promise);
  });

  it('a full queue stops blocking the connection when its subscription ends', async () => {
    const script = createScript({ maxQueuedEvents: 1 });
    const stop = script.client.subscribe('a', () => new Promise(() => {}));
    await script.settle();
    script.last().hello('e.0');
    script.last().subscribed('a', 0);
    script.last().send('a', 1, 'e.1.0');
    script.last().send('a', 2, 'e.2.1');
    const waiting = script.last().sink.full();
    stop();
    await waiting;
    expect(script.last().sink.full()).toBeUndefined();
  });

  it('reading stays paused while any queue is full, even when another subscription ends', async () => {
    const script = createScript({ maxQueuedEvents: 2 });
    let finish = () => {};
    const stop = script.client.subscribe('a', () => new Promise<void>((resolve) => (finish = resolve)));
    const stopOther = script.client.subscribe('b', () => new Promise(() => {}));
    await script.settle();
    script.last().hello('e.0');
    for (const topic of ['a', 'b']) script.last().subscribed(topic, 0);
    for (const topic of ['a', 'b']) {
      for (const position of [1, 2, 3]) script.last().send(topic, 'x', `e.${position}.${position - 1}`);
    }
    const waiting = script.last().sink.full();
    stop();
    expect(script.last().sink.full()).toBe(waiting);
    finish();
    await script.settle();
    expect(script.last().sink.full()).toBe(waiting);
    stopOther();
    expect(script.last().sink.full()).toBeUndefined();
  });

  it('a full queue suspends a transport that cannot pause, and resumes it later', async () => {
    const handling = await handle({}, { maxQueuedEvents: 1 });
    const { script, send } = handling;
    send(1, 2);
    script.last().lose({ full: true });
    expect(script.client.connection.getSnapshot()).toMatchObject({ state: 'suspended', reason: 'queue' });
    // Only the timer that checks for a stalled handler.
    expect(script.clock.pending).toBe(1);
    handling.finish();
    await script.settle();
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.cursor).toBe('e.2');
  });
});

describe('the return value of onGap', () => {
  const lose = (script: Script) =>
    script.last().send('linefeed.gap', { address: 'a', from: 'e.0', to: 'e.5', reason: 'trimmed' });

  it('an onGap result that is a string but no cursor is reported, and drops no event', async () => {
    const handling = await handle({ onGap: async () => 'yesterday' });
    const { script, log } = handling;
    lose(script);
    script.last().send('a', 6, 'e.6.5');
    await script.settle();
    expect(script.errors).toMatchObject([
      { code: 'invalid_option', message: 'onGap of a gave "yesterday", which is no cursor.' },
    ]);
    expect(log).toEqual([6]);
  });

  it('an onGap result that is not a string is accepted', async () => {
    const handling = await handle({ onGap: () => ({ rows: 7 }) });
    const { script, log } = handling;
    lose(script);
    script.last().send('a', 6, 'e.6.5');
    await script.settle();
    expect(script.errors).toEqual([]);
    expect(log).toEqual([6]);
  });
});

describe('payloads', () => {
  it('a payload that is not JSON is reported and counts as settled', async () => {
    const invalid: unknown[] = [];
    const { script, log } = await handle({}, { onInvalid: (error) => invalid.push(error) });
    script.last().sink.onFrame('a', '{"half', 'e.1.0');
    script.last().send('a', 'good', 'e.2.1');
    await script.settle();
    expect(invalid).toMatchObject([{ code: 'invalid_json', address: 'a' }]);
    expect(log).toEqual(['good']);
    expect(script.client.cursor).toBe('e.1');
  });

  it('payloads are validated when the client has the channel as a value', async () => {
    const board = defineChannel({ a: z.object({ text: z.string().trim() }) });
    const invalid: unknown[] = [];
    const got: unknown[] = [];
    const { transport, attempts } = createScriptTransport();
    const clock = createManualClock();
    const onInvalid = (error: unknown) => invalid.push(error);
    const client = createClient(board, { url: '/', clock, transport, onInvalid });
    client.subscribe('a', (payload) => got.push(payload));
    await clock.advance(0);
    const script = attempts[0]!;
    script.hello('e.0');
    script.subscribed('a', 0);
    script.send('a', { text: 7 }, 'e.1.0');
    script.send('a', { text: ' yes ' }, 'e.2.1');
    await clock.advance(0);
    expect(invalid).toMatchObject([{ code: 'invalid_payload', address: 'a', issues: [{ path: ['text'] }] }]);
    expect(got).toEqual([{ text: 'yes' }]);
    expect(client.cursor).toBe('e.2');
    client.close();
  });

  it('a payload is not delivered when its subscription ends during validation', async () => {
    const board = defineChannel({ a: z.object({ text: z.string() }) });
    const got: unknown[] = [];
    const { transport, attempts } = createScriptTransport();
    const clock = createManualClock();
    const client = createClient(board, { url: '/', clock, transport });
    const stop = client.subscribe('a', (payload) => got.push(payload));
    await clock.advance(0);
    attempts[0]!.hello('e.0');
    attempts[0]!.subscribed('a', 0);
    attempts[0]!.send('a', { text: 'late' }, 'e.1.0');
    stop();
    await clock.advance(0);
    expect(got).toEqual([]);
    client.close();
  });

  it('gaps without a handler cause one console warning', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { script } = await handle();
    for (const to of ['e.7', 'e.8']) {
      script.last().send('linefeed.gap', { address: 'a', from: 'e.0', to, reason: 'trimmed' });
      await script.settle();
    }
    expect(warn.mock.calls).toEqual([
      ['Events of a may be missing (trimmed): give onGap to fetch what they changed.'],
    ]);
    warn.mockRestore();
  });
});

it('a from that is no cursor is reported with a suggestion', async () => {
  const errors: LinefeedError[] = [];
  const script = createScript({ onError: (error: LinefeedError) => errors.push(error), onGap: () => {} });
  script.client.subscribe('a', () => {}, { from: 'latest' });
  await script.settle();
  script.last().hello();
  script.last().subscribed('a', 5);
  script.last().send('linefeed.gap', { address: 'a', from: '', to: 'e.5', reason: 'unknown' });
  await script.settle();
  expect(errors).toMatchObject([
    {
      code: 'invalid_option',
      message: expect.stringContaining('"latest" of a is no cursor; did you mean "now"'),
    },
  ]);
});

it('a gap with reason unknown after a valid cursor does not report that cursor as invalid', async () => {
  const errors: LinefeedError[] = [];
  const script = createScript({ onError: (error: LinefeedError) => errors.push(error), onGap: () => {} });
  script.client.subscribe('a', () => {}, { from: 'e.2' });
  await script.settle();
  script.last().hello('e.2');
  script.last().subscribed('a', 2);
  script.last().send('linefeed.gap', { address: 'a', from: 'e.2', to: 'e.5', reason: 'unknown' });
  await script.settle();
  expect(errors).toEqual([]);
});

it('the console shows a server refusal without a stack, and a handler error with its stack', async () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {});
  const script = createScript({ onError: undefined });
  script.client.subscribe('a', () => {
    throw new Error('boom');
  });
  script.client.subscribe('b', () => {});
  await script.settle();
  script.last().hello('e.0');
  script.last().subscribed('a', 0);
  script.last().send('linefeed.error', { address: 'b', code: 'forbidden', message: 'No.', retryable: false });
  script.last().send('a', 1, 'e.1.0');
  await script.settle();
  expect(print.mock.calls).toEqual([
    ['LinefeedError: No.'],
    [expect.objectContaining({ code: 'handler_failed' })],
  ]);
  print.mockRestore();
});

describe('iterate', () => {
  it('iterate yields at the pace of its consumer, and settles an event when the next one is requested', async () => {
    const script = createScript();
    const iterator = script.client.iterate('a');
    expect(script.attempts).toHaveLength(0);
    const first = iterator.next();
    await script.settle();
    script.last().hello('e.0');
    script.last().subscribed('a', 0);
    for (const position of [1, 2]) script.last().send('a', position, `e.${position}.${position - 1}`);
    expect(await first).toEqual({ done: false, value: 1 });
    await script.settle();
    expect(script.client.cursor).toBe('e.0');
    expect(await iterator.next()).toEqual({ done: false, value: 2 });
    await script.settle();
    expect(script.client.cursor).toBe('e.1');
    await iterator.return();
  });

  it('iterate unsubscribes when its loop is left', async () => {
    const script = createScript();
    const reading = (async () => {
      for await (const payload of script.client.iterate('a')) return payload as unknown;
      return undefined;
    })();
    await script.settle();
    script.last().hello('e.0');
    script.last().subscribed('a', 0);
    script.last().send('a', 1, 'e.1.0');
    expect(await reading).toBe(1);
    await script.clock.advance(1_000);
    expect(script.client.connection.getSnapshot().state).toBe('idle');
  });

  it('iterate can be ended by return() while it waits', async () => {
    const script = createScript();
    const iterator = script.client.iterate('a');
    const waiting = iterator.next();
    await script.settle();
    expect(await iterator.return()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('iterate ends when its signal is aborted', async () => {
    const script = createScript();
    const controller = new AbortController();
    const iterator = script.client.iterate('a', { signal: controller.signal });
    const waiting = iterator.next();
    controller.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('iterate ends with its stream, after the last event', async () => {
    const script = createScript();
    const got: unknown[] = [];
    const reading = (async () => {
      for await (const payload of script.client.iterate('report', { params: { year: 2026 } }))
        got.push(payload);
    })();
    await script.settle();
    expect(script.last().opening.entries).toEqual([{ address: 'report?year=2026', key: '1' }]);
    script.last().hello();
    script.last().send('linefeed.subscribed', { address: 'report~1', event: 'report~1', key: '1' });
    script.last().send('report~1', 1, '~1');
    script.last().send('report~1', 2, '~2');
    script.last().send('linefeed.end', { address: 'report~1', key: '1' }, '~!');
    await reading;
    expect(got).toEqual([1, 2]);
  });

  it('iterate can be ended by throw() while it waits', async () => {
    const script = createScript();
    const iterator = script.client.iterate('a');
    const waiting = iterator.next();
    await script.settle();
    await expect(iterator.throw(new Error('mine'))).rejects.toThrow('mine');
    expect(await waiting).toEqual({ done: true, value: undefined });
    await script.clock.advance(1_000);
    expect(script.client.connection.getSnapshot().state).toBe('idle');
  });

  it('iterate yields earlier events before it throws, and does not report the error to the client', async () => {
    for (const given of [undefined, [] as unknown[]]) {
      const script = createScript();
      const iterator = script.client.iterate('a', given ? { onError: (error) => given.push(error) } : {});
      const waiting = iterator.next();
      await script.settle();
      script.last().hello('e.0');
      script.last().subscribed('a', 0);
      for (const position of [1, 2]) script.last().send('a', position, `e.${position}.${position - 1}`);
      script
        .last()
        .send('linefeed.error', { address: 'a', code: 'forbidden', message: 'No.', retryable: false });
      expect(await waiting).toEqual({ done: false, value: 1 });
      expect(await iterator.next()).toEqual({ done: false, value: 2 });
      await expect(iterator.next()).rejects.toMatchObject({ code: 'forbidden' });
      await script.settle();
      expect(script.errors).toEqual([]);
      if (given) expect(given).toMatchObject([{ code: 'forbidden' }]);
    }
  });

  it('iterate throws the error that ends its subscription', async () => {
    const script = createScript();
    const iterator = script.client.iterate('a');
    const waiting = iterator.next();
    await script.settle();
    script.last().hello('e.0');
    script
      .last()
      .send('linefeed.error', { address: 'a', code: 'forbidden', message: 'No.', retryable: false });
    await expect(waiting).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('persistCursor', () => {
  function createStorage(kept?: string): {
    getItem: (key: string) => string | null;
    setItem: (key: string, value: string) => void;
    written: string[];
  } {
    const items = new Map<string, string>(kept === undefined ? [] : [['linefeed /events ', kept]]);
    const written: string[] = [];
    return {
      getItem: (key) => items.get(key) ?? null,
      setItem(key, value) {
        items.set(key, value);
        written.push(value);
      },
      written,
    };
  }

  it('persistCursor resumes the subscribed addresses from the committed cursor after a reload', async () => {
    const storage = createStorage();
    const before = await handle({}, { persist: persistCursor({ storage }) });
    before.send(1, 2);
    before.finish();
    await before.script.clock.advance(1_000);
    const after = createScript({ persist: persistCursor({ storage }) });
    after.client.subscribe('a', () => {});
    after.client.subscribe('b', () => {});
    await after.settle();
    expect(after.last().opening.entries).toEqual([
      { address: 'a', key: '1', from: 'e.1' },
      { address: 'b', key: '2' },
    ]);
  });

  it.each([
    ['caught up', 'e.5', async (script: Script) => script.last().send(FRAME.caughtup, { address: 'b' })],
    [
      'resumed with the connection cursor',
      'e.2',
      async (script: Script) => {
        script.last().lose();
        await script.clock.advance(500);
        script.last().hello('e.2');
        script.last().subscribed('b', 2);
        script.last().subscribed('a', 5);
      },
    ],
  ])('persistCursor adds an address that has %s when its replay is handled', async (_, cursor, catchUp) => {
    const storage = createStorage();
    let persistence!: Persistence;
    const script = createScript({
      persist: toPersist(
        (context) => (persistence = toOpenPersistence(persistCursor({ storage }))!(context)),
      ),
    });
    let finish!: () => void;
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.client.subscribe('b', () => new Promise<void>((resolve) => (finish = resolve)), {
      from: 'earliest',
    });
    await script.settle();
    script.last().subscribed('b', 0, { rewind: true, n: 1, tail: 'e.5' });
    script.last().send('b', 1, 'e.1.0');
    script.last().send('b', 2, 'e.2.1');
    await catchUp(script);
    const kept = () => {
      persistence.flush();
      return storage.getItem('linefeed /events ');
    };
    expect(kept()).toBe('e.5 a');
    finish();
    await script.settle();
    expect(kept()).toBe('e.5 a');
    finish();
    await script.settle();
    expect(kept()!.split(' ').toSorted()).toEqual(['a', 'b', cursor]);
    script.client.close();
  });

  it('persistCursor stores one cursor for each identity, and writes it when the client is closed', async () => {
    const storage = createStorage();
    const before = await handle({}, { persist: persistCursor({ storage, identity: 'ann' }) });
    before.send(1);
    before.finish();
    await before.script.settle();
    before.script.client.close();
    for (const [identity, from] of [
      ['ann', 'e.1'],
      ['bob', undefined],
    ] as const) {
      const after = createScript({ persist: persistCursor({ storage, identity }) });
      after.client.subscribe('a', () => {});
      await after.settle();
      expect(after.last().opening.entries[0]!.from).toBe(from);
    }
  });

  it('persistCursor restores an address once: a later subscription in the same page gets no event twice', async () => {
    const script = createScript({ persist: persistCursor({ storage: createStorage('e.3 a') }) });
    const got: unknown[] = [];
    script.client.subscribe('z', () => {});
    const stop = script.client.subscribe('a', (payload: unknown) => got.push(payload));
    await script.settle();
    expect(script.last().opening.entries).toContainEqual({ address: 'a', key: '2', from: 'e.3' });
    script.last().hello('e.3');
    script.last().subscribed('a', 3);
    script.last().subscribed('z', 3);
    for (const position of [4, 5]) script.last().send('a', position, `e.${position}.${position - 1}`);
    stop();
    await script.clock.advance(1_000);
    script.last().send('linefeed.end', { address: 'a', n: 1 });
    script.client.subscribe('a', (payload: unknown) => got.push(payload));
    await script.settle();
    expect(script.controls.at(-1)!.add).toEqual([{ address: 'a', key: '3', from: 'now' }]);
    expect(got).toEqual([4, 5]);
  });

  it('persistCursor leaves the restored cursor to the next subscription when the first one has its own from', async () => {
    const script = createScript({ persist: persistCursor({ storage: createStorage('e.3 a') }) });
    script.client.subscribe('a', () => {}, { from: 'now' });
    script.client.subscribe('a', () => {});
    await script.settle();
    expect(script.last().opening.entries).toEqual([
      { address: 'a', key: '2', from: 'e.3' },
      { address: 'a', key: '1', from: 'now' },
    ]);
  });

  it('persistCursor keeps restored addresses for later subscriptions until the cursor has moved past them', async () => {
    const storage = createStorage('e.3 a b');
    const script = createScript({ persist: persistCursor({ storage }) });
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.3');
    script.last().subscribed('a', 3);
    await script.clock.advance(1_000);
    expect(storage.written).toEqual(['e.3 a b']);
    script.last().send('a', 4, 'e.4.3');
    await script.clock.advance(1_000);
    expect(storage.written.at(-1)).toBe('e.4 a');
    script.client.subscribe('b', () => {});
    await script.settle();
    expect(script.controls.at(-1)!.add).toEqual([{ address: 'b', key: '2', from: 'now' }]);
  });

  it('persistCursor keeps the stored cursor when the page is left before it has connected', async () => {
    const storage = createStorage('e.3 a');
    const script = createScript({ persist: persistCursor({ storage }) });
    script.client.subscribe('a', () => {});
    await script.settle();
    script.client.close();
    expect(storage.getItem('linefeed /events ')).toBe('e.3 a');
  });

  it('persistCursor writes last in close(), without the events that are still being handled', async () => {
    const storage = createStorage();
    const { script, send } = await handle({}, { persist: persistCursor({ storage }) });
    send(1);
    await script.clock.advance(1_000);
    script.client.close();
    expect(storage.written.at(-1)).toBe('e.0 a');
    const { length } = storage.written;
    await script.clock.advance(10_000);
    expect(storage.written).toHaveLength(length);
  });

  it('persistCursor writes once per second, however many events are handled', async () => {
    const storage = createStorage();
    const script = createScript({ persist: persistCursor({ storage }) });
    script.client.subscribe('a', () => {});
    await script.settle();
    script.last().hello('e.0');
    script.last().subscribed('a', 0);
    for (let position = 1; position <= 35; position += 1) {
      script.last().send('a', position, `e.${position.toString(36)}.${(position - 1).toString(36)}`);
      await script.clock.advance(100);
    }
    // One commit every 100 ms and one write per 10 commits: the 10th, the 20th and the 30th.
    expect(storage.written).toEqual(['e.a a', 'e.k a', 'e.u a']);
  });

  it('persistCursor does not cover an address that is replayed or not accepted yet', async () => {
    const storage = createStorage();
    const { script } = await handle({}, { persist: persistCursor({ storage }) });
    script.client.subscribe('b', () => {}, { from: 'earliest' });
    await script.settle();
    script.last().subscribed('b', 0, { n: 1, rewind: true });
    script.client.subscribe('c', () => {});
    await script.clock.advance(1_000);
    expect(storage.written.at(-1)).toBe('e.0 a');
  });

  for (const leave of ['hidden', 'pagehide']) {
    it(`persistCursor writes at once on ${leave}`, async () => {
      const page = stubPage();
      const storage = createStorage();
      const { script } = await handle({}, { persist: persistCursor({ storage }) });
      expect(storage.written).toEqual([]);
      if (leave === 'hidden') page.show('hidden');
      else page.fire('pagehide');
      expect(storage.written).toEqual(['e.0 a']);
      script.client.close();
    });
  }
});
