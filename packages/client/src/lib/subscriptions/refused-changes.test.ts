import { FRAME, type ControlRequest } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { connected, type Script } from '../../../test/scripted-client.ts';

/** No test notices silence, or an attempt without an answer. */
const PATIENT = { connectTimeoutMs: 1_000_000, hello: { timeoutMs: 0 } };

/** The feed's answer to a refused request. */
function refusal(status: number, code: string, title: string): Response {
  return Response.json({ code, title }, { status, headers: { 'content-type': 'application/problem+json' } });
}

describe('a refused control request', () => {
  for (const status of [405, 403, 404, 200]) {
    it(`a control request refused by ${status} is reported once, with the url and the remedy`, async () => {
      let requests = 0;
      const script = await connected('a', {
        ...PATIENT,
        async fetch() {
          requests += 1;
          return Object.defineProperty(new Response('', { status }), 'url', {
            value: 'http://feed.test/events',
          });
        },
      });
      for (const topic of ['b', 'c', 'd']) {
        await script.request(topic);
        await script.clock.advance(10_000);
        script.last().accept();
      }
      expect(requests).toBe(3);
      expect(script.errors).toMatchObject([{ status }]);
      const { message } = script.errors[0] as Error;
      expect(message).toContain('Check routes, redirects, CSRF and firewalls: ');
      expect(message).toContain(`http://feed.test/events answered ${status}`);
    });
  }

  it('a control request refused by the feed is reported with its answer, without a guessed cause', async () => {
    const script = await connected('a', {
      ...PATIENT,
      fetch: async () => refusal(400, 'bad_request', 'The body was read before.'),
    });
    await script.request('b');
    expect(script.errors).toMatchObject([{ code: 'bad_request', status: 400 }]);
    const { message } = script.errors[0] as Error;
    expect(message).toContain('The body was read before.');
    expect(message).not.toContain('Check');
  });

  it('a control request refused as unknown_connection is reported only when a new connection does not help', async () => {
    const script = await connected('a', {
      ...PATIENT,
      fetch: async () => refusal(409, 'unknown_connection', 'Elsewhere.'),
    });
    for (const [topic, reported] of [
      ['b', 0],
      ['c', 1],
      ['d', 1],
    ] as const) {
      await script.request(topic);
      await script.clock.advance(10_000);
      script.last().accept();
      expect(script.errors).toHaveLength(reported);
    }
    expect(script.errors).toMatchObject([{ code: 'unknown_connection', status: 409 }]);
  });

  it('repeated refusals of control requests collect changes instead of opening a connection for each', async () => {
    const script = await connected('a', PATIENT);
    script.controlStatus = 405;
    await script.request('b');
    await script.clock.advance(500);
    script.last().accept();
    const waitsMs: number[] = [];
    for (const topics of [
      ['c', 'd', 'e'],
      ['f', 'g', 'h'],
      ['i', 'j', 'k'],
    ]) {
      const { length } = script.attempts;
      for (const topic of topics) await script.request(topic);
      waitsMs.push(await script.until(() => script.attempts.length > length));
      expect(script.last().opening.entries.map(({ address }) => address)).toEqual(
        expect.arrayContaining(topics),
      );
      script.last().accept();
    }
    expect(script.attempts).toHaveLength(5);
    expect(script.controls).toHaveLength(4);
    expect(waitsMs).toEqual([1_500, 2_500, 4_000]);
  });

  it('a refused control request after a successful one opens another connection soon', async () => {
    const script = await connected('a', PATIENT);
    for (const [topic, status] of [
      ['b', 405],
      ['c', 405],
      ['d', 202],
      ['e', 405],
    ] as const) {
      script.controlStatus = status;
      const before = script.attempts.length;
      await script.request(topic);
      if (status === 202) script.last().subscribed(topic, 5, { n: 1 });
      else {
        await script.clock.advance(topic === 'c' ? 10_000 : 500);
        expect(script.attempts).toHaveLength(before + 1);
        script.last().accept();
      }
      await script.clock.advance(10_000);
    }
  });
});

describe('a running stream without ids', () => {
  const STREAM = 'report~2';

  /** Connects with `a` and a stream that has sent the event id `id`. The next change is answered with `status`. */
  async function run(id: string | undefined, status: number): Promise<Script> {
    const script = await connected('a', PATIENT);
    await script.request('report');
    script.last().acceptStream('report', '2', 1);
    if (id !== undefined) script.last().send(STREAM, 1, id);
    script.controlStatus = status;
    await script.request('b');
    return script;
  }

  for (const [name, id] of [
    ['that has begun', 'e.5~'],
    ['that has sent nothing yet', undefined],
  ] as const) {
    it(`a stream without ids ${name} keeps its connection when a change is refused`, async () => {
      const script = await run(id, 405);
      await script.clock.advance(60_000);
      expect(script.attempts).toHaveLength(1);
      expect(script.errors).toHaveLength(1);
      // The waits grow: retries every 5 s would be 12 per minute.
      expect(script.controls.length).toBeLessThan(12);
      script.last().send(FRAME.end, { address: STREAM, key: '2' }, '~!');
      await script.clock.advance(31_000);
      expect(script.attempts).toHaveLength(2);
      expect(script.last().opening.entries).toMatchObject([{ address: 'a' }, { address: 'b' }]);
    });
  }

  it('a stream without ids keeps its connection while a temporarily refused change is sent again', async () => {
    const script = await run('e.5~', 503);
    script.controlStatus = 202;
    await script.clock.advance(2_000);
    const { n, add } = script.controls.at(-1)!;
    expect(add).toMatchObject([{ address: 'b', key: '3', from: 'now' }]);
    script.last().subscribed('b', 5, { n });
    await script.clock.advance(60_000);
    expect(script.controls.at(-1)!.n).toBe(n);
    expect(script.attempts).toHaveLength(1);
    expect(script.errors).toEqual([]);
  });

  for (const [name, lose] of [
    ['fails in the network', () => Promise.reject(new TypeError('fetch failed'))],
    ['is never answered', () => new Promise<Response>(() => {})],
  ] as const) {
    it(`a stream without ids keeps its connection, and a change that ${name} is sent again with its number`, async () => {
      const bodies: ControlRequest[] = [];
      let isLost = false;
      const script = await connected('a', {
        ...PATIENT,
        fetch: (_url, init) => {
          bodies.push(JSON.parse(init!.body as string) as ControlRequest);
          return isLost ? lose() : Promise.resolve(new Response('', { status: 202 }));
        },
      });
      await script.request('report');
      script.last().acceptStream('report', '2', 1);
      isLost = true;
      await script.request('b');
      isLost = false;
      await script.clock.advance(10_000);
      const [, first, ...again] = bodies;
      expect(first).toMatchObject({ n: 2, add: [{ address: 'b', key: '3' }] });
      expect(again.length).toBeGreaterThan(0);
      for (const body of again) expect(body).toEqual(first);
      script.last().subscribed('b', 5, { n: 2 });
      await script.request('c');
      expect(bodies.at(-1)).toMatchObject({ n: 3, add: [{ address: 'c' }] });
      expect(script.attempts).toHaveLength(1);
      expect(script.errors).toEqual([]);
    });
  }

  it('a stream without ids keeps its connection while an answer is late, and nothing is requested twice', async () => {
    const script = await run('e.5~', 202);
    await script.clock.advance(20_000);
    expect(script.controls).toHaveLength(2);
    await script.request('c');
    expect(script.controls[2]).toMatchObject({ n: 3, add: [{ address: 'c' }] });
    for (const [topic, n] of [
      ['b', 2],
      ['c', 3],
    ] as const)
      script.last().subscribed(topic, 5, { n });
    await script.clock.advance(60_000);
    expect(script.attempts).toHaveLength(1);
    expect(script.controls).toHaveLength(3);
  });

  it('a stream with ids does not keep its connection when a change is refused', async () => {
    const script = await run('e.5~7', 405);
    await script.clock.advance(500);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.entries).toContainEqual({ address: 'report', key: '2', from: '~7' });
  });
});
