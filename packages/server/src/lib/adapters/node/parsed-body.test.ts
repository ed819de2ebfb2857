import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createBench } from '../../../../test-kit/feed-bench.ts';
import { toNodeHandler, type NodeRequest, type NodeResponse } from './node-handler.ts';

const OPENING = JSON.stringify({ topics: [{ address: 'tick' }] });
const FORM = 'application/x-www-form-urlencoded';

const leftOpen: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of leftOpen.splice(0)) await close();
});

type Parse = (req: NodeRequest) => unknown;
type Parsing = (text: string, req: NodeRequest) => unknown;

/** Reads the whole body like a body parser, and sets `body` to the result of `parse`. */
function reading(parse: Parsing): Parse {
  return async (req) => {
    let text = '';
    for await (const chunk of req) text += String(chunk);
    const body = parse(text, req);
    if (body !== undefined) Object.assign(req, { body });
  };
}

async function listen(server: Server | Http2Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  leftOpen.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
}

interface Answered {
  readonly status: number;
  readonly code?: string | undefined;
  readonly title?: string | undefined;
}

async function read(status: number, text: string): Promise<Answered> {
  return status === 200 ? { status } : { status, ...JSON.parse(text) };
}

/** A feed on Node, with `parse` run before it. */
async function serve(parse: Parse) {
  const { feed, errors } = createBench({ maxRequestBytes: 1_000 });
  const handler = toNodeHandler(feed);
  const listener = async (req: NodeRequest, res: NodeResponse): Promise<void> => {
    await parse(req);
    handler(req, res);
  };
  leftOpen.push(() => feed.close());
  return {
    errors,
    async ask(body: string, headers: Record<string, string> = {}): Promise<Answered> {
      const url = await listen(createServer((req, res) => void listener(req, res)));
      const response = await fetch(url, { method: 'POST', body, headers });
      if (response.status !== 200) return read(response.status, await response.text());
      await response.body!.cancel();
      return { status: 200 };
    },
    async askOver2(body: string): Promise<Answered> {
      const url = await listen(createHttp2Server((req, res) => void listener(req, res)));
      const session = connectHttp2(url);
      leftOpen.push(() => session.destroy());
      const stream = session.request({ ':method': 'POST', ':path': '/events' });
      stream.end(body);
      const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
      let text = '';
      if (headers[':status'] !== 200) for await (const chunk of stream) text += String(chunk);
      return read(headers[':status'], text);
    },
  };
}

describe('the body of a POST after a body parser', () => {
  it.each([
    ['a string', (text: string) => text],
    ['a Buffer', (text: string) => Buffer.from(text)],
    ['bytes', (text: string) => new TextEncoder().encode(text)],
    ['an object', (text: string): unknown => JSON.parse(text)],
  ])('the body of a POST is taken from req.body if it is %s', async (_name, parse) => {
    const { ask, askOver2, errors } = await serve(reading(parse));
    expect([await ask(OPENING), await askOver2(OPENING)]).toEqual([{ status: 200 }, { status: 200 }]);
    expect(errors).toEqual([]);
  });

  it('a body from req.body has the same size limit as an unread body', async () => {
    const long = JSON.stringify({ topics: [{ address: 'x'.repeat(1_000) }] });
    for (const parse of [(text: string) => text, (text: string): unknown => JSON.parse(text)]) {
      const { ask } = await serve(reading(parse));
      expect(await ask(long)).toMatchObject({ status: 413, code: 'payload_too_large' });
    }
  });

  it.each([
    ['was read and discarded', reading(() => undefined), 'text/plain'],
    ['was parsed as a form', reading((text) => Object.fromEntries(new URLSearchParams(text))), FORM],
    [
      'was read in part',
      async (req: NodeRequest) => {
        await once(req, 'data');
        req.pause();
      },
      'text/plain',
    ],
  ])(
    'a POST whose body %s gets 400 with the remedy, and onError is called once',
    async (_name, parse, type) => {
      const { ask, errors } = await serve(parse);
      for (let time = 0; time < 3; time += 1) {
        const answered = await ask(OPENING, { 'content-type': type });
        expect(answered).toMatchObject({ status: 400, code: 'bad_request' });
        expect(answered.title).toMatch(/body.*was read before.*req\.body/);
      }
      expect(errors).toMatchObject([{ code: 'bad_request' }]);
    },
  );

  it('an empty body that was read before is not reported as lost', async () => {
    const { ask, errors } = await serve((req) => void (req as IncomingMessage).resume());
    expect(await ask('')).toMatchObject({ status: 400, title: expect.stringContaining('must be JSON') });
    expect(errors).toEqual([]);
  });

  it.each([
    ['already read', (request: Request) => request.text()],
    ['being read', (request: Request) => request.body!.getReader()],
  ])('a fetch-style POST whose body is %s gets 400 with the remedy', async (_name, take) => {
    const { feed, errors } = createBench();
    for (let time = 0; time < 2; time += 1) {
      const request = new Request('http://feed.test/events', { method: 'POST', body: OPENING });
      await take(request);
      const response = await feed.handle(request);
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { code: 'bad_request', title: expect.stringMatching(/body.*was read before.*new Request/) },
      ]);
    }
    expect(errors).toMatchObject([{ code: 'bad_request' }]);
  });
});

it('a GET without topics gets an error that names a redirect from POST as a possible cause', async () => {
  const { ask } = createBench();
  const { status, body } = await ask('/events');
  expect([status, JSON.parse(body as string)]).toMatchObject([
    400,
    { code: 'bad_request', title: expect.stringMatching(/topic.*POST.*redirect.*GET/) },
  ]);
  const posted = await ask('/events', { method: 'POST', body: '{"topics":[]}' });
  expect(posted.body).not.toContain('redirect');
});
