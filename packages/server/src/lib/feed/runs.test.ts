import { defineChannel, run, type Channel } from '@linefeed/shared';
import { createManualClock } from '@linefeed/shared/testing';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { memoryRuns } from '../runs/memory-runs.ts';
import { createFeed } from './create-feed.ts';
import type { FeedOptions } from './option-types.ts';

const topics = {
  answer: run({
    params: z.object({ chat: z.coerce.number() }),
    data: z.object({ text: z.string() }),
    result: z.object({ tokens: z.number() }),
  }),
  answers: run({ params: z.object({ chat: z.string() }), data: z.string() }),
  job: run({ data: z.number() }),
};
type Chat = Channel<typeof topics>;

function open(options: Partial<FeedOptions<Chat, unknown>> = {}) {
  const clock = createManualClock();
  const errors: unknown[] = [];
  const feed = createFeed(defineChannel(topics), {
    authorize: () => true,
    onError: (error) => void errors.push(error),
    clock,
    ...options,
  });
  const post = async (body: object): Promise<{ status: number; body: unknown }> => {
    const request = new Request('http://feed.test/events', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const response = await feed.handle(request);
    return { status: response.status, body: await response.json() };
  };
  return { clock, errors, feed, post };
}

/** Yields one value, and then waits for its signal. */
async function* quiet({ signal }: { readonly signal: AbortSignal }) {
  yield { text: 'a' };
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  return { tokens: 0 };
}

async function* quietJob({ signal }: { readonly signal: AbortSignal }) {
  yield 1;
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
}

describe('runs of a feed', () => {
  it('feed.runs lists the runs of one address, or those of all addresses of the topic', async () => {
    const { feed, clock } = open();
    const at = clock.now();
    const first = await feed.start('answer', { chat: 1 }, quiet, { key: 'k' });
    const second = await feed.start('answer', { chat: 2 }, function* () {
      yield { text: 'a' };
      yield { text: 'b' };
      return { tokens: 2 };
    });
    await feed.start('answers', { chat: 'x' }, () => []);
    await feed.start('job', quietJob);
    await clock.settle();
    const running = {
      run: first.run,
      key: 'k',
      params: { chat: 1 },
      attempt: 1,
      startedAt: at,
      events: 1,
      status: 'running',
    };
    expect(await feed.runs('answer', { chat: 1 })).toEqual([running]);
    expect(await feed.runs('answer', { chat: 3 })).toEqual([]);
    expect(await feed.runs('answer')).toMatchObject([
      running,
      { run: second.run, params: { chat: 2 }, events: 2, status: 'ended', outcome: 'done', endedAt: at },
    ]);
    expect((await feed.runs('answer'))[1]!.result).toEqual({ tokens: 2 });
    expect(await feed.runs('job')).toMatchObject([{ params: undefined, events: 1 }]);
  });

  it('a run whose producer died is expired until its next attempt, and then running', async () => {
    const clock = createManualClock();
    const store = memoryRuns({ clock });
    const dead = { ...open({ clock, runs: store }) };
    const options = { key: 'k', attempts: 2 };
    await dead.feed.start('job', quietJob, options);
    await clock.settle();
    // The close releases the lease. If the process died, the lease would expire.
    const closing = dead.feed.close();
    await clock.settle();
    await closing;
    const { feed } = open({ clock, runs: store });
    expect(await feed.runs('job')).toMatchObject([{ status: 'expired', attempt: 1, events: 1 }]);
    const stored: unknown[] = [];
    await feed.start(
      'job',
      async function* (context) {
        stored.push(...context.stored, context.attempt, context.key, context.run);
        yield* quietJob(context);
      },
      options,
    );
    await clock.settle();
    const [info] = await feed.runs('job');
    expect(info).toMatchObject({ status: 'running', attempt: 2, events: 2 });
    expect(stored).toEqual([1, 2, 'k', info!.run]);
  });

  it('feed.stop resolves with the outcome, and with undefined if nothing runs', async () => {
    const { feed, clock } = open();
    expect(await feed.stop('job')).toBeUndefined();
    const { run } = await feed.start('job', quietJob);
    await clock.settle();
    const stopping = feed.stop('job', { reason: 'user' });
    await clock.settle();
    expect(await stopping).toEqual({ run, outcome: 'stopped' });
    expect(await feed.runs('job')).toMatchObject([{ outcome: 'stopped', reason: 'user', events: 1 }]);
  });

  it('a call with a wrong topic, source or option rejects', async () => {
    const { feed } = open();
    const calls: Array<[Promise<unknown>, string, string]> = [
      [feed.start('none' as never, () => []), 'unknown_topic', 'its runs are answer, answers, job'],
      [feed.start('job', 5 as never), 'invalid_option', 'must be a function, not number'],
      [feed.start('answer', { chat: 'x' }, quiet), 'invalid_params', 'chat'],
      [feed.start('job', quietJob, { whenBusy: 'no' as never }), 'invalid_option', 'whenBusy'],
      [feed.stop('job', { runs: 'x' } as never), 'invalid_option', 'runs'],
      [feed.stop('job', { key: '' }), 'invalid_option', 'key'],
      [feed.runs('none' as never), 'unknown_topic', '"none" is not a run'],
    ];
    for (const [call, code, message] of calls) {
      await expect(call).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    }
  });

  it('clients stop runs only with stopFromClients, and only those that authorize permits', async () => {
    const closed = open();
    await closed.feed.start('job', quietJob);
    expect((await closed.post({ stop: { address: 'job' } })).status).toBe(403);

    const asked: string[] = [];
    const { feed, post, clock } = open({
      stopFromClients: true,
      authorize: ({ address, action }) => {
        asked.push(`${action} ${address}`);
        return address !== 'answer?chat=2';
      },
    });
    const { run } = await feed.start('job', quietJob);
    await feed.start('answer', { chat: 2 }, quiet);
    await clock.settle();
    expect((await post({ stop: { address: 'answer?chat=2' } })).status).toBe(403);
    const stopping = post({ stop: { address: 'job', reason: 'user' } });
    await clock.settle();
    expect(await stopping).toEqual({ status: 200, body: { run, outcome: 'stopped' } });
    expect(await post({ stop: { address: 'answer?chat=3' } })).toEqual({ status: 200, body: { run: null } });
    expect(asked).toEqual(['stop answer?chat=2', 'stop job', 'stop answer?chat=3']);
    expect(await feed.runs('answer')).toMatchObject([{ status: 'running' }]);
  });

  it('close() waits for the sources of runs during its grace, and then the rest is lost', async () => {
    const clock = createManualClock();
    const store = memoryRuns({ clock });
    const { feed } = open({ clock, runs: store });
    let finish: () => void = () => undefined;
    await feed.start('answer', { chat: 1 }, async function* () {
      await new Promise<void>((resolve) => (finish = resolve));
      yield { text: 'last' };
      return { tokens: 1 };
    });
    await feed.start('job', quietJob);
    await clock.settle();
    const closing = feed.close({ graceMs: 5_000 });
    await clock.advance(1_000);
    await expect(feed.start('job', quietJob)).rejects.toMatchObject({ code: 'closed' });
    finish();
    await clock.advance(4_000);
    await closing;
    const other = open({ clock, runs: store });
    expect(await other.feed.runs('answer')).toMatchObject([{ outcome: 'done', events: 1 }]);
    expect(await other.feed.runs('job')).toMatchObject([{ outcome: 'lost', reason: 'shutdown' }]);
    await other.feed.close();
    expect(clock.pending).toBe(0);
  });

  it('a source of a run may publish while the feed closes', async () => {
    const { feed, clock, errors } = open();
    await feed.start('job', async function* () {
      yield 1;
      await feed.stop('answer', { chat: 9 });
    });
    const closing = feed.close({ graceMs: 100 });
    await clock.advance(100);
    await closing;
    expect(errors).toEqual([]);
  });
});
