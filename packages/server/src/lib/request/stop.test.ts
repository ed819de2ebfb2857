import { describe, expect, it } from 'vitest';
import { post, problemOf } from '../../../test-kit/feed-bench.ts';
import { createGate } from '../../../test-kit/gate.ts';
import { createRunBench, type RunBench } from '../../../test-kit/run-bench.ts';
import type { HttpResponse } from '../http/http.ts';

const ADDRESS = 'answer?chat=1';
const PATH = `/events/${ADDRESS}`;

function stop(
  bench: Pick<RunBench<never>, 'ask'>,
  request: unknown,
  headers?: HeadersInit,
): Promise<HttpResponse> {
  return bench.ask('/events', post({ stop: request }, headers));
}

/** The status and the code of a refusal. */
const refusalOf = (answer: HttpResponse): [number, string] => [answer.status, problemOf(answer).code];

/** A bench with a producer that ends its run when a stop is requested. */
async function running(options: Parameters<typeof createRunBench>[0] = {}) {
  const bench = createRunBench({ stopFromClients: true, ...options });
  const run = bench.producer(ADDRESS);
  await run.start();
  await run.append(1);
  const endAtStop = (): void => {
    const unfollow = bench.records.follow(ADDRESS, ({ views }) => {
      const newest = views.at(-1);
      if (newest?.run !== run.run || newest.stop === undefined || newest.end !== undefined) return;
      unfollow();
      void run.end({ outcome: 'stopped', reason: newest.stop.reason }, 'last');
    });
  };
  return { ...bench, run, endAtStop };
}

describe('a request to stop a run', () => {
  it('a stop request is answered after the end is recorded, and readers get the reason', async () => {
    const bench = await running();
    const tap = await bench.open(PATH);
    bench.endAtStop();
    const answer = await stop(bench, { address: ADDRESS, reason: 'user' });
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
    });
    expect(JSON.parse(answer.body as string)).toEqual({ run: bench.run.run, outcome: 'stopped' });
    expect((await bench.records.view(ADDRESS)).at(-1)!.end).toMatchObject({ outcome: 'stopped' });
    expect(tap.payloads).toEqual([1, 'last']);
    expect(tap.dataOf('linefeed.end')).toEqual([
      { address: ADDRESS, run: bench.run.run, outcome: 'stopped', reason: 'user' },
    ]);
  });

  it('a stop request for an older run changes nothing and gets its outcome', async () => {
    const bench = await running();
    await bench.run.end({ outcome: 'done', result: 1 });
    const older = bench.run.run;
    await bench.run.start();
    const answer = await stop(bench, { address: ADDRESS, run: older });
    expect(JSON.parse(answer.body as string)).toEqual({ run: older, outcome: 'done' });
    expect((await bench.records.view(ADDRESS)).at(-1)).toMatchObject({ stop: undefined, end: undefined });
  });

  it.each([
    ['nothing runs', { address: 'answer?chat=2' }],
    ['the run is not kept', { address: ADDRESS, run: 'aaaaaaaaaaaaaaaaa' }],
  ])('a stop request gets null if there is no such run: %s', async (_, request) => {
    const answer = await stop(await running(), request);
    expect([answer.status, answer.body]).toEqual([200, '{"run":null}']);
  });

  it('a stop request whose run does not end gets 503, and the run ends as stopped later', async () => {
    const bench = await running({ requestTimeoutMs: 3_000 });
    const asking = stop(bench, { address: ADDRESS });
    await bench.clock.advance(3_000);
    const answer = await asking;
    expect(refusalOf(answer)).toEqual([503, 'timeout']);
    expect(Object.fromEntries(answer.headers)).toHaveProperty('retry-after');
    bench.endAtStop();
    const again = await stop(bench, { address: ADDRESS, run: bench.run.run });
    expect(JSON.parse(again.body as string)).toEqual({ run: bench.run.run, outcome: 'stopped' });
  });

  it('a feed that drains answers a stop request', async () => {
    const bench = await running();
    // The second connection is told to reconnect in the middle of the grace period.
    await bench.open(PATH);
    await bench.open(PATH);
    const closing = bench.feed.close({ graceMs: 5_000 });
    await bench.clock.advance(10);
    bench.endAtStop();
    const answer = await stop(bench, { address: ADDRESS });
    expect([answer.status, JSON.parse(answer.body as string)]).toEqual([
      200,
      { run: bench.run.run, outcome: 'stopped' },
    ]);
    await bench.clock.advance(5_000);
    await closing;
  });

  it('a closed feed answers 503 to a stop of a run of another process', async () => {
    const bench = await running();
    await bench.feed.close();
    expect(refusalOf(await stop(bench, { address: ADDRESS }))).toEqual([503, 'draining']);
  });
});

describe('the authority to stop a run', () => {
  it('a stop request is refused without stopFromClients, before authorize is called', async () => {
    const bench = await running({
      stopFromClients: false,
      authorize: () => {
        throw new Error('not called');
      },
    });
    expect(refusalOf(await stop(bench, { address: ADDRESS, run: bench.run.run }))).toEqual([
      403,
      'forbidden',
    ]);
    expect((await bench.records.view(ADDRESS)).at(-1)!.stop).toBeUndefined();
    expect(bench.errors).toEqual([]);
  });

  it('a stop request needs the authority to stop this address, and the id of the run is not enough', async () => {
    const asked: unknown[] = [];
    const bench = await running({
      authorize: ({ topic, params, address, action }) => {
        asked.push({ topic, params, address, action });
        return action === 'subscribe';
      },
    });
    const answer = await stop(bench, { address: ADDRESS, run: bench.run.run });
    expect([refusalOf(answer), problemOf(answer).title]).toEqual([
      [403, 'forbidden'],
      `Not allowed to stop the run of ${ADDRESS}.`,
    ]);
    expect(asked).toEqual([{ topic: 'answer', params: { chat: '1' }, address: ADDRESS, action: 'stop' }]);
    expect((await bench.records.view(ADDRESS)).at(-1)!.stop).toBeUndefined();
  });

  it('a stop request stops nothing if its context expires during authorize', async () => {
    const gate = createGate();
    const bench = await running({
      context: () => ({ expiresAt: Date.UTC(2026, 0, 1) + 5_000 }),
      authorize: () => gate.wait(),
    });
    const asking = stop(bench, { address: ADDRESS });
    await bench.clock.advance(5_000);
    gate.open();
    expect(refusalOf(await asking)).toEqual([503, 'disconnected']);
    expect((await bench.records.view(ADDRESS)).at(-1)!.stop).toBeUndefined();
  });

  it.each([
    ['another origin', { origin: 'https://evil.test' }, 403, 'forbidden_origin'],
    ['a context that refuses', { 'x-user': 'none' }, 401, 'unauthorized'],
  ])(
    'a stop request has the checks of every POST before its address is looked at: %s',
    async (_, headers, status, code) => {
      const bench = await running({
        context: (request) => {
          if (request.headers.get('x-user') === 'none') throw Object.assign(new Error('no'), { status: 401 });
          return undefined;
        },
      });
      expect(refusalOf(await stop(bench, { address: 'nothing' }, headers as HeadersInit))).toEqual([
        status,
        code,
      ]);
    },
  );

  it.each([
    ['an unknown topic', 'nothing', 404, 'unknown_topic'],
    ['missing params', 'answer', 400, 'invalid_params'],
    ['a logged topic', 'notice', 400, 'bad_request'],
    ['a stream', 'tick', 400, 'bad_request'],
    ['a long address', `answer?chat=${'x'.repeat(5_000)}`, 400, 'address_too_long'],
    ['a from', `${ADDRESS}&from=now`, 400, 'bad_request'],
  ])('a stop request for an address that names no run is refused: %s', async (_, address, status, code) => {
    expect(refusalOf(await stop(await running(), { address }))).toEqual([status, code]);
  });

  it.each([
    ['null', null],
    ['a list', [ADDRESS]],
    ['text', ADDRESS],
    ['no address', {}],
    ['an address that is not a string', { address: 1 }],
    ['a run that is not a string', { address: ADDRESS, run: 1 }],
    ['a reason that is not a string', { address: ADDRESS, reason: 1 }],
    ['a reason of 257 characters', { address: ADDRESS, reason: 'x'.repeat(257) }],
  ])('a stop request of the wrong shape is refused with 400: %s', async (_, request) => {
    expect(refusalOf(await stop(await running(), request))).toEqual([400, 'bad_request']);
  });
});
