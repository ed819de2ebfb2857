import { describe, expect, it } from 'vitest';
import { after, createBench, entries, problemOf } from '../../../test-kit/feed-bench.ts';

describe('refused requests', () => {
  it.each([
    ['a request for an unknown topic', '/events/nope', {}, 404, 'unknown_topic'],
    ['a request with invalid params', '/events/report?year=x', {}, 400, 'invalid_params'],
    ['a request without a topic', '/events', {}, 400, 'bad_request'],
    ['a request for another path', '/eventsource', {}, 404, undefined],
    [
      'a request that accepts an event stream with quality 0',
      '/events/notice',
      { headers: { accept: 'application/json, text/event-stream;q=0' } },
      406,
      'not_acceptable',
    ],
    [
      'a request with an unsupported method',
      '/events/notice',
      { method: 'DELETE' },
      405,
      'method_not_allowed',
    ],
    [
      'a request from a page of another site',
      '/events/notice',
      { headers: { 'sec-fetch-site': 'cross-site' } },
      403,
      'forbidden_origin',
    ],
    [
      'a request from a foreign origin',
      '/events/notice',
      { headers: { origin: 'https://evil.test' } },
      403,
      'forbidden_origin',
    ],
    ['a body that is not JSON', '/events', { method: 'POST', body: 'x' }, 400, 'bad_request'],
    [
      'a body with malformed entries',
      '/events',
      { method: 'POST', body: '{"topics":[1]}' },
      400,
      'bad_request',
    ],
  ] as const)('%s is refused with a status and a code', async (_name, target, init, status, code) => {
    const { ask } = createBench();
    const answer = await ask(target, init);
    expect(answer.status).toBe(status);
    if (code !== undefined) expect(problemOf(answer)).toMatchObject({ status, code });
  });

  it('an error of context sets the status, and its message is sent only for an exposed 4xx', async () => {
    const failing = (error: unknown) =>
      createBench({
        context: () => {
          throw error;
        },
      });
    const denied = await failing(
      Object.assign(new Error('Log in first.'), { status: 401, expose: true }),
    ).ask('/events/notice');
    expect([denied.status, problemOf(denied).title]).toEqual([401, 'Log in first.']);
    const foreign = await failing(Object.assign(new Error('key sk-123 is wrong'), { status: 401 })).ask(
      '/events/notice',
    );
    expect([foreign.status, problemOf(foreign).title]).toEqual([401, 'Refused with status 401.']);
    const down = await failing(Object.assign(new Error('db-3 is down'), { status: 503, expose: true })).ask(
      '/events/notice',
    );
    expect([down.status, problemOf(down).title]).toEqual([503, 'Refused with status 503.']);
    const broken = failing(new Error('db password'));
    const answer = await broken.ask('/events/notice');
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('password');
    expect(broken.errors).toHaveLength(1);
  });

  it('context may set headers and cookies, but not content-type', async () => {
    const { ask } = createBench({
      context: (_request, { headers }) => {
        headers.append('set-cookie', 'a=1');
        headers.append('set-cookie', 'b=2');
        headers.set('x-served-by', 'one');
      },
    });
    const { headers } = await ask('/events/notice', { method: 'HEAD' });
    expect(headers.filter(([name]) => name === 'set-cookie')).toEqual([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]);
    expect(Object.fromEntries(headers)['x-served-by']).toBe('one');
    const wrong = createBench({
      context: (_request, reply) => reply.headers.set('content-type', 'text/plain'),
    });
    expect((await wrong.ask('/events/notice')).status).toBe(500);
    expect(wrong.errors).toMatchObject([{ code: 'invalid_option' }]);
  });

  it.each([
    ['first', entries('other', 'notice')],
    ['last', entries('notice', 'other')],
  ])('a list of refused entries gets 503 when its %s entry is retryable', async (_, target) => {
    const { ask } = createBench({
      onError: () => undefined,
      authorize({ topic }) {
        if (topic === 'other') throw Object.assign(new Error('The database is away.'), { status: 503 });
        return false;
      },
    });
    expect((await ask(target)).status).toBe(503);
  });

  it('an address that authorize denies gets 403, also when it resumes from a cursor', async () => {
    const { ask } = createBench({ authorize: ({ address }) => address !== 'notice' });
    expect((await ask('/events/notice')).status).toBe(403);
    expect((await ask('/events/notice', after('a.1'))).status).toBe(403);
  });

  it('a HEAD request for a stream starts no source', async () => {
    let started = 0;
    const { ask } = createBench({
      streams: {
        *report() {
          yield { step: (started += 1) };
        },
        *tick() {
          yield (started += 1);
        },
      },
    });
    const answer = await ask('/events/tick', { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 200, body: undefined });
    expect(Object.fromEntries(answer.headers)['content-type']).toBe('text/event-stream; charset=utf-8');
    expect((await ask('/events/tick', { method: 'HEAD', headers: { 'last-event-id': '~!' } })).status).toBe(
      204,
    );
    expect(started).toBe(0);
  });

  it('an origin in cors.origins is accepted, with credentials and a preflight', async () => {
    const { ask } = createBench({ cors: { origins: ['https://app.test'], credentials: true } });
    const headers = { origin: 'https://app.test', 'sec-fetch-site': 'cross-site' };
    const answer = await ask('/events/notice', { method: 'HEAD', headers });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': 'https://app.test',
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'Retry-After, linefeed-code',
      vary: 'Origin',
    });
    expect((await ask('/events/notice', { method: 'OPTIONS', headers })).status).toBe(204);
    expect((await ask('/events/notice', { headers: { origin: 'https://app.test.evil' } })).status).toBe(403);
    expect(() => createBench({ cors: { origins: ['https://app.test/'] } })).toThrow(
      /did you mean "https:\/\/app.test"/,
    );
  });
});
