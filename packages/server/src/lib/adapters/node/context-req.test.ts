import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { board, createBench } from '../../../../test-kit/feed-bench.ts';
import { defineStream } from '../../feed/define-stream.ts';
import { toNodeHandler, type NodeRequest, type NodeResponse } from './node-handler.ts';

/** A request with the session that middleware has added. */
type WithSession = NodeRequest & { session: { user: string } };

const leftOpen: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of leftOpen.splice(0)) await close();
});

async function listen(server: Server | Http2Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  leftOpen.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A feed after middleware that copies the header `user` to a session. */
function createListener(
  seen: unknown[],
): (req: IncomingMessage | Http2ServerRequest, res: NodeResponse) => void {
  const { feed } = createBench({
    context: (_request, _reply, { req }: { req: WithSession }) => {
      seen.push(req);
      return { user: req.session.user };
    },
    authorize: ({ context }) => context.user === 'ann',
  });
  leftOpen.push(() => feed.close());
  const handler = toNodeHandler(feed);
  return (req, res) => {
    const withSession = Object.assign(req, { session: { user: String(req.headers['user']) } });
    seen.push(withSession);
    handler(withSession, res);
  };
}

it('context gets the node:http request with the properties that middleware added', async () => {
  const seen: unknown[] = [];
  const origin = await listen(createServer(createListener(seen)));
  for (const [user, status] of [['ann', 200] as const, ['bob', 403] as const]) {
    const response = await fetch(`${origin}/events/notice`, { headers: { user } });
    expect([user, response.status]).toEqual([user, status]);
    await response.body!.cancel();
  }
  const body = JSON.stringify({ topics: [{ address: 'notice' }] });
  const posted = await fetch(`${origin}/events`, { method: 'POST', body, headers: { user: 'ann' } });
  expect(posted.status).toBe(200);
  await posted.body!.cancel();
  expect(seen).toHaveLength(6);
  expect([seen[1], seen[3], seen[5]]).toEqual([seen[0], seen[2], seen[4]]);
});

it('context gets the node:http2 request with the properties that middleware added', async () => {
  const seen: unknown[] = [];
  const session = connectHttp2(await listen(createHttp2Server(createListener(seen))));
  leftOpen.push(() => session.destroy());
  const stream = session.request({ ':path': '/events/notice', user: 'ann' });
  const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
  expect(headers[':status']).toBe(200);
  expect(seen[1]).toBe(seen[0]);
  stream.close();
});

it('context of a stream endpoint gets the Node request with the properties that middleware added', async () => {
  const users: string[] = [];
  const tick = defineStream({ ...board }, 'tick', () => [1], {
    context: (_request, _reply, { req }: { req: WithSession }) => void users.push(req.session.user),
  });
  const handler = toNodeHandler(tick);
  const listener = (req: IncomingMessage, res: NodeResponse): void =>
    handler(Object.assign(req, { session: { user: 'ann' } }), res);
  const response = await fetch(await listen(createServer(listener)));
  await response.body!.cancel();
  expect(users).toEqual(['ann']);
});

it('context gets no Node request in a fetch-style runtime', async () => {
  const given: unknown[] = [];
  const { ask } = createBench({ context: (_request, _reply, runtime) => void given.push(runtime) });
  await ask('/events/notice', { method: 'HEAD' });
  expect(given).toEqual([{ req: undefined }]);
});
