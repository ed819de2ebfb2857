/** Requirements on every server with an event stream and a feed. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createApp, ITEM_BYTES, type App, type Run } from './app.ts';
import { askOver1, EventReader, type Ask } from './client.ts';

export interface Served {
  readonly origin: string;
  /** Default: over HTTP/1.1. */
  readonly ask?: Ask | undefined;
  readonly close: () => unknown;
}

/**
 * Upper bound of the bytes that transports buffer for a reader that reads nothing: both kernels' buffers, and a window
 * of HTTP/2.
 */
const TRANSPORT_BYTES = 24 * 1024 * 1024;

let runs = 0;

export function describeServer(name: string, start: (app: App) => Promise<Served>): void {
  describe(name, () => {
    let app: App;
    let served: Served;
    let ask: Ask;

    beforeAll(async () => {
      app = createApp();
      served = await start(app);
      ask = served.ask ?? askOver1(served.origin);
    });
    afterAll(async () => {
      await app.feed.close();
      await served.close();
    });

    async function open(
      path: string,
      asked?: Parameters<Ask>[1],
    ): Promise<{ reader: EventReader; run: Run }> {
      const name = `${(runs += 1)}`;
      const reading = await ask(`${path}${path.includes('?') ? '&' : '?'}run=${name}`, asked);
      return { reader: new EventReader(reading!), run: app.run(name) };
    }

    it('an event stream sends its head and first bytes before the source yields', async () => {
      const { reader } = await open('/told');
      // This source yields only when the test calls `emit`, so a delayed head never arrives.
      await reader.until(({ text }) => text.includes('\n\n'));
      expect(reader.events).toEqual([]);
      reader.reading.leave();
    });

    it('an event stream sends its head with the headers and cookies of its options', async () => {
      const { reader } = await open('/told');
      await reader.until(({ text }) => text.includes('\n\n'));
      expect(reader.text).toBe(': open\n\n');
      expect(reader.reading.status).toBe(200);
      expect(Object.fromEntries(reader.reading.headers)).toMatchObject({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': app.cacheControl,
        'x-option': 'set',
        'set-cookie': ['a=1', 'b=%C3%BC; Path=/; HttpOnly'],
      });
      expect(reader.reading.headers.has('content-length')).toBe(false);
      reader.reading.leave();
    });

    it('an event stream delivers each event before the source yields the next one', async () => {
      const { reader, run } = await open('/told');
      await reader.until(({ text }) => text.includes('\n\n'));
      for (const data of ['a', 'b', 'ü☂'.repeat(1_000)]) {
        await expect.poll(() => run.emit).toBeTypeOf('function');
        const emit = run.emit!;
        run.emit = undefined;
        emit(data);
        expect(await reader.event()).toEqual({ event: 'message', data, id: undefined });
      }
      reader.reading.leave();
    });

    it('an event stream ends its body after the last event', async () => {
      const { reader, run } = await open('/count?status=201');
      expect(await reader.rest()).toBe(
        ': open\n\ndata: 1\n\ndata: {"two":"zwei ☂"}\n\ndata: drei\ndata: vier\n\n',
      );
      expect(reader.reading.status).toBe(201);
      await expect.poll(() => run.ends).toEqual([{ reason: 'finished' }]);
    });

    it('an event stream corrupts no byte of a large event', async () => {
      const { reader } = await open('/large');
      expect((await reader.event()).data).toBe('☂'.repeat(400_000));
      await reader.rest();
    });

    it('a HEAD request gets the head of the GET and starts no source', async () => {
      const { reader, run } = await open('/told', { method: 'HEAD' });
      expect(reader.reading.status).toBe(200);
      expect(reader.reading.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      expect(await reader.rest()).toBe('');
      await expect.poll(() => run.ends).toEqual([{ reason: 'finished' }]);
      expect(run.log).toEqual([]);
    });

    it('a request whose Accept excludes event streams gets 406 and starts no source', async () => {
      const { reader, run } = await open('/count', { headers: { accept: 'text/html, */*;q=0' } });
      expect(reader.reading.status).toBe(406);
      expect(JSON.parse(await reader.rest())).toMatchObject({ code: 'not_acceptable' });
      expect(run.log).toEqual([]);
    });

    it('answers a request whose Accept does not name an event stream', async () => {
      const { reader } = await open('/count', { headers: { accept: 'application/json' } });
      expect(reader.reading.status).toBe(200);
      expect(await reader.rest()).toContain('data: 1');
    });

    it('a request gets 500 without internal details when the source function throws', async () => {
      const { reader, run } = await open('/throws');
      expect(reader.reading.status).toBe(500);
      expect(await reader.rest()).not.toContain('internal detail');
      expect(run.errors).toEqual([new Error('internal detail')]);
    });

    it('an event stream breaks its body off when its source throws midway, and the server serves the next request', async () => {
      const { reader, run } = await open('/midway');
      await reader.event();
      run.emit!(undefined);
      await expect(reader.rest()).rejects.toThrow();
      expect(reader.text).toBe(': open\n\ndata: 1\n\n');
      await expect.poll(() => run.ends).toEqual([{ reason: 'failed', error: new Error('internal detail') }]);
      expect(await (await open('/count')).reader.rest()).toContain('data: 1');
    });

    it("an event stream with failure: 'frame' sends an error frame when its source throws midway", async () => {
      const { reader, run } = await open('/midway?failure=frame');
      await reader.event();
      run.emit!(undefined);
      const text = await reader.rest();
      expect(reader.events.map(({ event }) => event)).toEqual(['message', 'linefeed.error']);
      expect(text).not.toContain('internal detail');
      await expect.poll(() => run.ends).toEqual([{ reason: 'failed', error: new Error('internal detail') }]);
      expect(await (await open('/count')).reader.rest()).toContain('data: 1');
    });

    it('an event stream decodes a UTF-8 Last-Event-ID as a browser sends it', async () => {
      const { reader } = await open('/echo', {
        headers: { 'last-event-id': Buffer.from('ü-7').toString('latin1') },
      });
      expect((await reader.event()).data).toBe('ü-7');
      await reader.rest();
    });

    it('an event stream sends a ping when its source is silent', async () => {
      const { reader } = await open('/told?pingMs=30');
      await reader.until(({ text }) => text.includes(': ping\n\n'));
      expect(reader.text).toBe(': open\n\n: ping\n\n');
      reader.reading.leave();
    });

    it.each([
      ['idle', '/told', 0],
      ['producing', '/drip', 2],
      ['blocked on drain', '/flood', 1],
    ])('a source that is %s ends when the client disconnects', async (_, path, events) => {
      const { reader, run } = await open(path);
      await reader.until(({ text }) => text.includes('\n\n'));
      await reader.until((read) => read.events.length >= events);
      await expect.poll(() => run.log).toContain('started');
      reader.reading.leave();
      await expect.poll(() => run.log, { timeout: 5_000 }).toEqual(['called', 'started', 'abort', 'finally']);
      await expect.poll(() => run.ends).toEqual([{ reason: 'client' }]);
    });

    it('no source starts when the client disconnects before the handler runs', async () => {
      const leaving = new AbortController();
      const name = `${(runs += 1)}`;
      const asking = ask(`/told?late=1&run=${name}`, {}, leaving.signal);
      await expect.poll(() => app.run(name).asked).toBe(true);
      leaving.abort();
      (await asking)?.leave();
      const run = app.run(name);
      await expect.poll(() => run.ends).toEqual([{ reason: 'client' }]);
      expect(run.log).toEqual([]);
    });

    it('a reader that takes no bytes pauses its source and is cut after the stall timeout', async () => {
      // Some servers log that a body was cut.
      vi.spyOn(console, 'error').mockImplementation(() => undefined);
      const { run, reader } = await open('/flood?stallTimeoutMs=400');
      let produced = -1;
      // Its buffers fill in bursts; if nothing moves for 100 ms, they are full.
      while (produced !== run.produced) {
        produced = run.produced;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(produced * ITEM_BYTES).toBeLessThan(TRANSPORT_BYTES);
      await expect.poll(() => run.ends, { timeout: 5_000 }).toEqual([{ reason: 'stalled' }]);
      reader.reading.leave();
      expect(run.log).toEqual(['called', 'started', 'abort', 'finally']);
    });

    it('a feed sends its frames, with the headers and cookies that its context sets', async () => {
      const { reader } = await open('/events/notice');
      await reader.until(({ events }) => events.some(({ event }) => event === 'linefeed.subscribed'));
      expect(reader.events.map(({ event }) => event)).toEqual(['linefeed.hello', 'linefeed.subscribed']);
      expect(reader.reading.headers.get('x-context')).toBe('set');
      expect(reader.reading.headers.get('set-cookie')).toEqual(['one=1', 'two=2; HttpOnly']);
      await app.feed.publish('notice', { text: 'ü' });
      expect(await reader.event()).toMatchObject({ event: 'notice', data: '{"text":"ü"}' });
      reader.reading.leave();
      await expect.poll(() => app.feed.stats().connections).toBe(0);
    });
  });
}

/** URL at which a Node server listens. */
export function originOf(server: { address(): unknown }): string {
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}
