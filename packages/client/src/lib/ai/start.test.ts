import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { UIMessage } from 'ai';
import { expect, onTestFinished, test } from 'vitest';
import { startByPost, type StartRequest } from './start.ts';

const REQUEST: StartRequest = {
  trigger: 'submit-message',
  chatId: 'c1',
  messageId: undefined,
  messages: [{ id: 'u1', role: 'user', parts: [] } satisfies UIMessage],
  abortSignal: undefined,
  key: 'k1',
};

/** Starts a server. Returns a URL and the requests. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<{ url: string; bodies: unknown[]; headers: IncomingMessage['headers'][] }> {
  const bodies: unknown[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const server = createServer(async (request, response) => {
    headers.push(request.headers);
    bodies.push(await json(request));
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/chat`, bodies, headers };
}

test('the default request posts the body of the AI SDK and the key, and reads the run', async () => {
  const { url, bodies, headers } = await serve((_, response) => response.end('{"run":"r1","joined":false}'));
  const start = startByPost(url);
  const headersOfChat = { authorization: 'Bearer t' };
  expect(await start({ ...REQUEST, headers: headersOfChat, body: { model: 'x' }, metadata: 1 })).toEqual({
    run: 'r1',
  });
  expect(bodies).toEqual([
    { id: 'c1', messages: REQUEST.messages, trigger: 'submit-message', key: 'k1', model: 'x' },
  ]);
  expect(headers[0]).toMatchObject({ 'content-type': 'application/json', authorization: 'Bearer t' });
});

test('the body of a refusal is the message that the chat shows', async () => {
  const { url } = await serve((_, response) => response.writeHead(409).end('Another answer is running.'));
  await expect(startByPost(url)(REQUEST)).rejects.toMatchObject({
    code: 'http_status',
    message: 'Another answer is running.',
    status: 409,
  });
  const empty = await serve((_, response) => response.writeHead(500).end());
  await expect(startByPost(new URL(empty.url))(REQUEST)).rejects.toThrow('answered with 500');
});

test('an answer without a run is an error', async () => {
  for (const body of ['', 'null', '{}', '<p>']) {
    const { url } = await serve((_, response) => response.end(body));
    await expect(startByPost(url)(REQUEST)).rejects.toMatchObject({ code: 'protocol', body });
  }
});

test('the default request does not end when its reader leaves', async () => {
  const controller = new AbortController();
  let isCut = false;
  const { url } = await serve((request, response) => {
    controller.abort();
    request.socket.on('close', () => (isCut = !response.writableFinished));
    response.end('{"run":"r1"}');
  });
  expect(await startByPost(url)({ ...REQUEST, abortSignal: controller.signal })).toEqual({ run: 'r1' });
  expect(isCut).toBe(false);
});
