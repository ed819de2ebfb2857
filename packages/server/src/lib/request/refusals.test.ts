import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { LinefeedError } from '@linefeed/shared/wire';
import { createBench, post, type Board } from '../../../test-kit/feed-bench.ts';
import { toNodeHandler } from '../adapters/node/node-handler.ts';
import type { FeedOptions } from '../feed/option-types.ts';

type Options = Partial<FeedOptions<Board, unknown>>;

const failing = (error: unknown) => () => {
  throw error;
};
const withStatus = (status: number): Error => Object.assign(new Error('secret'), { status });

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const REFUSED: ReadonlyArray<
  readonly [name: string, target: string, init: RequestInit, status: number, code: string, options: Options]
> = [
  ['an unknown host', '/events/notice', {}, 403, 'forbidden_host', { hosts: ['other.test'] }],
  [
    'a foreign origin',
    '/events/notice',
    { headers: { origin: 'https://a.test' } },
    403,
    'forbidden_origin',
    {},
  ],
  ['an unsupported method', '/events/notice', { method: 'DELETE' }, 405, 'method_not_allowed', {}],
  [
    'an unacceptable content type',
    '/events/notice',
    { headers: { accept: '*/*;q=0' } },
    406,
    'not_acceptable',
    {},
  ],
  ['status 401 of context', '/events/notice', {}, 401, 'unauthorized', { context: failing(withStatus(401)) }],
  ['status 403 of context', '/events/notice', {}, 403, 'forbidden', { context: failing(withStatus(403)) }],
  ['status 418 of context', '/events/notice', {}, 418, 'http_status', { context: failing(withStatus(418)) }],
  [
    'a context that throws',
    '/events/notice',
    {},
    500,
    'server_failed',
    { context: failing(new Error('secret')) },
  ],
  [
    'an authorize that throws',
    '/events/notice',
    {},
    500,
    'server_failed',
    { authorize: failing(new Error('secret')) },
  ],
  ['a body that is not JSON', '/events', { method: 'POST', body: 'x' }, 400, 'bad_request', {}],
  ['a list without topics', '/events', {}, 400, 'bad_request', {}],
  [
    'a body over maxRequestBytes',
    '/events',
    post({ topics: 'x'.repeat(99) }),
    413,
    'payload_too_large',
    { maxRequestBytes: 50 },
  ],
  ['an unknown connection', '/events', post({ connection: 'a', n: 1 }), 409, 'unknown_connection', {}],
];

describe('a refused request', () => {
  it.each(REFUSED)(
    'a request refused for %s gets a problem document with its code',
    async (_name, target, init, status, code, options) => {
      const { feed } = createBench(options);
      const server = createServer(toNodeHandler(feed)).listen(0, '127.0.0.1');
      closing.push(() => server.close());
      await once(server, 'listening');
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      for (const ask of [fetch, (url: string, asked: RequestInit) => feed.handle(new Request(url, asked))]) {
        const response = await ask(`${origin}${target}`, init);
        const text = await response.text();
        expect(Object.fromEntries(response.headers)).toMatchObject({
          'content-type': 'application/problem+json',
          'linefeed-code': code,
        });
        expect([response.status, JSON.parse(text)]).toMatchObject([status, { status, code }]);
        expect(text).not.toContain('secret');
      }
    },
  );

  it('a 404 contains the path without its query, which may contain a token', async () => {
    const { feed } = createBench();
    const server = createServer(toNodeHandler(feed)).listen(0, '127.0.0.1');
    closing.push(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    for (const response of [
      await fetch(`http://127.0.0.1:${port}/event?token=hunter2`),
      await feed.handle(new Request('http://feed.test/event?token=hunter2')),
    ]) {
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({
        code: 'not_found',
        title: 'There is nothing at /event. Is it the path of the feed?',
      });
    }
  });

  it('a refused HEAD request has the code of its GET and no body', async () => {
    const { feed } = createBench({ authorize: () => false });
    const response = await feed.handle(new Request('http://feed.test/events/notice', { method: 'HEAD' }));
    expect([response.status, response.headers.get('linefeed-code')]).toEqual([403, 'forbidden']);
    expect(await response.text()).toBe('');
  });

  it('a refused request of a listed origin exposes the linefeed-code header', async () => {
    const { feed } = createBench({ authorize: () => false, cors: { origins: ['https://app.test'] } });
    const headers = { origin: 'https://app.test' };
    const response = await feed.handle(new Request('http://feed.test/events/notice', { headers }));
    expect(response.headers.get('access-control-expose-headers')).toBe('Retry-After, linefeed-code');
  });
});

it.each([undefined, null, 1, { id: 'ada' }])(
  'an authorize that returns %j denies access, and is reported once',
  async (verdict) => {
    const errors: unknown[] = [];
    const authorize = () => verdict as unknown as boolean;
    const { feed } = createBench({ authorize, onError: (error: unknown) => errors.push(error) });
    for (const target of ['notice', 'notice']) {
      const response = await feed.handle(new Request(`http://feed.test/events/${target}`));
      expect(response.status).toBe(403);
    }
    expect(errors).toEqual([
      expect.objectContaining({
        code: 'invalid_option',
        message: expect.stringContaining('it must return true or false') as string,
      }),
    ]);
    await feed.close();
  },
);

describe('a refused address', () => {
  const ENTRIES: ReadonlyArray<readonly [name: string, address: string, options: Options]> = [
    ['is unknown', 'nope', {}],
    ['has invalid params', 'report?year=x', {}],
    ['is malformed', 'price?symbol=%E0%A4%A', {}],
    ['is too long', `price?symbol=${'x'.repeat(2_000)}`, {}],
    ['authorize denies', 'price?symbol=A', { authorize: ({ topic }) => topic === 'notice' }],
    [
      'authorize refuses with a status',
      'price?symbol=A',
      { authorize: ({ topic }) => topic === 'notice' || failing(withStatus(402))() },
    ],
    [
      'authorize refuses with a code',
      'price?symbol=A',
      {
        authorize: ({ topic }) =>
          topic === 'notice' || failing(new LinefeedError('busy', 'Later.', { status: 429 }))(),
      },
    ],
  ];

  it.each(ENTRIES)(
    'an address that %s has the same refusal code alone and in a list',
    async (_name, address, options) => {
      const { ask, open } = createBench(options);
      const { body } = await ask('/events', post({ topics: [{ address, key: 'a' }] }));
      const problem = JSON.parse(body as string);
      const tap = await open('/events', post({ topics: [{ address: 'notice' }, { address, key: 'a' }] }));
      const [refused] = tap.of('linefeed.error');
      expect(refused!.data).toMatchObject({ code: problem.code, message: problem.title });
    },
  );
});
