import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { askDirectly, askOver1, askOver2, EventReader, type Ask } from './contract/client.ts';

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

/** Starts a server and gives the origin that it says it is at. */
async function start(file: string): Promise<string> {
  child = spawn(process.execPath, [file], {
    cwd: import.meta.dirname,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string];
  return /http:\/\/localhost:\d+/.exec(line)![0];
}

async function expectToServe(ask: Ask): Promise<EventReader> {
  const counted = new EventReader((await ask('/countdown', { headers: { 'last-event-id': '3' } }))!);
  expect(await counted.rest()).toBe(
    ': \nretry: 2000\n\nid: 2\ndata: {"left":2}\n\nid: 1\ndata: {"left":1}\n\n',
  );
  const noticed = new EventReader((await ask('/events/notice'))!);
  await noticed.until(({ events }) => events.some(({ event }) => event === 'notice'));
  expect(noticed.events.map(({ event }) => event)).toEqual([
    'linefeed.hello',
    'linefeed.subscribed',
    'notice',
  ]);
  return noticed;
}

describe('the example for', () => {
  it.each([
    ['node:http', 'node-http.ts', askOver1],
    ['node:http2', 'node-http2.ts', askOver2],
    ['Express', 'express.ts', askOver1],
    ['Fastify', 'fastify.ts', askOver1],
    ['Koa', 'koa.ts', askOver1],
    ['Hono', 'hono.ts', askOver1],
  ])('%s serves a stream and a feed, and ends when it is told to', async (_, file, client) => {
    const reader = await expectToServe(client(await start(file)));
    const exited = once(child!, 'exit');
    child!.kill('SIGTERM');
    await reader.rest();
    expect(reader.events.at(-1)!.event).toBe('linefeed.reconnect');
    reader.reading.leave();
    expect(await exited).toEqual([0, null]);
  });

  it('a fetch handler serves a stream and a feed', async () => {
    const { handle, GET, HEAD, POST } = await import('./fetch.ts');
    const { feed } = await import('./feed.ts');
    expect([GET, HEAD, POST]).toEqual([handle, handle, handle]);
    const timer = setInterval(() => void feed.publish('notice', { text: 'now' }), 50);
    const reader = await expectToServe(askDirectly(handle));
    clearInterval(timer);
    reader.reading.leave();
  });

  it('reloads keeps one feed', async () => {
    const { feed } = await import('./feed.ts');
    vi.resetModules();
    const reloaded = await import('./feed.ts');
    expect(reloaded.feed).toBe(feed);
    await feed.close();
  });
});
