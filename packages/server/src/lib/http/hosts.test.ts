import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { board, createBench } from '../../../test-kit/feed-bench.ts';
import { toNodeHandler } from '../adapters/node/node-handler.ts';
import { defineStream } from '../feed/define-stream.ts';

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

it.each([
  [['app.test'], 'http://app.test'],
  [['app.test'], 'http://app.test:8080'],
  [['app.test'], 'https://app.test'],
  [['APP.test'], 'http://app.test'],
  [['other.test', 'app.test:8080'], 'http://app.test:8080'],
  [['app.test:443'], 'https://app.test'],
  [['app.test:443'], 'http://app.test'],
  [['localhost', '127.0.0.1', '[::1]'], 'http://[::1]:3000'],
])('hosts %j accept a request to %s', async (hosts, origin) => {
  const { ask } = createBench({ hosts });
  expect((await ask(new Request(`${origin}/events/tick`, { method: 'HEAD' }))).status).toBe(200);
});

it.each([
  [['app.test'], 'http://evil.test'],
  [['app.test'], 'http://app.test.evil.test'],
  [['app.test'], 'http://sub.app.test'],
  [['app.test:8080'], 'http://app.test:8081'],
  [['app.test:8080'], 'http://app.test'],
  [['app.test:443'], 'http://app.test:8080'],
])('hosts %j refuse a request to %s with any method, before context runs', async (hosts, origin) => {
  const context = vi.fn(() => undefined);
  const { ask } = createBench({ hosts, context, cors: { origins: ['https://listed.test'] } });
  for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: 'https://listed.test' }]) {
      const answer = await ask(new Request(`${origin}/events/tick`, { method, headers }));
      const code = Object.fromEntries(answer.headers)['linefeed-code'];
      expect([answer.status, code]).toEqual([403, 'forbidden_host']);
    }
  }
  expect(context).not.toHaveBeenCalled();
});

it.each([
  [['https://app.test'], /"https:\/\/app\.test"/],
  [['app.test/'], /"app\.test\/"/],
  [['*.app.test'], /no wildcards/],
  [['user@app.test'], /"user@app\.test"/],
  [[''], /""/],
  [['app.test:99999'], /"app\.test:99999"/],
  [[7], /not 7/],
  [[], /at least one/],
  [{}, /must be a list/],
  ['localhost', /hosts must be a list/],
])('the option hosts is refused with the value %j', (hosts, message) => {
  expect(() => createBench({ hosts: hosts as unknown as string[] })).toThrow(message);
});

it('an invalid Host header does not match localhost', async () => {
  const { feed, errors } = createBench({ hosts: ['localhost'], context: () => undefined });
  const server = createServer(toNodeHandler(feed)).listen(0, '127.0.0.1');
  closing.push(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const statusOf = async (host: string, path = '/events/nope'): Promise<number | undefined> => {
    const asking = httpRequest({ port, host: '127.0.0.1', path, headers: { host } }).end();
    const [response] = await once(asking, 'response');
    response.resume();
    return response.statusCode;
  };
  expect(await statusOf(`localhost:${port}`)).toBe(404);
  expect(await statusOf('evil test')).toBe(403);
  expect(await statusOf('evil.test')).toBe(403);
  // A URL with a user cannot be made into a Request for `context`.
  expect(await statusOf('user@localhost')).toBe(403);
  expect(await statusOf('localhost', 'http://user:word@localhost/events/nope')).toBe(404);
  expect(errors).toEqual([]);
});

it.each([
  [{ hosts: ['*.app.test'] }, /no wildcards/],
  [{ cors: { origins: ['*'] } }, /no wildcards/],
  [{ pingMs: -1 }, /pingMs/],
])('defineStream refuses the options %j at its call, not at the first request', (options, message) => {
  expect(() => defineStream({ ...board }, 'tick', () => [1], options)).toThrow(message);
});
