import { LinefeedError, type AnyChannel } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { createScript } from '../../../test/scripted-client.ts';
import { createClient, type ClientOptions } from './client.ts';

const run = '00000lfls0000000a';

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

/** A client whose requests get one response. */
function create(respond: () => Response | Promise<Response>, options: Partial<ClientOptions> = {}) {
  const sent: Sent[] = [];
  const client = createClient<AnyChannel>({
    url: 'http://feed.test/events?tenant=x',
    fetch: async (url, init) => {
      sent.push({ url: url as string, init: init! });
      return respond();
    },
    ...options,
  });
  return { client, sent };
}

const problem = (status: number, code: string) =>
  new Response(JSON.stringify({ title: 'No.', status, code }), {
    status,
    headers: { 'content-type': 'application/problem+json', 'linefeed-code': code },
  });

describe('stop', () => {
  it('stop sends one POST with the address, and resolves with the run and its outcome', async () => {
    const { client, sent } = create(() => Response.json({ run, outcome: 'stopped' }), {
      headers: async () => ({ authorization: 'Bearer t' }),
      credentials: 'include',
    });
    const options = { run, reason: 'user' };
    expect(await client.stop('answer', { chat: 'a b' }, options)).toEqual({ run, outcome: 'stopped' });
    expect(sent).toHaveLength(1);
    const [{ url, init }] = sent as [Sent];
    expect(url).toBe('http://feed.test/events?tenant=x');
    expect(init).toMatchObject({ method: 'POST', credentials: 'include' });
    expect(new Headers(init.headers).get('authorization')).toBe('Bearer t');
    expect(JSON.parse(init.body as string)).toEqual({ stop: { address: 'answer?chat=a%20b', ...options } });
  });

  it('stop without params and options sends the address alone, and opens no connection', async () => {
    const { client, sent } = create(() => Response.json({ run, outcome: 'done' }));
    expect(await client.stop('job', undefined)).toEqual({ run, outcome: 'done' });
    expect(JSON.parse(sent[0]!.init.body as string)).toEqual({ stop: { address: 'job' } });
    expect(client.connection.getSnapshot().state).toBe('idle');
  });

  it('stop resolves with undefined when no run is running', async () => {
    const { client } = create(() => Response.json({ run: null }));
    expect(await client.stop('job', undefined)).toBeUndefined();
  });

  it.each([
    [403, 'forbidden', false],
    [503, 'timeout', true],
  ] as const)(
    'stop rejects with the status and the code of a refusal: %i %s',
    async (status, code, retryable) => {
      const { client } = create(() => problem(status, code));
      await expect(client.stop('job', undefined)).rejects.toMatchObject({ status, code, retryable });
    },
  );

  it('stop rejects with wrong_content_type when something else than a feed answers', async () => {
    const { client } = create(() => new Response('<html>', { headers: { 'content-type': 'text/html' } }));
    await expect(client.stop('job', undefined)).rejects.toMatchObject({ code: 'wrong_content_type' });
  });

  it.each([
    ['a failed request', () => Promise.reject(new TypeError('offline'))],
    [
      'a body that is cut',
      () => new Response('{"run":', { headers: { 'content-type': 'application/json' } }),
    ],
  ])('stop rejects with network after %s, and may be called again', async (_, respond) => {
    const { client } = create(respond);
    await expect(client.stop('job', undefined)).rejects.toMatchObject({ code: 'network', retryable: true });
  });

  it('stop rejects with the reason of its signal when that is aborted', async () => {
    const controller = new AbortController();
    const { client, sent } = create(() => {
      const { signal } = sent[0]!.init;
      return new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)));
    });
    const stopping = client.stop('job', undefined, { signal: controller.signal });
    const reason = new Error('left');
    controller.abort(reason);
    await expect(stopping).rejects.toBe(reason);
  });

  it('stop rejects for params that no address can contain, and for an unknown option', async () => {
    const { client, sent } = create(() => Response.json({ run: null }));
    await expect(client.stop('job', { a: '\uD800' })).rejects.toMatchObject({ code: 'invalid_params' });
    const wrong = { why: 'user' } as object;
    await expect(client.stop('job', undefined, wrong)).rejects.toMatchObject({ code: 'invalid_option' });
    expect(sent).toEqual([]);
  });

  it('stop rejects after close', async () => {
    const { client } = createScript();
    client.close();
    await expect(client.stop('job', undefined)).rejects.toThrow(
      new LinefeedError('closed', 'The client is closed: job cannot be stopped.'),
    );
  });
});
