/** The table of docs/trpc.md, "When things go wrong": each row by both links. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { retryLink } from '@trpc/client';
import { initTRPC, tracked } from '@trpc/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { pass, record, serve, until, type Served } from './kit.ts';

const t = initTRPC.create({ isDev: false });

let failures = 0;
const router = t.router({
  count: t.procedure
    .input(z.object({ lastEventId: z.string().nullish() }).optional())
    .subscription(async function* ({ input, signal }) {
      const n = Number(input?.lastEventId ?? 0) + 1;
      yield tracked(String(n), n);
      await new Promise((resolve) => signal!.addEventListener('abort', resolve));
    }),
  broken: t.procedure.subscription(async function* () {
    failures += 1;
    yield tracked(String(failures), failures);
    throw new Error('boom');
  }),
});

let served: Served<typeof router>;
beforeEach(async () => {
  failures = 0;
  served = await serve(router, { feed: { pingMs: 100, timeoutMs: 400 } });
});
afterEach(() => served.close());

const numbers = (values: readonly unknown[]): unknown[] =>
  values.map((value) => (value as { data: unknown }).data);
const isStock = (req: IncomingMessage): boolean => req.url!.startsWith('/trpc/');

/** Makes tRPC's event stream request a reconnect after 50 ms; by default it sends no time, which means 3 s. */
function quicken(req: IncomingMessage, res: ServerResponse): void {
  if (!isStock(req)) return;
  const write = res.write.bind(res) as (chunk: string | Uint8Array, ...rest: never[]) => boolean;
  let begun = false;
  res.write = ((chunk: string | Uint8Array, ...rest: never[]) => {
    if (!begun) write('retry: 50\n\n');
    begun = true;
    return write(chunk, ...rest);
  }) as typeof res.write;
}

/** Answers the requests whose numbers are listed, counted from 1, with this status; the others pass. */
function refuse(status: number, ...counts: number[]): void {
  let count = 0;
  served.intercept((req, res) => {
    count += 1;
    quicken(req, res);
    if (!counts.includes(count)) return false;
    res.writeHead(status, { 'content-type': 'text/plain' }).end('refused');
    return true;
  });
}

describe('a cut, then one 502', () => {
  it('the stock link ends after a cut and one 502', async () => {
    refuse(502, 2);
    const { log, callbacks } = record();
    served.stock().count.subscribe(undefined, callbacks);
    await until(() => expect(numbers(log.data)).toEqual([1]));
    served.cut();
    await until(() => expect(log.errors).toHaveLength(1));
    await pass(300);
    expect(numbers(log.data)).toEqual([1]);
    expect(served.requests).toHaveLength(2);
  });

  it('the stock link with retryLink resumes after a cut and one 502', async () => {
    refuse(502, 2);
    const { log, callbacks } = record();
    const subscription = served
      .stock({}, [retryLink({ retry: () => true })])
      .count.subscribe(undefined, callbacks);
    await until(() => expect(numbers(log.data)).toEqual([1]));
    served.cut();
    await until(() => expect(numbers(log.data)).toEqual([1, 2]));
    expect(served.requests).toHaveLength(3);
    subscription.unsubscribe();
  });

  it('linefeedLink resumes after a cut and one 502', async () => {
    refuse(502, 2);
    const { log, callbacks } = record();
    const subscription = served.ours().count.subscribe(undefined, callbacks);
    await until(() => expect(numbers(log.data)).toEqual([1]));
    served.cut();
    await until(() => expect(numbers(log.data)).toEqual([1, 2]), 3_000);
    expect(log.errors).toEqual([]);
    expect(served.requests).toHaveLength(3);
    subscription.unsubscribe();
  });
});

describe('a first attempt with 401', () => {
  it('the stock link ends after one 401 without showing the status', async () => {
    refuse(401, 1);
    const { log, callbacks } = record();
    served.stock().count.subscribe(undefined, callbacks);
    await until(() => expect(log.errors).toHaveLength(1));
    await pass(300);
    expect(served.requests).toHaveLength(1);
    expect(log.data).toEqual([]);
  });

  it('linefeedLink calls headers again after one 401', async () => {
    refuse(401, 1);
    const headers = vi.fn<() => Record<string, string>>(() => ({ authorization: 'token' }));
    const { log, callbacks } = record();
    const subscription = served.ours({ headers }).count.subscribe(undefined, callbacks);
    await until(() => expect(numbers(log.data)).toEqual([1]));
    expect(headers).toHaveBeenCalledTimes(2);
    expect(log.errors).toEqual([]);
    subscription.unsubscribe();
  });

  it('linefeedLink ends with the status after two 401s', async () => {
    refuse(401, 1, 2);
    const { log, callbacks } = record();
    served.ours().count.subscribe(undefined, callbacks);
    await until(() => expect(log.errors).toHaveLength(1));
    expect(log.errors[0]!.meta).toEqual({ code: 'http_status', status: 401 });
    await pass(300);
    expect(served.requests).toHaveLength(2);
  });
});

describe('a procedure that fails every time', () => {
  it('the stock link retries a failing procedure at a fixed rate, without a limit and without a call of onError', async () => {
    refuse(200);
    const { log, callbacks } = record();
    const subscription = served.stock().broken.subscribe(undefined, callbacks);
    await until(() => expect(failures).toBeGreaterThan(8), 5_000);
    expect(log.errors).toEqual([]);
    expect(log.states.filter((state) => state === 'pending').length).toBeGreaterThan(7);
    subscription.unsubscribe();
  });

  it('linefeedLink retries a failing procedure with growing delays', async () => {
    const { log, callbacks } = record();
    const at: number[] = [];
    const subscription = served
      .ours({ retry: { baseMs: 20, floorMs: 10, capMs: 60_000 } })
      .broken.subscribe(undefined, {
        ...callbacks,
        onData: () => void at.push(performance.now()),
      });
    await pass(2_500);
    // Full jitter: at most 500 ms, then 40, 80, … in steps that double; a fixed pace of 20 ms would be over a hundred.
    expect(at.length).toBeLessThan(20);
    await until(() => expect(at.length).toBeGreaterThan(2));
    expect(log.states[2]).toBe('connecting (boom)');
    expect(log.errors).toEqual([]);
    subscription.unsubscribe();
  });

  it('linefeedLink ends with the error of the router after maxAttempts failures of a procedure', async () => {
    const { log, callbacks } = record();
    served
      .ours({ retry: { baseMs: 20, floorMs: 10, capMs: 50, maxAttempts: 3 } })
      .broken.subscribe(undefined, callbacks);
    await until(() => expect(log.errors).toHaveLength(1), 5_000);
    expect(log.errors[0]).toMatchObject({ message: 'boom', data: { code: 'INTERNAL_SERVER_ERROR' } });
    expect(failures).toBe(3);
  });
});

describe('a server that accepts and sends nothing', () => {
  function mute(): void {
    served.intercept((_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      return true;
    });
  }

  it('the stock link stays in connecting when the server sends nothing', async () => {
    mute();
    const { log, callbacks } = record();
    const subscription = served.stock().count.subscribe(undefined, callbacks);
    await pass(1_500);
    expect(log).toMatchObject({ states: ['connecting'], errors: [], calls: [] });
    expect(served.requests).toHaveLength(1);
    subscription.unsubscribe();
  });

  it('linefeedLink retries after connectTimeoutMs when the server sends nothing', async () => {
    mute();
    const { log, callbacks } = record();
    const subscription = served.ours({ connectTimeoutMs: 200 }).count.subscribe(undefined, callbacks);
    await until(() => expect(log.states[1]).toMatch(/^connecting \(No hello within 200 ms/));
    served.intercept(undefined);
    await until(() => expect(numbers(log.data)).toEqual([1]), 3_000);
    subscription.unsubscribe();
  });
});

describe('a server that is silent after every reconnect', () => {
  it('the stock link reconnects to a silent server at the rate of its inactivity timeout', async () => {
    const quiet = initTRPC.create({ sse: { client: { reconnectAfterInactivityMs: 150 } } });
    const never = quiet.router({
      wait: quiet.procedure.subscription(async function* ({ signal }): AsyncGenerator<number, void, void> {
        await new Promise((resolve) => signal!.addEventListener('abort', resolve));
        if (signal!.aborted) return;
        yield 1;
      }),
    });
    const other = await serve(never);
    const { callbacks } = record();
    const subscription = other.stock().wait.subscribe(undefined, callbacks);
    // Ours slows down long before the tenth.
    await until(() => expect(other.requests.length).toBeGreaterThan(9));
    subscription.unsubscribe();
    await other.close();
  });

  it('linefeedLink reconnects to a silent server with growing delays', async () => {
    let count = 0;
    // The first connection may take several attempts on a busy machine.
    let isMute = false;
    served.intercept((_, res) => {
      if (!isMute) return false;
      count += 1;
      res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      return true;
    });
    const { log, callbacks } = record();
    const subscription = served
      .ours({ connectTimeoutMs: 50, retry: { baseMs: 100, floorMs: 50, capMs: 60_000 } })
      .count.subscribe(undefined, callbacks);
    await until(() => expect(numbers(log.data)).toEqual([1]));
    isMute = true;
    served.silence();
    await pass(2_500);
    // A fixed pace of 150 ms would be 15.
    expect(count).toBeLessThan(13);
    await until(() => expect(count).toBeGreaterThan(2));
    subscription.unsubscribe();
  });
});

describe('an event that is not JSON', () => {
  it('the stock link ends when an event is not JSON', async () => {
    served.intercept((_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('event: connected\ndata: {}\n\ndata: {oops\n\ndata: 1\n\n');
      return true;
    });
    const { log, callbacks } = record();
    served.stock().count.subscribe(undefined, callbacks);
    await until(() => expect(log.errors).toHaveLength(1));
    expect(log.data).toEqual([]);
  });

  it('linefeedLink reports an event that is not JSON to onInvalid and delivers the next one', async () => {
    served.intercept((req, res) => {
      if (req.method !== 'GET') return false;
      const entry = new URL(req.url!, served.origin).searchParams.get('topic')!;
      const key = new URLSearchParams(entry.split('?')[1]).get('key')!;
      const event = `count~${key}`;
      const hello = { protocol: 1, connection: 'x', pingMs: 0, timeoutMs: 0, maxDurationMs: 0 };
      const frame = (name: string, data: string) => `event: ${name}\ndata: ${data}\n\n`;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(
        frame('linefeed.hello', JSON.stringify(hello)) +
          frame('linefeed.subscribed', JSON.stringify({ address: event, event, key })) +
          frame(event, '{oops') +
          frame(event, '1'),
      );
      return true;
    });
    const onInvalid = vi.fn<(error: { code: string }) => void>();
    const { log, callbacks } = record();
    const subscription = served.ours({ onInvalid }).count.subscribe(undefined, callbacks);
    await until(() => expect(log.data).toEqual([1]));
    await until(() => expect(onInvalid).toHaveBeenCalledTimes(1));
    expect(onInvalid.mock.calls[0]![0]).toMatchObject({ code: 'invalid_json' });
    expect(log.errors).toEqual([]);
    subscription.unsubscribe();
  });
});
