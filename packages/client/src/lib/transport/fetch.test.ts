import type { AnyChannel, LinefeedError } from '@linefeed/shared';
import { parseEntry } from '@linefeed/shared/wire';
import { describe, expect, it, vi } from 'vitest';
import { frame, hello, subscribed } from '../../../test/frames.ts';
import { createScriptedServer, type Exchange, type ScriptedServer } from '../../../test/scripted-server.ts';
import { until } from '../../../test/until.ts';
import { createClient, type ClientOptions } from '../client/client.ts';
import { fetchTransport } from './fetch.ts';

const QUICK = { retry: { baseMs: 1, floorMs: 1, capMs: 5 } };

/** Opens a client of a scripted server. Returns its payloads and its first request. */
async function open(options: Partial<ClientOptions> = {}, topics: readonly string[] = ['a']) {
  const server = await createScriptedServer();
  const got: unknown[] = [];
  const client = createClient<AnyChannel>({ url: server.url, onError: () => {}, ...QUICK, ...options });
  for (const topic of topics) client.subscribe(topic, (payload: unknown) => got.push(payload));
  return {
    server,
    client,
    got,
    first: await server.next(),
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Resolves once `count` payloads have arrived. */
async function received(got: readonly unknown[], count: number): Promise<void> {
  while (got.length < count) await new Promise((resolve) => setImmediate(resolve));
}

const EVENTS = [1, 2, 3].map((position) =>
  frame('a', { text: `é😀 ${position}` }, `e.${position}.${position - 1}`),
);
const PAYLOADS = [1, 2, 3].map((position) => ({ text: `é😀 ${position}` }));

describe('fetchTransport: the request', () => {
  it('fetchTransport sends a GET with the list after the query of the url', async () => {
    const server = await createScriptedServer();
    const client = createClient<AnyChannel>({ url: `${server.url}?token=t`, ...QUICK });
    client.subscribe('price', { symbol: 'A&B' }, () => {}, { from: 'earliest' });
    client.subscribe('notice', () => {});
    const { request, url } = await server.next();
    expect(request.method).toBe('GET');
    expect([...url.searchParams]).toEqual([
      ['token', 't'],
      ['topic', 'price?symbol=A%26B&from=earliest&key=1'],
      ['topic', 'notice?from=now&key=2'],
    ]);
    expect(request.headers).toMatchObject({ accept: 'text/event-stream' });
    expect(request.headers['last-event-id']).toBeUndefined();
    client.close();
    await server[Symbol.asyncDispose]();
  });

  it('fetchTransport sends the same request on a platform without URLSearchParams', async () => {
    const urls: string[] = [];
    vi.stubGlobal('URLSearchParams', undefined);
    const client = createClient<AnyChannel>({
      url: 'http://feed.test/events',
      fetch: async (url) => {
        urls.push(url as string);
        return new Response(null, { status: 204 });
      },
    });
    client.subscribe('price', { symbol: 'A B' }, () => {}, { from: 'e.1' });
    await until(client, ({ state }) => state === 'closed');
    expect(urls).toEqual(['http://feed.test/events?topic=price%3Fsymbol%3DA%2520B%26from%3De.1%26key%3D1']);
  });

  it('fetchTransport sends a long list by POST, with a content type that needs no preflight', async () => {
    const topics = Array.from({ length: 100 }, (_, index) => `topic-${index}-of-a-hundred`);
    await using scene = await open({}, topics);
    const { request, body, url } = scene.first;
    expect(request.method).toBe('POST');
    expect(url.search).toBe('');
    expect(request.headers['content-type']).toBe('text/plain;charset=UTF-8');
    expect((JSON.parse(body) as { topics: object[] }).topics).toHaveLength(100);
  });

  it('fetchTransport calls headers again for each attempt', async () => {
    let token = 0;
    await using scene = await open({ headers: async () => ({ authorization: `Bearer ${(token += 1)}` }) });
    expect(scene.first.request.headers.authorization).toBe('Bearer 1');
    scene.first.response.writeHead(401).end();
    const second = await scene.server.next();
    expect(second.request.headers.authorization).toBe('Bearer 2');
    second.stream(hello('e.0'));
    await until(scene.client, ({ state }) => state === 'connected');
  });

  it('fetchTransport tries again when headers throws', async () => {
    let calls = 0;
    await using scene = await open({
      headers() {
        calls += 1;
        if (calls === 1) throw new Error('no token yet');
        return {};
      },
    });
    expect(calls).toBe(2);
    expect(scene.first.request.method).toBe('GET');
  });

  it('fetchTransport reports failing headers once per outage', async () => {
    const errors: LinefeedError[] = [];
    let calls = 0;
    const headers = () => {
      calls += 1;
      if (calls !== 4) throw new Error(`no token at call ${calls}`);
      return {};
    };
    await using scene = await open({ headers, onError: (error) => errors.push(error) });
    expect(errors).toMatchObject([{ code: 'invalid_option', retryable: true }]);
    expect(errors[0]!.message).toContain('headers failed, trying again: Error: no token at call 1');
    scene.first.stream(hello('e.0'));
    await until(scene.client, ({ state }) => state === 'connected');
    scene.first.cut();
    await until(scene.client, ({ attempt }) => attempt > 8);
    expect(errors).toHaveLength(2);
    expect(errors[1]!.message).toContain('call 5');
  });

  it.each([
    ['relative', '/events'],
    ['malformed', 'http://localhost:port/events'],
  ])('fetchTransport fails on a %s url without a page, with a message that names the fix', async (_, url) => {
    const errors: LinefeedError[] = [];
    const client = createClient<AnyChannel>({ url, onError: (error) => errors.push(error) });
    client.subscribe('a', () => {});
    const { error } = await until(client, ({ state }) => state === 'failed');
    expect(error).toMatchObject({ code: 'invalid_option' });
    expect(error!.message).toBe(`url must be valid, without a page absolute: ${url}.`);
    await received(errors, 1);
    expect(errors).toEqual([error]);
    client.close();
  });

  it('fetchTransport passes the credentials option to fetch', async () => {
    const given: Array<RequestCredentials | undefined> = [];
    const record: typeof fetch = (url, init) => {
      given.push(init?.credentials);
      return fetch(url, init);
    };
    await using _with = await open({ credentials: 'include', fetch: record });
    await using _without = await open({ fetch: record });
    expect(given).toEqual(['include', undefined]);
  });

  it('fetchTransport aborts its request when the client is closed', async () => {
    await using scene = await open();
    scene.first.stream(hello('e.0'));
    await until(scene.client, ({ state }) => state === 'connected');
    scene.client.close();
    await scene.first.closed;
    expect(scene.first.response.writableFinished).toBe(false);
  });

  it('fetchTransport changes an open connection by a separate POST', async () => {
    await using scene = await open({ headers: { 'x-mine': '1' } });
    scene.first.stream(hello('e.0') + subscribed('a', 0));
    await until(scene.client, ({ state }) => state === 'connected');
    const added = scene.client.subscribe('b', () => {});
    const control = await scene.server.next();
    expect(control.request.headers['x-mine']).toBe('1');
    expect(JSON.parse(control.body)).toEqual({
      connection: 'connection-1',
      n: 1,
      add: [{ address: 'b', key: '2', from: 'now' }],
      remove: [],
    });
    control.response.writeHead(202).end();
    scene.first.write(subscribed('b', 0, { n: 1 }));
    await added.ready;
  });
});

describe('fetchTransport: the response', () => {
  for (const status of [400, 401, 403, 404, 406, 410]) {
    it(`the client fails on ${status}, with the start of the body`, async () => {
      await using scene = await open();
      const refuse = ({ response }: Exchange) =>
        response.writeHead(status).end(`{"code":"x"}${'.'.repeat(600)}`);
      refuse(scene.first);
      if (status === 401) refuse(await scene.server.next());
      const { error } = await until(scene.client, ({ state }) => state === 'failed');
      expect(error).toMatchObject({ code: 'http_status', status });
      expect(error!.body).toHaveLength(500);
      expect(error!.message).toContain(`answered ${status} (null): {"code":"x"}`);
      expect(error!.message).toMatch(/^Check url, headers and credentials: http/);
    });
  }

  const PROBLEM = { title: 'There is no topic "a".', status: 404, code: 'unknown_topic' };

  it('the client fails on a problem document with its code, its title and the issues of a schema', async () => {
    await using scene = await open();
    const issues = [{ message: 'x'.repeat(5_000), path: ['symbol'] }];
    const text = JSON.stringify({ ...PROBLEM, issues });
    const { response } = scene.first;
    response.writeHead(404, { 'content-type': 'application/problem+json' });
    // The document arrives in two pieces. Half of it has no code.
    response.write(text.slice(0, 10));
    setTimeout(() => response.end(text.slice(10)), 20);
    const { error, reason } = await until(scene.client, ({ state }) => state === 'failed');
    expect(error).toMatchObject({ code: 'unknown_topic', status: 404, retryable: false, issues });
    expect(error!.message).toBe(
      `There is no topic "a". (http://${response.req.headers.host}${response.req.url} answered 404 unknown_topic)`,
    );
    expect(reason).toBe('unknown_topic');
  });

  for (const [body, code] of [
    [JSON.stringify({ ...PROBLEM, status: 503, code: 'busy' }), 'busy'],
    ['{"code":7}', 'http_status'],
    ['null', 'http_status'],
    ['{"code":', 'http_status'],
  ] as const) {
    it(`the problem document ${body} has code ${code}, and its status decides whether the client retries`, async () => {
      await using scene = await open();
      const first = until(scene.client, ({ error }) => error !== undefined);
      scene.first.response.writeHead(503, { 'content-type': 'application/problem+json' }).end(body);
      expect((await first).error).toMatchObject({ code, status: 503, retryable: true });
    });
  }

  it('a response keeps its status when its body is cut', async () => {
    await using scene = await open();
    scene.first.response.writeHead(403, { 'content-length': '100' }).flushHeaders();
    setTimeout(() => scene.first.cut(), 20);
    const { error } = await until(scene.client, ({ state }) => state === 'failed');
    expect(error).toMatchObject({ code: 'http_status', status: 403, body: '' });
  });

  it('a response keeps its status when its body never arrives', async () => {
    await using scene = await open({ connectTimeoutMs: 8_000 });
    scene.first.response.writeHead(403).flushHeaders();
    const { error } = await until(scene.client, ({ state }) => state === 'failed');
    expect(error).toMatchObject({ code: 'http_status', status: 403, body: '' });
    await scene.first.closed;
  });

  for (const status of [408, 425, 429, 500, 502, 503]) {
    it(`the client retries on ${status}`, async () => {
      await using scene = await open();
      scene.first.response.writeHead(status).end();
      const { response } = await scene.server.next();
      response.writeHead(status).end();
      const third = await scene.server.next();
      third.stream(hello('e.0'));
      const { attempt } = await until(scene.client, ({ state }) => state === 'connected');
      expect(attempt).toBe(3);
    });
  }

  it('the client waits as long as Retry-After requires, in seconds or as a date', async () => {
    await using scene = await open();
    scene.first.response.writeHead(503, { 'retry-after': '7' }).end();
    expect((await until(scene.client, ({ retryInMs }) => retryInMs !== undefined)).retryInMs).toBe(7_000);
    scene.client.reconnect();
    const second = await scene.server.next();
    second.response.writeHead(429, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }).end();
    const { retryInMs } = await until(scene.client, (snapshot) => snapshot.retryInMs !== undefined);
    expect(retryInMs).toBeGreaterThan(58_000);
    expect(retryInMs).toBeLessThanOrEqual(61_000);
  });

  it('a Retry-After date is compared with the Date of the response when the local clock is slow or fast', async () => {
    await using scene = await open();
    const wait = async ({ response }: Exchange, shiftMs: number, waitMs = 7_000) => {
      const at = Date.now() + shiftMs;
      const headers = {
        date: new Date(at).toUTCString(),
        'retry-after': new Date(at + waitMs).toUTCString(),
      };
      response.writeHead(503, headers).end();
      return (await until(scene.client, ({ retryInMs }) => retryInMs !== undefined)).retryInMs;
    };
    expect(await wait(scene.first, 3_600_000)).toBe(7_000);
    scene.client.reconnect();
    expect(await wait(await scene.server.next(), -3_600_000)).toBe(7_000);
    scene.client.reconnect();
    expect(await wait(await scene.server.next(), 3_600_000, 0)).toBeLessThan(7_000);
  });

  it('a Retry-After date without a Date causes a wait of five minutes at most', async () => {
    const headers = { 'retry-after': 'Fri, 31 Dec 2999 23:59:59 GMT' };
    const client = createClient<AnyChannel>({
      url: 'http://feed.test/events',
      fetch: async () => new Response('', { status: 503, headers }),
    });
    client.subscribe('a', () => {});
    expect((await until(client, ({ retryInMs }) => retryInMs !== undefined)).retryInMs).toBe(300_000);
    client.close();
  });

  it('the client closes on 204', async () => {
    await using scene = await open();
    scene.first.response.writeHead(204).end();
    const { previous, reason } = await until(scene.client, ({ state }) => state === 'closed');
    expect({ previous, reason }).toEqual({ previous: 'connecting', reason: 'finished' });
    expect(scene.server.unread()).toBe(0);
  });

  it('the client fails on a wrong content type, and accepts the right one in any spelling', async () => {
    await using scene = await open();
    scene.first.response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>');
    const { error } = await until(scene.client, ({ state }) => state === 'failed');
    expect(error).toMatchObject({ code: 'wrong_content_type', body: '<h1>' });
    expect(error!.message).toMatch(/^Is this the url of a feed\? http.* answered 200 \(text\/html\): <h1>$/);
    for (const type of ['TEXT/Event-Stream', 'text/event-stream ;charset=latin1']) {
      scene.client.reconnect();
      const { response } = await scene.server.next();
      response.writeHead(200, { 'content-type': type }).write(hello('e.0'));
      await until(scene.client, ({ state }) => state === 'connected');
    }
  });

  it('the client retries when the TCP connection is refused', async () => {
    const client = createClient<AnyChannel>({ url: 'http://127.0.0.1:1/', ...QUICK });
    client.subscribe('a', () => {});
    const { error } = await until(client, ({ attempt, retryInMs }) => attempt > 2 && retryInMs !== undefined);
    expect(error).toMatchObject({ code: 'network', retryable: true });
    expect(error!.message).toContain('Check the server, and CORS.');
    client.close();
  });
});

describe('fetchTransport: the stream', () => {
  const whole = hello('e.0') + subscribed('a', 0) + EVENTS.join('');

  it('a stream resumes after a cut at any byte, with no event missing and none twice', async () => {
    await using scene = await open();
    let exchange = scene.first;
    let position = 0;
    // Three events per response, each cut one byte later. Events that did not arrive completely are requested again.
    const events = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => from + index + 1)
        .map((at) => frame('a', { text: `é😀 ${at}` }, `e.${at.toString(36)}.${(at - 1).toString(36)}`))
        .join('');
    const head = (at: number) => {
      const cursor = `e.${at.toString(36)}`;
      return hello(cursor) + subscribed('a', 0, { cursor, tail: cursor });
    };
    const length = Buffer.byteLength(head(0) + events(0, 3));
    for (let cut = 1; cut < length; cut += 1) {
      const bytes = Buffer.from(head(position) + events(position, position + 3)).subarray(0, cut);
      exchange.response.writeHead(200, { 'content-type': 'text/event-stream' }).end(bytes);
      exchange = await scene.server.next();
      const { searchParams } = exchange.url;
      const asked = searchParams.get('last_event_id') ?? parseEntry(searchParams.get('topic')!)!.from!;
      // No complete event arrived: the request is the same as before.
      const from = asked === 'now' ? position : Number.parseInt(asked.slice(2), 36);
      expect(from - position).toBeGreaterThanOrEqual(0);
      expect(from - position).toBeLessThanOrEqual(3);
      position = from;
    }
    expect(scene.got).toEqual(Array.from({ length: position }, (_, index) => ({ text: `é😀 ${index + 1}` })));
    expect(position).toBeGreaterThan(100);
  });

  for (const [name, ending] of [
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ] as const) {
    it(`a stream may end its lines with ${name}, split over chunks`, async () => {
      await using scene = await open();
      scene.first.stream('');
      for (const byte of Buffer.from(whole.replaceAll('\n', ending))) scene.first.write(Uint8Array.of(byte));
      await received(scene.got, 3);
      expect(scene.got).toEqual(PAYLOADS);
    });
  }

  it('a stream may start with one BOM, and a second BOM invalidates its first line', async () => {
    await using scene = await open();
    scene.first.stream(`\uFEFF${whole}`);
    await received(scene.got, 3);
    scene.client.reconnect();
    const second = await scene.server.next();
    second.stream(`\uFEFF\uFEFFevent: linefeed.ping\ndata: {}\n\n${hello('e.3')}${subscribed('a', 3)}`);
    second.write(frame('a', { text: 'after' }, 'e.4.3'));
    await received(scene.got, 4);
    expect(scene.got.at(-1)).toEqual({ text: 'after' });
  });

  it('a stream that stops without an end is detected as silent', async () => {
    await using scene = await open();
    scene.first.stream(hello('e.0', { pingMs: 20, timeoutMs: 60 }) + subscribed('a', 0));
    const second = await scene.server.next();
    await scene.first.closed;
    expect(second.url.searchParams.get('last_event_id')).toBe('e.0');
  });

  it('a large frame that arrives slowly does not count as silence', async () => {
    await using scene = await open();
    scene.first.stream(hello('e.0', { pingMs: 200, timeoutMs: 600 }) + subscribed('a', 0));
    const large = Buffer.from(frame('a', 'x'.repeat(40), 'e.1.0'));
    for (let offset = 0; offset < large.length; offset += 6) {
      scene.first.write(large.subarray(offset, offset + 6));
      await new Promise((resolve) => setTimeout(resolve, 80));
    }
    await received(scene.got, 1);
    expect(scene.client.connection.getSnapshot()).toMatchObject({ state: 'connected', connectionCount: 1 });
  });

  it('a stream resumes when its body is truncated', async () => {
    await using scene = await open();
    scene.first.stream(whole);
    await received(scene.got, 3);
    scene.first.cut();
    const second = await scene.server.next();
    expect(second.url.searchParams.get('last_event_id')).toBe('e.3');
  });

  for (const [name, text] of [
    ['in one line', `data: ${'x'.repeat(2_000)}`],
    ['in many lines', `data: xxxxxxxxxxxxxxxxx\n`.repeat(200)],
    ['with its end', `data: ${'x'.repeat(2_000)}\n\n`],
  ] as const) {
    it(`the client fails on a frame longer than maxFrameLength, ${name}`, async () => {
      await using scene = await open({ transport: fetchTransport({ maxFrameLength: 1_000 }) });
      scene.first.stream(hello('e.0') + text);
      const { error } = await until(scene.client, ({ state }) => state === 'failed');
      expect(error).toMatchObject({ code: 'protocol' });
      expect(error!.message).toContain('1000');
      await scene.first.closed;
    });
  }

  it('fetchTransport stops reading while a queue is full', async () => {
    const server = await createScriptedServer();
    let bytes = 0;
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength;
        controller.enqueue(chunk);
      },
    });
    const client = createClient<AnyChannel>({
      url: server.url,
      maxQueuedEvents: 10,
      ...QUICK,
      async fetch(url, init) {
        const { body, headers } = await fetch(url, init);
        return new Response(body!.pipeThrough(count), { headers });
      },
    });
    let finish = () => {};
    let handled = 0;
    client.subscribe('a', () => {
      handled += 1;
      return new Promise<void>((resolve) => (finish = resolve));
    });
    const exchange = await server.next();
    exchange.stream(hello('e.0') + subscribed('a', 0));
    await until(client, ({ state }) => state === 'connected');
    const text = 'x'.repeat(64 * 1024);
    // Far more than all buffers together can hold.
    const total = 512;
    for (let position = 1; position <= total; position += 1) {
      exchange.write(frame('a', text, `e.${position.toString(36)}.${(position - 1).toString(36)}`));
    }
    // The client reads until its buffers and the queue are full. Then `bytes` no longer changes.
    let before = -1;
    while (before !== bytes || bytes < 10 * text.length) {
      before = bytes;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(bytes).toBeLessThan((total * text.length) / 8);
    while (handled < total) {
      finish();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bytes).toBeGreaterThan(total * text.length);
    expect(client.connection.getSnapshot().connectionCount).toBe(1);
    client.close();
    await (server satisfies ScriptedServer)[Symbol.asyncDispose]();
  });
});
