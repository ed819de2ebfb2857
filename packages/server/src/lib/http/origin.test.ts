import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import type { HttpResponse } from './http.ts';
import type { CorsOptions } from './origin.ts';

const cors = { origins: ['https://app.test'] };

it.each([
  ['no Origin', {}],
  ['its own Origin', { origin: 'http://feed.test' }],
  ['an allowed Origin', { origin: 'https://app.test' }],
])('a feed with cors sends vary: Origin to a request with %s', async (_name, headers) => {
  const { ask } = createBench({ cors });
  // Without `vary`, a cache would give the answer for one origin to another.
  const answer = await ask('/events/notice', { method: 'HEAD', headers });
  expect(Object.fromEntries(answer.headers)['vary']).toBe('Origin');
});

it('a feed without cors sends no vary header', async () => {
  const { ask } = createBench();
  const answer = await ask('/events/notice', { method: 'HEAD' });
  expect(Object.fromEntries(answer.headers)).not.toHaveProperty('vary');
});

const codeOf = ({ status, headers }: HttpResponse): readonly [status: number, code: string | undefined] => [
  status,
  Object.fromEntries(headers)['linefeed-code'],
];
const titleOf = ({ body }: HttpResponse): string => JSON.parse(body as string).title;

describe('a page of another origin', () => {
  it.each([
    ['on a sibling subdomain, without an Origin', { 'sec-fetch-site': 'same-site' }],
    ['on a sibling subdomain', { 'sec-fetch-site': 'same-site', origin: 'https://other.feed.test' }],
    [
      'on a sibling subdomain, with a Host that a proxy changed',
      { 'sec-fetch-site': 'same-site', origin: 'http://feed.test' },
    ],
    ['on another site', { 'sec-fetch-site': 'cross-site' }],
    ['with an unknown value of Sec-Fetch-Site', { 'sec-fetch-site': 'near-site' }],
    ['with the origin null', { origin: 'null' }],
    ['with another scheme on the same host', { origin: 'capacitor://feed.test' }],
    ['on another port', { origin: 'http://feed.test:8080' }],
  ])(
    'a page of another origin is refused with any method, before context runs: %s',
    async (_name, headers) => {
      const context = vi.fn(() => undefined);
      const { ask } = createBench({ context, cors });
      for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE']) {
        const answer = await ask('/events/tick', { method, headers });
        expect([method, ...codeOf(answer)]).toEqual([method, 403, 'forbidden_origin']);
      }
      expect(context).not.toHaveBeenCalled();
    },
  );
});

it.each([
  ['a script of the same origin', { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'empty' }],
  ['a request that the user started', { 'sec-fetch-site': 'none', 'sec-fetch-dest': 'empty' }],
  ['a listed origin on a sibling subdomain', { 'sec-fetch-site': 'same-site', origin: 'https://app.test' }],
  ['a request without browser headers', {}],
  ['a page of the same origin', { origin: 'http://feed.test' }],
])('%s is accepted', async (_name, headers) => {
  const { ask } = createBench({ cors });
  expect((await ask('/events/tick', { method: 'HEAD', headers })).status).toBe(200);
});

it.each(['image', 'script', 'iframe', 'document', 'style', 'worker', 'future'])(
  'a request with Sec-Fetch-Dest %s is refused, also from the same or a listed origin',
  async (dest) => {
    const started = vi.fn(() => [1]);
    const { ask } = createBench({ cors, streams: { report: () => [], tick: started } });
    for (const site of [
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'cross-site', origin: 'https://app.test' },
    ]) {
      const answer = await ask('/events/tick', { headers: { ...site, 'sec-fetch-dest': dest } });
      expect(codeOf(answer)).toEqual([403, 'forbidden_origin']);
      expect(titleOf(answer)).toMatch(new RegExp(`Sec-Fetch-Dest: ${dest}.*fetch, EventSource or curl`));
    }
    expect(started).not.toHaveBeenCalled();
  },
);

it.each([
  ['app.example.com:443', 'https://app.example.com'],
  ['app.example.com', 'https://app.example.com'],
  ['app.example.com:80', 'http://app.example.com'],
  ['app.example.com:8443', 'https://app.example.com:8443'],
])('the Host %s matches the origin %s', async (host, origin) => {
  const { ask } = createBench();
  const request = new Request(`http://${host}/events/tick`, { method: 'HEAD', headers: { origin } });
  expect((await ask(request)).status).toBe(200);
});

describe('cors.origins', () => {
  it.each([
    'https://app.test',
    'http://localhost:5173',
    'capacitor://localhost',
    'ionic://localhost',
    'tauri://localhost',
    'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    'moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc',
  ])('cors.origins may contain %s, which matches exactly', async (origin) => {
    const { ask } = createBench({ cors: { origins: [origin] } });
    const answer = await ask('/events/tick', {
      method: 'HEAD',
      headers: { origin, 'sec-fetch-site': 'cross-site' },
    });
    expect(Object.fromEntries(answer.headers)).toMatchObject({ 'access-control-allow-origin': origin });
    for (const other of [`${origin}x`, origin.slice(0, -1), origin.toUpperCase()]) {
      expect(codeOf(await ask('/events/tick', { headers: { origin: other } }))).toEqual([
        403,
        'forbidden_origin',
      ]);
    }
  });

  it.each([
    ['https://app.test/', /did you mean "https:\/\/app\.test"\?/],
    ['https://APP.test', /did you mean "https:\/\/app\.test"\?/],
    ['https://app.test:443', /did you mean "https:\/\/app\.test"\?/],
    ['capacitor://localhost/', /did you mean "capacitor:\/\/localhost"\?/],
    ['https://*.app.test', /no wildcards/],
    ['*', /no wildcards/],
    ['null', /"null"/],
    ['app.test', /"app\.test"/],
    ['file://', /"file:\/\/"/],
    ['data:text', /"data:text"/],
    ['', /""/],
    [7, /not 7/],
  ])('cors.origins may not contain %j', (origin, message) => {
    expect(() => createBench({ cors: { origins: [origin as string] } })).toThrow(message);
  });
});

describe('cors.headers', () => {
  const preflight = { origin: 'https://app.test', 'sec-fetch-site': 'cross-site' };

  it('cors.headers adds request headers to those that a preflight allows', async () => {
    const { ask } = createBench({
      cors: { ...cors, headers: ['X-Tenant-Id', 'traceparent', 'Authorization', 'traceparent'] },
    });
    const answer = await ask('/events', { method: 'OPTIONS', headers: preflight });
    expect(Object.fromEntries(answer.headers)['access-control-allow-headers']).toBe(
      'authorization, content-type, last-event-id, x-tenant-id, traceparent',
    );
  });

  it.each([
    ['*', /no wildcards/],
    ['x tenant', /"x tenant"/],
    ['', /""/],
    ['x-a, x-b', /"x-a, x-b"/],
    ['x-ä', /"x-ä"/],
    [7, /not 7/],
  ])('cors.headers may not contain %j', (name, message) => {
    expect(() => createBench({ cors: { ...cors, headers: [name as string] } })).toThrow(message);
  });
});

it.each([
  [
    { origin: ['https://app.test'] },
    /cors has no option "origin"; options are origins, headers, credentials/,
  ],
  [{ ...cors, credential: true }, /cors has no option "credential"/],
  [{ origins: 'https://app.test' }, /cors\.origins must be a list/],
  [{}, /cors\.origins must be a list/],
  [{ ...cors, headers: 'x-tenant-id' }, /cors\.headers must be a list/],
  [{ ...cors, credentials: 'include' }, /cors\.credentials must be true or false/],
])('the cors options %j are refused', (options, message) => {
  expect(() => createBench({ cors: options as unknown as CorsOptions })).toThrow(message);
});

describe('the console warning about a refused origin', () => {
  const foreign = (origin: string): RequestInit => ({ headers: { origin } });
  let warned: string[];

  beforeEach(() => {
    warned = [];
    vi.spyOn(console, 'warn').mockImplementation((text: string) => void warned.push(text));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  it('a refused origin is printed once on the console, with the option that allows it', async () => {
    const { ask } = createBench();
    for (let time = 0; time < 3; time += 1) await ask('/events/tick', foreign('https://app.test'));
    await ask('/events/tick', foreign('https://second.test'));
    expect(warned).toEqual([
      expect.stringMatching(/"https:\/\/app\.test".*cors: \{ origins: \["https:\/\/app\.test"\] \}/),
      expect.stringMatching(/"https:\/\/second\.test"/),
    ]);
  });

  it('a refused origin is not printed in production', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    const { ask } = createBench();
    await ask('/events/tick', foreign('https://app.test'));
    expect(warned.filter((text) => text.includes('app.test'))).toEqual([]);
  });

  it('refused origins are printed on at most 20 short lines, even if they are many and long', async () => {
    const { ask } = createBench();
    for (let n = 0; n < 100; n += 1) {
      await ask('/events/tick', foreign(`https://a${n}.${'x'.repeat(2_000)}`));
      await ask('/events/tick', foreign(`https://a${n}.test`));
    }
    expect(warned).toHaveLength(20);
    expect(Math.max(...warned.map(({ length }) => length))).toBeLessThan(700);
  });
});
