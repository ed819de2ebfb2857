import type { AnyChannel } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { createScript } from '../../../test/scripted-client.ts';
import { createClient } from './client.ts';
import { iterate } from './iterate.ts';
import { eventSourceTransport } from '../transport/event-source.ts';
import { fetchTransport } from '../transport/fetch.ts';

describe('wrong arguments from JavaScript code', () => {
  const create = createClient as unknown as (...args: unknown[]) => unknown;
  const client = createClient<AnyChannel>({ url: '/events' });
  const subscribe = client.subscribe as (...args: unknown[]) => unknown;
  const iterateAny = iterate as (...args: unknown[]) => AsyncGenerator;
  const handler = () => {};

  it.each<[string, string, () => unknown]>([
    ['createClient()', 'createClient takes its options as an object, not undefined', () => create()],
    ['createClient with only a url as a string', 'as an object, not /events', () => create('/events')],
    ['createClient without a url', 'createClient needs the url of a feed', () => create({})],
    [
      'createClient with a misspelled option',
      'createClient has no option "header"',
      () => create({ url: '/', header: {} }),
    ],
    [
      'createClient with a persist that is not a function',
      'persist must be a function',
      () => create({ url: '/', persist: true }),
    ],
    [
      'createClient with an onError that is not a function',
      'onError must be a function',
      () => create({ url: '/', onError: 1 }),
    ],
    ['subscribe without a handler', 'a function as handler', () => subscribe('a')],
    ['subscribe without a topic', 'subscribe(undefined)', () => subscribe(undefined, handler)],
    ['subscribe with a string as params', 'params as an object', () => subscribe('a', 'x', handler)],
    ['subscribe with a number as from', 'a string as from', () => subscribe('a', handler, { from: 5 })],
    ['subscribe with a string as options', 'as an object, not now', () => subscribe('a', handler, 'now')],
    [
      'subscribe with a misspelled option',
      'no option "form"',
      () => subscribe('a', handler, { form: 'now' }),
    ],
    [
      'subscribe with a number as signal',
      'an AbortSignal as signal',
      () => subscribe('a', handler, { signal: 5 }),
    ],
    [
      'iterate with a misspelled option',
      'no option "form"',
      () => iterateAny(client, 'a', { form: 'now' }).next(),
    ],
  ])('%s is refused with invalid_option', async (_name, message, call) => {
    const attempt = async () => await call();
    await expect(attempt()).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });
});

it.each([fetchTransport, eventSourceTransport])(
  'the client fails with the fix when a transport factory (%o) is passed uncalled, and can still be closed',
  async (transport) => {
    const errors: unknown[] = [];
    const client = createClient<AnyChannel>({
      url: 'http://feed.test/events',
      transport: transport as never,
      onError: (error) => errors.push(error),
    });
    client.subscribe('a', () => {});
    await expect
      .poll(() => errors)
      .toEqual([
        expect.objectContaining({
          code: 'invalid_option',
          message: 'Call the transport: fetchTransport().',
        }),
      ]);
    expect(client.connection.getSnapshot().state).toBe('failed');
    client.close();
  },
);

describe('number options', () => {
  it('retry.maxAttempts: false retries without limit, and 0 is refused', async () => {
    createScript({ retry: { maxAttempts: false } }).client.close();
    expect(() => createScript({ retry: { maxAttempts: 0 } })).toThrowError(
      'retry: maxAttempts must be a number from 1 up, or false for no limit, not 0.',
    );
  });

  for (const [name, options] of [
    ['createClient: connectTimeoutMs', (value: number) => ({ connectTimeoutMs: value })],
    ['createClient: maxQueuedEvents', (value: number) => ({ maxQueuedEvents: value })],
    ['createClient: lingerMs', (value: number) => ({ lingerMs: value })],
    ['retry: baseMs', (value: number) => ({ retry: { baseMs: value } })],
    ['retry: floorMs', (value: number) => ({ retry: { floorMs: value } })],
    ['retry: capMs', (value: number) => ({ retry: { capMs: value } })],
    ['retry: maxAttempts', (value: number) => ({ retry: { maxAttempts: value } })],
    ['pauseWhenHidden: graceMs', (value: number) => ({ pauseWhenHidden: { graceMs: value } })],
  ] as const) {
    it(`${name} refuses a value that is not a finite number from 0 up`, () => {
      const wanted = name.endsWith('maxAttempts')
        ? 'number from 1 up, or false for no limit'
        : `number from ${name.includes(': max') ? 1 : 0} up`;
      for (const value of [Number.NaN, -1, Infinity, '5' as unknown as number, null as unknown as number]) {
        expect(() => createScript(options(value))).toThrowError(
          expect.objectContaining({
            code: 'invalid_option',
            message: `${name} must be a ${wanted}, not ${String(value)}.`,
          }),
        );
      }
      createScript(options(5)).client.close();
      createScript(options(undefined as unknown as number)).client.close();
    });
  }
});
