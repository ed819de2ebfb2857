import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createClient, type ClientOptions } from '@linefeed/client';
import type { board } from './channel.ts';
import { askDirectly, askOver1, askOver2, EventReader, fetchOver2, type Ask } from './contract/client.ts';

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

/** Starts a server and returns the origin that it prints. */
async function start(file: string, port = '0'): Promise<string> {
  child = spawn(process.execPath, [file], {
    cwd: import.meta.dirname,
    env: { ...process.env, PORT: port },
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

type Fetch = typeof fetch;

/** Requests of a client other than GET: changes of an open connection, and lists too long for a URL. */
async function expectToServeClient(url: string, fetch: Fetch): Promise<void> {
  const asked: Array<readonly [method: string | undefined, status: number]> = [];
  const options: ClientOptions = {
    url,
    async fetch(input, init) {
      const response = await fetch(input, init);
      asked.push([init?.method, response.status]);
      return response;
    },
  };
  const client = createClient<typeof board>(options);
  await client.subscribe('notice', () => undefined).ready;
  await client.subscribe('room', { name: 'late' }, () => undefined).ready;
  client.close();
  expect(asked.splice(0)).toEqual([
    ['GET', 200],
    ['POST', 202],
  ]);

  const other = createClient<typeof board>(options);
  const names = Array.from({ length: 100 }, (_, n) => `a room with a long name, number ${n}`);
  await Promise.all(names.map((name) => other.subscribe('room', { name }, () => undefined).ready));
  other.close();
  expect(asked).toEqual([['POST', 200]]);
}

const SERVERS = [
  ['node:http', 'node-http.ts', askOver1, fetch],
  ['node:http2', 'node-http2.ts', askOver2, fetchOver2],
  ['Express', 'express.ts', askOver1, fetch],
  ['Fastify', 'fastify.ts', askOver1, fetch],
  ['Koa', 'koa.ts', askOver1, fetch],
  ['Hono', 'hono.ts', askOver1, fetch],
] as const;

describe('example servers', () => {
  it.each(SERVERS)(
    'the %s example serves our client a late subscription and a long list of topics',
    async (_, file, _ask, fetch) => {
      await expectToServeClient(`${await start(file)}/events`, fetch);
    },
  );

  it.each(SERVERS)(
    'the %s example serves a stream and a feed, and exits on SIGTERM',
    async (_, file, client) => {
      const reader = await expectToServe(client(await start(file)));
      const exited = once(child!, 'exit');
      child!.kill('SIGTERM');
      await reader.rest();
      expect(reader.events.at(-1)!.event).toBe('linefeed.reconnect');
      reader.reading.leave();
      expect(await exited).toEqual([0, null]);
    },
  );

  it.each(SERVERS)(
    'the %s example hands its clients to the next server on its port',
    async (_, file, _ask, fetch) => {
      const origin = await start(file);
      let answers = 0;
      const client = createClient<typeof board>({
        url: `${origin}/events`,
        retry: { baseMs: 20, floorMs: 10, capMs: 100 },
        async fetch(input, init) {
          const response = await fetch(input, init);
          answers += 1;
          return response;
        },
      });
      await client.subscribe('notice', () => undefined, { onGap: () => undefined }).ready;
      const exited = once(child!, 'exit');
      child!.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      // The closed server answered the first request, and at most one that reached it before it stopped listening.
      expect(answers).toBeLessThanOrEqual(2);
      await start(file, new URL(origin).port);
      await vi.waitFor(() => expect(client.connection.getSnapshot().state).toBe('connected'), {
        timeout: 30_000,
      });
      await client.subscribe('room', { name: 'next' }, () => undefined).ready;
      client.close();
    },
  );

  it('the fetch handler example serves a stream, a feed and our client', async () => {
    const { handle, GET, HEAD, POST, OPTIONS } = await import('./fetch.ts');
    const { feed } = await import('./feed.ts');
    expect([GET, HEAD, POST, OPTIONS]).toEqual([handle, handle, handle, handle]);
    await expectToServeClient('http://bare.test/events', async (input, init) =>
      handle(new Request(input, init)),
    );
    const timer = setInterval(() => void feed.publish('notice', { text: 'now' }), 50);
    const reader = await expectToServe(askDirectly(handle));
    clearInterval(timer);
    reader.reading.leave();
  });

  it('the Fastify example adds its own headers to an event stream and to a feed', async () => {
    const ask = askOver1(await start('fastify.ts'));
    for (const path of ['/countdown', '/events/notice', '/events?topic=notice']) {
      const { status, headers, leave } = (await ask(path))!;
      expect([path, status, headers.get('x-content-type-options')]).toEqual([path, 200, 'nosniff']);
      leave();
    }
  });

  it('the feed example keeps one feed when its module is reloaded', async () => {
    const { feed } = await import('./feed.ts');
    vi.resetModules();
    const reloaded = await import('./feed.ts');
    expect(reloaded.feed).toBe(feed);
    await feed.close();
  });
});
