import { describe, expect, it } from 'vitest';
import { appendOne, RemoteBench, read, valuesOf, watch } from '../../../../test-kit/remote-bench.ts';
import { LinefeedError } from '@linefeed/shared/wire';

const NEVER = new Promise<void>(() => undefined);

async function held(bench: RemoteBench): Promise<unknown[]> {
  const { log } = await bench.open();
  return valuesOf((await read(log)).events);
}

describe('the append queue of a remote log', () => {
  it('appends of one tick are sent as one batch, and those during a batch as the next one', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    const first = [1, 2, 3].map((n) => appendOne(log, n));
    await bench.clock.settle();
    await Promise.all(first);
    expect(store.batches.map(({ number, appends }) => [number, appends.length])).toEqual([[1, 3]]);
    let sent = 0;
    store.before = (call) => {
      if (call === 'append' && sent++ === 0) for (const n of [5, 6]) void appendOne(log, n);
    };
    await bench.append(log, 4);
    await bench.clock.settle();
    expect(store.batches.map(({ number, appends }) => [number, appends.length])).toEqual([
      [1, 3],
      [2, 1],
      [3, 2],
    ]);
    expect(await held(bench)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('a batch is bounded by 500 entries and by 1 MiB, but has at least one append', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    const many = Array.from({ length: 1_200 }, (_, n) => appendOne(log, n));
    const large = Array.from({ length: 3 }, () => appendOne(log, 'x'.repeat(700_000), 'large'));
    await bench.clock.settle();
    await Promise.all([...many, ...large]);
    expect(store.batches.map(({ appends }) => appends.length)).toEqual([500, 500, 201, 1, 1]);
  });

  it('a batch whose answer is lost is sent again with the same number, and is stored once', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    let lost = 2;
    store.after = (call) => {
      if (call === 'append' && lost-- > 0) throw new Error('read ECONNRESET');
    };
    const appended = watch(appendOne(log, 1));
    await bench.clock.advance(1_000);
    expect(appended.value).toMatchObject({ duplicate: false });
    expect(store.batches.map(({ number }) => number)).toEqual([1, 1, 1]);
    expect(await held(bench)).toEqual([1]);
  });

  it('a send without an answer has a deadline of its own, and is repeated before the append expires', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    let lost = 1;
    store.after = (call) => (call === 'append' && lost-- > 0 ? NEVER : undefined);
    const appended = watch(appendOne(log, 1));
    await bench.clock.advance(1_600);
    expect(store.batches.length).toBe(1);
    await bench.clock.advance(1_000);
    expect(appended.value).toMatchObject({ duplicate: false });
    expect(await held(bench)).toEqual([1]);
  });

  it('an append whose outcome is unknown at its deadline is rejected as retryable, with a message that states it', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    store.after = (call) => (call === 'append' ? NEVER : undefined);
    const appended = watch(appendOne(log, 1));
    await bench.clock.advance(4_999);
    expect(appended.error).toBeUndefined();
    await bench.clock.advance(1);
    expect(appended.error).toMatchObject({ code: 'log_failed', retryable: true });
    expect(String(appended.error)).toMatch(/not known whether the event was stored/);
    expect(bench.clock.pending).toBe(0);
  });

  it('an append that was never sent is rejected at its own deadline, and is not stored later', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    store.before = (call) => (call === 'append' ? NEVER : undefined);
    const first = watch(appendOne(log, 1));
    await bench.clock.advance(3_000);
    const second = watch(appendOne(log, 2));
    await bench.clock.advance(1_999);
    expect([first.error, second.error]).toEqual([undefined, undefined]);
    await bench.clock.advance(1);
    expect(String(first.error)).toMatch(/not known whether/);
    // The next batch is sent when the first one has expired.
    expect(store.batches.at(-1)!.number).toBe(2);
    await bench.clock.advance(3_000);
    expect(String(second.error)).toMatch(/not known whether/);
    const third = watch(appendOne(log, 3));
    const waiting = watch(
      (async () => {
        await bench.clock.settle();
        return await appendOne(log, 4);
      })(),
    );
    await bench.clock.advance(5_000);
    expect(String(third.error)).toMatch(/not known whether/);
    expect(String(waiting.error)).toMatch(/was not sent and is not stored/);
    expect(waiting.error).toMatchObject({ code: 'log_failed', retryable: true });
  });

  it('a copy of an expired batch that the server performs after the next batch changes nothing', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    let late: Promise<void> | undefined;
    let release = (): void => undefined;
    store.before = (call) => {
      if (call !== 'append') return;
      late ??= new Promise((resolve) => (release = resolve));
      return late;
    };
    const first = watch(appendOne(log, 1));
    await bench.clock.advance(5_000);
    expect(String(first.error)).toMatch(/may still be stored/);
    store.before = () => undefined;
    await bench.append(log, 2);
    release();
    await bench.clock.settle();
    expect(await held(bench)).toEqual([2]);
  });

  it('a copy of an expired batch that the server performs before the next batch keeps the order', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    const gate = Promise.withResolvers<void>();
    store.before = (call) => (call === 'append' ? gate.promise : undefined);
    const first = watch(appendOne(log, 1));
    await bench.clock.advance(5_000);
    expect(first.error).toBeDefined();
    gate.resolve();
    await bench.clock.settle();
    await bench.append(log, 2);
    expect(await held(bench)).toEqual([1, 2]);
  });

  it('an error that a repeat cannot help rejects at once, and later appends continue', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    const refusal = new LinefeedError('log_failed', 'OOM command not allowed.');
    let refusals = 1;
    store.before = (call) => {
      if (call === 'append' && refusals-- > 0) throw refusal;
    };
    const first = watch(appendOne(log, 1));
    await bench.clock.settle();
    expect(first.error).toBe(refusal);
    await bench.append(log, 2);
    expect(await held(bench)).toEqual([2]);
  });

  it('a refusal after an attempt without an answer states that the outcome is unknown', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    let attempts = 0;
    store.after = (call) => {
      if (call === 'append' && attempts++ === 0) throw new Error('read ECONNRESET');
      if (call === 'append') throw new LinefeedError('log_failed', 'READONLY.');
    };
    const appended = watch(appendOne(log, 1));
    await bench.clock.advance(1_000);
    expect(appended.error).toMatchObject({ code: 'log_failed', retryable: false });
    expect(String(appended.error)).toMatch(/not known whether/);
  });

  it('appends past 10,000 waiting entries or 64 MiB are refused as retryable', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    store.before = (call) => (call === 'append' ? NEVER : undefined);
    void appendOne(log, 0).catch(() => undefined);
    await bench.clock.settle();
    const entries = Array.from({ length: 10_000 }, (_, n) => ({
      address: 'a',
      data: `${n}`,
      keep: 'all' as const,
    }));
    const many = watch(Promise.resolve(log.append(entries)));
    const refused = watch(appendOne(log, 1));
    await bench.clock.settle();
    expect(many.error).toBeUndefined();
    expect(refused.error).toMatchObject({ code: 'log_failed', retryable: true });
    await bench.clock.advance(10_000);
    const large = [1, 2, 3].map(() => watch(appendOne(log, 'x'.repeat(30 * 2 ** 20))));
    const small = watch(appendOne(log, 'x'.repeat(10 * 2 ** 20)));
    await bench.clock.settle();
    expect(String(large[2]!.error)).toMatch(/More than 67108864 bytes of events wait/);
    expect(String(small.error)).toMatch(/More than/);
  });

  it('close() waits for earlier appends, at most to their deadline, and closes the store', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    store.before = (call) => (call === 'append' ? NEVER : undefined);
    const append = watch(appendOne(log, 1));
    const closed = watch(Promise.resolve(log.close!()));
    const later = watch(appendOne(log, 2));
    await bench.clock.advance(4_999);
    expect([later.error, store.isClosed]).toMatchObject([{ code: 'closed' }, false]);
    expect('value' in closed).toBe(false);
    await bench.clock.advance(1);
    expect(append.error).toMatchObject({ code: 'log_failed' });
    expect('value' in closed).toBe(true);
    expect(store.isClosed).toBe(true);
    expect(bench.clock.pending).toBe(0);
  });
});
