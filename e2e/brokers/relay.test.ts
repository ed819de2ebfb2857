/** The relay simulates the failures of a network. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRelay, type Relay } from '../../packages/server/test-kit/brokers/relay.ts';

const sockets: Socket[] = [];
const echo = createServer((socket) => {
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.pipe(socket);
});
let relay: Relay;

beforeAll(async () => {
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  relay = await startRelay((echo.address() as { port: number }).port);
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await relay.close();
  echo.close();
});

async function open(): Promise<Socket> {
  const socket = connect(relay.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the socket has ended, in order or not. */
async function ended(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

async function answer(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

test('a relay passes bytes, and a cut resets its connections alone', async () => {
  const socket = await open();
  expect(await answer(socket, 'a')).toBe('a');
  const failed = ended(socket);
  relay.cut();
  await failed;
  expect(await answer(await open(), 'b')).toBe('b');
});

test('a relay that is a black hole closes nothing and passes nothing', async () => {
  const socket = await open();
  expect(await answer(socket, 'a')).toBe('a');
  let received = '';
  let closed = false;
  socket.on('data', (chunk) => (received += String(chunk)));
  socket.on('close', () => (closed = true));
  relay.blackHole();
  socket.write('lost');
  await new Promise((resolve) => setTimeout(resolve, 100));
  relay.pass();
  expect({ received, closed }).toEqual({ received: '', closed: false });
  expect(await answer(await open(), 'b')).toBe('b');
});

test('a relay that refuses resets new connections', async () => {
  relay.refuse();
  await ended(connect(relay.port, '127.0.0.1'));
  relay.pass();
  expect(await answer(await open(), 'a')).toBe('a');
});

test('a relay delays the bytes of one direction, in their order', async () => {
  const socket = await open();
  relay.delay(60, 'toClient');
  const start = performance.now();
  socket.write('a');
  expect(await answer(socket, 'b')).toMatch(/^a/);
  expect(performance.now() - start).toBeGreaterThan(50);
  relay.pass();
});

test('a relay makes its connections half-open, and passes new ones', async () => {
  const socket = await open();
  expect(await answer(socket, 'a')).toBe('a');
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  relay.halfOpen();
  socket.write('lost');
  expect(await answer(await open(), 'b')).toBe('b');
  for (const other of sockets) if (other.remotePort !== relay.port) other.end();
  expect(await answer(await open(), 'c')).toBe('c');
  expect([heard, socket.closed, socket.readableEnded]).toEqual(['', false, false]);
  socket.destroy();
});

test('a relay loses the next answer of its connections, which the server has sent, and resets them', async () => {
  const socket = await open();
  expect(await answer(socket, 'a')).toBe('a');
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  const failed = ended(socket);
  relay.loseAnswers();
  socket.write('lost');
  expect(await answer(await open(), 'b')).toBe('b');
  await failed;
  expect(heard).toBe('');
});
