import type { AnyChannel } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { createClient } from './client.ts';
import { eventSourceTransport } from './transports/event-source.ts';
import { fetchTransport } from './transports/fetch.ts';

describe('a wrong argument from JavaScript is refused as invalid_option', () => {
  const create = createClient as unknown as (...args: unknown[]) => unknown;
  const client = createClient<AnyChannel>({ url: '/events' });
  const subscribe = client.subscribe as (...args: unknown[]) => unknown;
  const iterate = client.iterate as (...args: unknown[]) => AsyncGenerator;
  const handler = () => {};

  it.each<[string, string, () => unknown]>([
    ['createClient()', 'createClient takes its options as an object, not undefined', () => create()],
    ['a url alone', 'as an object, not /events', () => create('/events')],
    ['no url', 'createClient needs the url of a feed', () => create({})],
    ['a misspelt option', 'createClient has no option "header"', () => create({ url: '/', header: {} })],
    [
      'a persist that is no function',
      'persist must be a function',
      () => create({ url: '/', persist: true }),
    ],
    ['an onError that is no function', 'onError must be a function', () => create({ url: '/', onError: 1 })],
    ['subscribe without a handler', 'a function as handler', () => subscribe('a')],
    ['subscribe without a topic', 'Subscribe to undefined', () => subscribe(undefined, handler)],
    ['params that are a string', 'params as an object', () => subscribe('a', 'x', handler)],
    ['a from that is no string', 'a string as from', () => subscribe('a', handler, { from: 5 })],
    ['options that are a string', 'as an object, not now', () => subscribe('a', handler, 'now')],
    ['a misspelt subscribe option', 'no option "form"', () => subscribe('a', handler, { form: 'now' })],
    ['a signal that is none', 'an AbortSignal as signal', () => subscribe('a', handler, { signal: 5 })],
    ['a misspelt iterate option', 'no option "form"', () => iterate('a', { form: 'now' }).next()],
  ])('%s', async (_name, message, call) => {
    const attempt = async () => await call();
    await expect(attempt()).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining(message),
    });
  });
});

it.each([fetchTransport, eventSourceTransport])(
  'a transport that was not called (%o) ends the connection with the remedy, and the client can be closed',
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
