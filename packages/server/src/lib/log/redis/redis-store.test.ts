import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startRedis, type RedisServer } from '../../../../test-kit/brokers/redis.ts';
import { BEGINNING } from '@linefeed/shared/wire';
import { systemClock } from '../../base/clock.ts';
import { resolveBounds, type LogBounds } from '../bounds.ts';
import type { BatchAnswer, CallContext, ServerHead } from '../remote/remote-store.ts';
import { toConnectionSource } from '../../database/redis/client.ts';
import { Scripts } from '../../database/redis/scripts.ts';
import { logUse } from '../../database/use.ts';
import { RedisStore } from './redis-store.ts';
import { keysOf, SCRIPTS } from './scripts.ts';

let server: RedisServer;
let client: ReturnType<typeof createClient>;
beforeAll(async () => {
  server = await startRedis();
  client = createClient({ url: server.url });
  await client.connect();
});
afterAll(async () => {
  client?.destroy();
  await server?.close();
});

const open: RedisStore[] = [];
afterEach(() => {
  for (const store of open.splice(0)) store.close();
});

let cases = 0;
const newKey = (): string => `case${++cases}`;

async function openStore(key: string, bounds: LogBounds = {}, maxBatches?: number): Promise<RedisStore> {
  const keys = keysOf(key);
  const use = logUse('redisLog');
  const store = new RedisStore({
    name: `The log at ${key}`,
    use,
    keys,
    source: toConnectionSource(client, use),
    scripts: await Scripts.create(SCRIPTS),
    bounds: resolveBounds(bounds),
    serverTime: true,
    clock: systemClock,
    connectMs: 5_000,
    maxBatches,
  });
  open.push(store);
  return store;
}

let epochs = 0;
function contextOf(known: CallContext['known'] = { epoch: '', position: BEGINNING }): CallContext {
  epochs += 1;
  return { known, nextEpoch: `epoch${epochs}`, wallNow: 0, signal: new AbortController().signal };
}

interface Writing {
  readonly writer?: string;
  readonly number?: number;
  readonly known?: CallContext['known'];
}

let numbers = 0;
function append(
  store: RedisStore,
  values: readonly unknown[],
  { writer = 'writer', number = ++numbers, known }: Writing = {},
): Promise<BatchAnswer> {
  const appends = values.map((value) => ({
    entries: [{ address: 'a', data: JSON.stringify(value), keep: 'all' as const }],
    idempotencyKey: undefined,
  }));
  return store.append({ appends, writer, number }, contextOf(known));
}

const countTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

async function readAll(store: RedisStore): Promise<unknown[]> {
  const page = await store.read(
    { after: BEGINNING, addresses: new Map([['a', BEGINNING]]), limit: 10_000, maxBytes: 1e9 },
    contextOf(),
  );
  return page.events.map(({ data }) => JSON.parse(data) as unknown);
}

/** Everything past a position, from as many reads of the tail as it takes. */
async function followTo(store: RedisStore, start: ServerHead, end: ServerHead): Promise<unknown[]> {
  const values: unknown[] = [];
  let after = start.position;
  while (after !== end.position) {
    const answer = await store.follow(
      { after, limit: 500, maxBytes: 1e9, waitMs: 1_000 },
      contextOf({ epoch: end.epoch, position: after }),
    );
    expect(answer.trimmed).toBe(false);
    values.push(...answer.events.map(({ data }) => JSON.parse(data) as unknown));
    after = answer.through;
  }
  return values;
}

describe('limits of a log on Redis', () => {
  test('a payload above the limit of the server is refused, and the rest of its batch is stored', async () => {
    await server.command('CONFIG', 'SET', 'proto-max-bulk-len', 1024 * 1024);
    const store = await openStore(newKey());
    await store.head(contextOf());
    const { outcomes } = await append(store, [1, 'ü'.repeat(600_000), 2]);
    await server.command('CONFIG', 'SET', 'proto-max-bulk-len', 512 * 1024 * 1024);
    expect(outcomes[1]).toMatchObject({ code: 'payload_too_large', retryable: false, address: 'a' });
    expect(await readAll(store)).toEqual([1, 2]);
  });

  test('one append evicts at most 500 events in addition to as many as it appends', async () => {
    const key = newKey();
    const store = await openStore(key);
    for (let batch = 0; batch < 3; batch += 1) await append(store, countTo(500));
    const smaller = await openStore(key, { maxEvents: 100 });
    await append(smaller, ['last']);
    expect(await server.command('LLEN', keysOf(key).order)).toBe(1000);
    for (const _ of [1, 2]) await append(smaller, ['more']);
    const held = await readAll(smaller);
    expect(held.length).toBeLessThanOrEqual(100);
    expect(held.length).toBeGreaterThanOrEqual(90);
  });

  test('a page of more than 500 events is read in parts', async () => {
    const store = await openStore(newKey());
    for (let batch = 0; batch < 3; batch += 1) await append(store, countTo(400));
    expect(await readAll(store)).toEqual([...countTo(400), ...countTo(400), ...countTo(400)]);
  });

  test('the stream of the tail holds 512 small batches, and a slower tail gets every event', async () => {
    const key = newKey();
    const store = await openStore(key);
    const start = await store.head(contextOf());
    const answers = await Promise.all(countTo(700).map((value) => append(store, [value])));
    const held = Number(await server.command('XLEN', keysOf(key).tail));
    // The server removes whole nodes of 100 entries.
    expect(held).toBeGreaterThanOrEqual(512);
    expect(held).toBeLessThanOrEqual(612);
    expect(await followTo(store, start, answers.at(-1)!.after)).toEqual(countTo(700));
  });

  test('a position older than the remembered batches is not contained, and causes a gap', async () => {
    const store = await openStore(newKey(), { maxEvents: 10 }, 200);
    const positions: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      const answers = await Promise.all(countTo(100).map((value) => append(store, [value])));
      positions.push(answers[0]!.after.position);
    }
    const head = await store.head(contextOf());
    expect(await store.contains(positions[0]!, contextOf(head))).toBe(false);
    expect(await store.contains(positions[3]!, contextOf(head))).toBe(true);
    const read = (position: string) =>
      store.read(
        { after: position, addresses: new Map([['quiet', BEGINNING]]), limit: 1, maxBytes: 1 },
        contextOf(head),
      );
    expect((await read(positions[0]!)).evictedThrough.has('quiet')).toBe(true);
    expect((await read(positions[3]!)).evictedThrough.has('quiet')).toBe(false);
  });

  test('the newest batch of 1,000 handles is remembered', async () => {
    const store = await openStore(newKey());
    const write = (index: number) => append(store, [index], { writer: `writer${index}`, number: 1 });
    const answers = await Promise.all(countTo(1001).map(write));
    // The repeats are answered, except that of the handle that was forgotten.
    expect((await write(1001)).outcomes).toEqual(answers[1000]!.outcomes);
    expect((await write(102)).outcomes).toEqual(answers[101]!.outcomes);
    expect((await write(1)).outcomes).not.toEqual(answers[0]!.outcomes);
  });
});

describe('a batch on Redis', () => {
  test('a handle that keeps appending stays among the 1,000 that are remembered', async () => {
    const store = await openStore(newKey());
    await append(store, ['first'], { writer: 'old', number: 1 });
    for (let number = 1; number <= 990; number += 1) await append(store, [number], { writer: `w${number}` });
    await append(store, ['second'], { writer: 'old', number: 2 });
    for (let number = 1; number <= 50; number += 1) await append(store, [number], { writer: `x${number}` });
    const again = await append(store, ['second'], { writer: 'old', number: 2 });
    expect(again.before.position).toBe(again.after.position);
    expect((await readAll(store)).filter((value) => value === 'second')).toHaveLength(1);
  });

  test('one append of many small events, and of many addresses, is stored whole', async () => {
    const store = await openStore(newKey(), { maxEvents: 20_000 });
    const same = countTo(5_000).map(() => ({ address: 'a', data: '1', keep: 'all' as const }));
    const other = countTo(9_000).map((value) => ({ address: `b${value}`, data: '1', keep: 'all' as const }));
    let number = 0;
    for (const entries of [same, other]) {
      number += 1;
      const appends = [{ entries, idempotencyKey: undefined }];
      await store.append({ appends, writer: 'writer', number }, contextOf());
    }
    expect(await readAll(store)).toHaveLength(5_000);
    expect((await store.head(contextOf())).position).toMatch(/^asw.{4}$/);
  });

  test('a repeated batch is answered with its outcome, and an older one is refused', async () => {
    const store = await openStore(newKey());
    const first = await append(store, [1, 2], { number: 7 });
    expect((await append(store, [1, 2], { number: 7 })).outcomes).toEqual(first.outcomes);
    await append(store, [3], { number: 8 });
    await expect(append(store, [1, 2], { number: 7 })).rejects.toThrow(/a later batch of this process/);
    expect(await readAll(store)).toEqual([1, 2, 3]);
  });

  test('a batch is appended after the scripts of the server were flushed', async () => {
    const store = await openStore(newKey());
    await append(store, [1]);
    await server.command('SCRIPT', 'FLUSH');
    await append(store, [2]);
    expect(await readAll(store)).toEqual([1, 2]);
  });

  test('a large batch reaches the tail, although the stream has only its position', async () => {
    const store = await openStore(newKey());
    const { after: start } = await append(store, [0]);
    const values = countTo(30).map((value) => `${value} ${'x'.repeat(1000)}`);
    const { after: end } = await append(store, values);
    expect(await followTo(store, start, end)).toEqual(values);
  });

  test('a batch that exceeds the memory of the server is refused and changes nothing', async () => {
    const store = await openStore(newKey());
    await append(store, [1]);
    await server.command('CONFIG', 'SET', 'maxmemory', 1);
    const refused = append(store, [2], { writer: 'other', number: 1 });
    await expect(refused).rejects.toMatchObject({ code: 'log_failed', retryable: false });
    expect(await readAll(store)).toEqual([1]);
    await server.command('CONFIG', 'SET', 'maxmemory', 0);
    await append(store, [2], { writer: 'other', number: 1 });
    expect(await readAll(store)).toEqual([1, 2]);
  });
});

describe('keys of a log on Redis', () => {
  test('a page of aged events is read although the server takes no writes', async () => {
    const store = await openStore(newKey(), { maxAgeMs: 1 });
    await append(store, [1]);
    await server.command('CONFIG', 'SET', 'min-replicas-to-write', 1);
    try {
      await expect(append(store, [2])).rejects.toThrow(/NOREPLICAS/);
      expect(await readAll(store)).toEqual([1]);
    } finally {
      await server.command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    }
    expect(await readAll(store)).toEqual([]);
  });

  test('a tail gets every event although its stream was deleted', async () => {
    const key = newKey();
    const store = await openStore(key);
    const { after: start } = await append(store, [1]);
    await server.command('DEL', keysOf(key).tail);
    const { after: end } = await append(store, [2]);
    expect(end.epoch).toBe(start.epoch);
    expect(await followTo(store, start, end)).toEqual([2]);
  });

  test('a stream with later ids that replaces the tail stops neither appends nor the tail', async () => {
    const key = newKey();
    const store = await openStore(key);
    const { after: start } = await append(store, [1]);
    await server.command('XADD', 'foreign', '999999-1', 'e', 'x');
    await server.command('RENAME', 'foreign', keysOf(key).tail);
    const { after: end } = await append(store, [2]);
    expect(await followTo(store, start, end)).toEqual([2]);
  });

  test('a lost key starts a new log with a new epoch', async () => {
    for (const name of ['log', 'order', 'index'] as const) {
      const key = newKey();
      const store = await openStore(key);
      const { after } = await append(store, [1]);
      await server.command('DEL', keysOf(key)[name]);
      const { after: next } = await append(store, [2], { known: after });
      expect(next.epoch).not.toBe(after.epoch);
      expect(next.parent).toBeUndefined();
      expect(await readAll(store)).toEqual([2]);
    }
  });

  test('a key that holds another type is named in the error, and is not changed', async () => {
    for (const name of ['log', 'order', 'index', 'tail'] as const) {
      const key = newKey();
      const store = await openStore(key);
      await append(store, [1]);
      const taken = keysOf(key)[name];
      await server.command('SET', taken, 'of another program');
      const refused = append(store, [2]);
      await expect(refused).rejects.toMatchObject({ code: 'log_failed', retryable: false });
      await expect(refused).rejects.toThrow(/WRONGTYPE.*another `key`/);
      expect(await server.command('GET', taken)).toBe('of another program');
    }
  });

  test('a hash of another program at the key of the log is not changed', async () => {
    const key = newKey();
    await server.command('HSET', keysOf(key).log, 'name', 'value');
    const store = await openStore(key);
    const refused = append(store, [1]);
    await expect(refused).rejects.toMatchObject({ code: 'log_failed', retryable: false });
    await expect(refused).rejects.toThrow(/a hash that is not a log/);
    expect(await server.command('HGETALL', keysOf(key).log)).toEqual(['name', 'value']);
  });

  test('a key with a hash tag keeps it, and any other key becomes one', () => {
    expect(keysOf('board').tail).toBe('{board}:linefeed:tail');
    expect(keysOf('app:{7}:board').log).toBe('app:{7}:board:linefeed');
  });
});
