import { EventEmitter, once } from 'node:events';
import { createServer, connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { findLeaks, forgetLeaks } from './vitest-setup.ts';

afterEach(forgetLeaks);

test('a timer that no code cleared is named with its test', async () => {
  const timer = setTimeout(() => {}, 60_000);
  expect(await findLeaks(0)).toEqual([
    'a timer of 60000 ms, opened by: a timer that no code cleared is named with its test',
  ]);
  clearTimeout(timer);
  expect(await findLeaks(0)).toEqual([]);
});

test('a fired timer and a cleared interval are not leaks', async () => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  clearInterval(setInterval(() => {}, 1));
  expect(await findLeaks(0)).toEqual([]);
});

test('sockets and servers are leaks until they are closed', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const socket = connect(port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [ReturnType<typeof connect>];
  expect((await findLeaks(0)).map((leak) => leak.replace(/ to \S+?,/, ','))).toEqual([
    'a listening server, opened by: sockets and servers are leaks until they are closed',
    'a client socket, opened by: sockets and servers are leaks until they are closed',
    'a server socket, opened by: sockets and servers are leaks until they are closed',
  ]);
  socket.destroy();
  accepted.destroy();
  server.close();
  expect(await findLeaks()).toEqual([]);
});

test('more listeners than the limit of Node are a leak', async () => {
  const target = new EventEmitter();
  for (let n = 0; n < 11; n += 1) target.on('news', () => n);
  await new Promise((resolve) => setImmediate(resolve));
  expect(await findLeaks(0)).toEqual([expect.stringContaining('memory leak')]);
});
