import { defineChannel, run } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { iterate } from '../client/iterate.ts';
import { createTestClient } from './test-client.ts';

const board = defineChannel({
  notice: z.string(),
  answer: run({
    params: z.object({ chat: z.string() }),
    data: z.object({ text: z.string().trim() }),
    result: z.object({ tokens: z.number().default(0) }),
  }),
  job: run({ data: z.number() }),
});

const chat = { chat: 'a' };

describe('runs of a test client', () => {
  it('a test plays a run, and its handlers get the begin, the events and the end', async () => {
    const { client, start, emit, end } = createTestClient(board);
    const log: unknown[] = [];
    client.subscribe('answer', chat, ({ text }, { id }) => log.push(text, id), {
      onRun: ({ run: id, attempt }) => log.push(id, attempt),
      onEnd: ({ outcome, result }) => log.push(outcome, result),
      onCaughtUp: () => log.push('live'),
    });
    const id = await start('answer', chat);
    await emit('answer', chat, { text: ' one ' });
    expect(await start('answer', chat)).toBe(id);
    await end('answer', chat, { outcome: 'done', result: {} as { tokens: number } });
    expect(log).toEqual(['live', id, 1, 'one', `${id}.1`, id, 2, 'done', { tokens: 0 }]);
    expect(await start('answer', chat)).not.toBe(id);
    client.close();
  });

  it('a subscription from start gets what was recorded before it, and during a disconnect', async () => {
    const { client, start, emit, end, settle, disconnect, reconnect } = createTestClient<typeof board>({
      runs: ['job'],
    });
    await start('job');
    await emit('job', 1);
    const got: unknown[] = [];
    client.subscribe('job', (step, { replayed }) => got.push([step, replayed]), {
      from: 'start',
      onEnd: ({ outcome, error }) => got.push([outcome, error?.code]),
    });
    await settle();
    await disconnect();
    await emit('job', 2);
    await end('job', { outcome: 'failed' });
    await reconnect();
    expect(got).toEqual([
      [1, true],
      [2, true],
      ['failed', 'source_failed'],
    ]);
    client.close();
  });

  it('a run and logged topics share the connection of a test client', async () => {
    const { client, start, emit, disconnect, reconnect } = createTestClient(board);
    const got: unknown[] = [];
    client.subscribe('notice', (text) => got.push(text));
    client.subscribe('job', (step) => got.push(step));
    await start('job');
    await emit('job', 1);
    await emit('notice', 'a');
    await disconnect();
    await emit('notice', 'b');
    await emit('job', 2);
    await reconnect();
    expect(got).toEqual([1, 'a', 'b', 2]);
    client.close();
  });

  it('stop of a test client ends the running run as stopped, and not a later one', async () => {
    const { client, start, emit, end, settle } = createTestClient(board);
    const reading = (async () => {
      const iterator = iterate(client, 'job');
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return next.value;
      }
    })();
    await settle();
    expect(await client.stop('job')).toBeUndefined();
    const first = await start('job');
    await emit('job', 1);
    await end('job', { outcome: 'done' });
    expect(await reading).toMatchObject({ run: first, outcome: 'done' });
    const second = await start('job');
    expect(await client.stop('job', undefined, { run: first })).toEqual({ run: first, outcome: 'done' });
    expect(await client.stop('job', undefined, { reason: 'user' })).toEqual({
      run: second,
      outcome: 'stopped',
    });
    expect(await client.stop('job')).toBeUndefined();
    client.close();
  });

  it('a test client refuses an event or an end without a run, a wrong result, and an unknown kind', async () => {
    const { start, emit, end } = createTestClient(board);
    const notRunning = 'No run of job is running: call start() first.';
    await expect(emit('job', 1)).rejects.toThrow(notRunning);
    await expect(end('job', { outcome: 'done' })).rejects.toThrow(notRunning);
    await start('answer', chat);
    const result = { tokens: 'x' as unknown as number };
    await expect(end('answer', chat, { outcome: 'done', result })).rejects.toMatchObject({
      code: 'invalid_payload',
    });
    await expect(createTestClient<typeof board>().start('job')).rejects.toThrow(
      "job is not known as a run: give createTestClient the channel, or runs: ['job'].",
    );
  });
});
