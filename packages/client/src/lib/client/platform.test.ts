import { defineChannel, type AnyChannel, type LinefeedError } from '@linefeed/shared';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createScript } from '../../../test/scripted-client.ts';
import { until } from '../../../test/until.ts';
import { createClient, type ClientOptions } from './client.ts';
import { createTestClient } from '../testing/test-client.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const HEAD = { status: 200, headers: { 'content-type': 'text/event-stream' } };

/** Returns the error of a failed client. Its `attempt` is the number of requests. */
async function fail(options: Partial<ClientOptions> = {}): Promise<LinefeedError> {
  const client = createClient<AnyChannel>({
    url: 'http://localhost/events',
    retry: { baseMs: 1, floorMs: 1, capMs: 1, maxAttempts: 3 },
    onError: () => {},
    ...options,
  });
  client.subscribe('a', () => {});
  const { error } = await until(client, ({ state }) => state === 'failed');
  client.close();
  return error!;
}

describe('a platform with missing features', () => {
  it.each(['fetch', 'Headers', 'TextDecoder'])(
    'the client fails at once and names the missing %s',
    async (name) => {
      const answer = () => Promise.resolve(new Response('', HEAD));
      vi.stubGlobal(name, undefined);
      expect(await fail(name === 'fetch' ? {} : { fetch: answer })).toMatchObject({
        code: 'invalid_option',
        retryable: false,
        attempt: 1,
        message: expect.stringContaining(`There is no ${name} here: load a polyfill.`) as string,
      });
    },
  );

  it('the client names all missing globals in one error', async () => {
    for (const name of ['fetch', 'TextDecoder']) vi.stubGlobal(name, undefined);
    expect((await fail()).message).toBe('There is no fetch, no TextDecoder here: load a polyfill.');
  });

  it('the client fails at once when the response of fetch has no stream', async () => {
    // The fetch of React Native and the polyfill for jsdom return such a response.
    const answer = () =>
      Promise.resolve(Object.defineProperty(new Response('', HEAD), 'body', { value: undefined }));
    expect(await fail({ fetch: answer })).toMatchObject({
      code: 'invalid_option',
      retryable: false,
      attempt: 1,
      message: expect.stringContaining('does not stream') as string,
    });
  });

  it.each([
    // React Native before `canParse`, and its class that accepts any text.
    ['without URL.canParse', class extends URL {}, { canParse: undefined }],
    [
      'with a URL class that accepts any text',
      class {
        readonly href: string;
        constructor(text: string) {
          this.href = text;
        }
      },
      {},
    ],
  ])('the client accepts an absolute url and refuses a relative one, %s', async (_, Class, statics) => {
    vi.stubGlobal('URL', Object.assign(Class, statics));
    const asked: unknown[] = [];
    vi.stubGlobal('fetch', (url: unknown) => {
      asked.push(url);
      return Promise.resolve(new Response('', { status: 404 }));
    });
    expect(await fail({ url: '/events' })).toMatchObject({ code: 'invalid_option', attempt: 1 });
    expect(asked).toEqual([]);
    expect(await fail()).toMatchObject({ code: 'http_status' });
    expect(asked).toEqual([expect.stringMatching(/^http:\/\/localhost\/events\?topic=a/)]);
  });
});

it('the client opens a connection on an engine without Array.prototype.toSorted, such as Hermes', async () => {
  vi.spyOn(Array.prototype, 'toSorted').mockImplementation(() => {
    throw new TypeError('toSorted is not a function');
  });
  const script = createScript();
  script.client.subscribe('price', { symbol: 'A', at: { y: 1, x: 2 } }, () => {});
  await script.request('notice', { from: 'earliest' });
  expect(script.errors).toEqual([]);
  expect(script.last().opening.entries.map(({ address }) => address)).toEqual([
    'notice',
    'price?at=%7B%22x%22%3A2%2C%22y%22%3A1%7D&symbol=A',
  ]);
});

it('the client adds and removes its listeners on a page that refuses the AbortSignal of another realm', async () => {
  const page = new EventTarget();
  let listeners = 0;
  // jsdom throws this error in a test environment that uses Node's AbortController.
  const refuse = (options: unknown) => {
    if (typeof options === 'object' && options !== null && 'signal' in options)
      throw new TypeError("member signal is not of type 'AbortSignal'.");
  };
  const add = (type: string, listener: EventListener, options?: unknown) => {
    refuse(options);
    listeners += 1;
    page.addEventListener(type, listener);
  };
  const remove = (type: string, listener: EventListener) => {
    listeners -= 1;
    page.removeEventListener(type, listener);
  };
  vi.stubGlobal('addEventListener', add);
  vi.stubGlobal('removeEventListener', remove);
  vi.stubGlobal('document', {
    visibilityState: 'visible',
    addEventListener: add,
    removeEventListener: remove,
  });
  const script = createScript();
  await script.request('a');
  script.last().lose();
  expect(script.attempts).toHaveLength(1);
  page.dispatchEvent(new Event('online'));
  expect(script.attempts).toHaveLength(2);
  expect(listeners).toBeGreaterThan(0);
  script.client.close();
  expect(listeners).toBe(0);
});

it('a test client delivers events while fake timers replace every timer and microtask', async () => {
  const board = defineChannel({ notice: z.string() });
  vi.useFakeTimers({ toFake: ['queueMicrotask', 'setTimeout', 'setInterval', 'setImmediate', 'Date'] });
  const { client, emit } = createTestClient(board);
  const got: string[] = [];
  client.subscribe('notice', (text) => got.push(text));
  await emit('notice', 'hello');
  expect(got).toEqual(['hello']);
  client.close();
});
