import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { startRedis, type RedisServer } from '../../../../test-kit/brokers/redis.ts';
import { startRelay } from '../../../../test-kit/brokers/relay.ts';
import type { RedisClient } from '../../database/redis/client.ts';
import type { RecordChange, RunStore } from '../run-store.ts';
import { redisRuns, type RedisRunsOptions } from './redis-runs.ts';
import { runKeysOf } from './run-scripts.ts';

let server: RedisServer;
const closing: Array<() => unknown> = [];
const stores: RunStore[] = [];
let cases = 0;

beforeAll(async () => {
  server = await startRedis();
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

afterAll(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await server?.close();
});

async function connect(port = server.port) {
  const client = createClient({ socket: { host: '127.0.0.1', port } });
  client.on('error', () => undefined);
  await client.connect();
  closing.push(() => client.destroy());
  return client;
}

const newKey = (): string => `case${++cases}`;

async function open(key: string, options: Partial<RedisRunsOptions> = {}): Promise<RunStore> {
  const store = await redisRuns({ client: await connect(), key, ...options });
  stores.push(store);
  return store;
}

const LIMIT = { events: 1_000, bytes: 1_000_000 };
const changeOf = (change: Partial<RecordChange> = {}): RecordChange => ({
  expected: undefined,
  state: '{}',
  count: 0,
  leaseMs: 60_000,
  keepMs: 60_000,
  ...change,
});
const append = (...events: string[]) => ({ run: 'r', after: 0, events });

async function keysOf(key: string): Promise<string[]> {
  return ((await server.command('KEYS', `*{${key}}*`)) as string[]).toSorted();
}

async function allTimesToLive(key: string): Promise<number[]> {
  const keys = await keysOf(key);
  return (await Promise.all(keys.map((name) => server.command('PTTL', name)))) as number[];
}

describe('the opening of redisRuns', () => {
  test('a client, a key and a timeout that are not usable are refused with the name of redisRuns', async () => {
    const client = await connect();
    const closed = await connect();
    closed.destroy();
    for (const options of [
      { client: {} },
      { client: closed },
      { client: client.multi() },
      { key: '' },
      { key: 7 },
      { timeoutMs: 0 },
      { table: 'board' },
    ]) {
      const opened = redisRuns({ client, key: 'board', ...options } as RedisRunsOptions);
      await expect(opened).rejects.toMatchObject({ code: 'invalid_option' });
      await expect(opened).rejects.toThrow(/redisRuns/);
    }
  });

  test('a key of another type, and a hash of another program, are refused and stay as they are', async () => {
    const [typed, foreign, hints] = [newKey(), newKey(), newKey()];
    await server.command('SET', runKeysOf(typed).store, 'x');
    await server.command('HSET', runKeysOf(foreign).store, 'theirs', '1');
    await server.command('SET', runKeysOf(hints).hints, 'x');
    for (const key of [typed, foreign, hints])
      await expect(open(key)).rejects.toMatchObject({ code: 'runs_failed', retryable: false });
    expect(await keysOf(foreign)).toEqual([runKeysOf(foreign).store]);
  });

  test('a store of another version is refused, also while it is open', async () => {
    const key = newKey();
    const store = await open(key);
    const expected = await store.commit('a', changeOf());
    await server.command('HSET', runKeysOf(key).store, 'format', '2');
    const refused = { code: 'runs_failed', retryable: false, message: expect.stringMatching(/version/) };
    await expect(open(key)).rejects.toMatchObject(refused);
    await expect(store.commit('a', changeOf({ expected }))).rejects.toMatchObject(refused);
  });

  test('a server that answers nothing rejects the opening within the timeout, as retryable', async () => {
    const relay = await startRelay(server);
    const client = await connect(relay.port);
    relay.blackHole();
    const opened = redisRuns({ client, key: newKey(), timeoutMs: 300 });
    await expect(opened).rejects.toMatchObject({ code: 'runs_failed', retryable: true });
    client.destroy();
    await relay.close();
  });

  test('each setting of the server that loses runs is named once, with its remedy', async () => {
    const unsafe = await startRedis({
      settings: { appendonly: 'no', maxmemory: '100mb', 'maxmemory-policy': 'volatile-lru' },
    });
    closing.push(() => unsafe.close());
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    await open(newKey(), { client: (await connect(unsafe.port)) as RedisClient });
    expect(warnings.mock.calls.map(([line]) => String(line))).toEqual([
      expect.stringMatching(/store of runs.*volatile-lru.*runs; set maxmemory-policy to noeviction/),
      expect.stringMatching(/a restart of the server loses the store.*set appendonly to yes/),
    ]);
  });

  test('a user with the rights that the documents name is enough', async () => {
    const key = newKey();
    const rights =
      '+evalsha +eval +xread +time +hget +hmget +hlen +hset +exists +unlink +rpush +lrange +pexpire +pttl +zadd +zrem +zrange +zscore +zcard +xadd +xlen';
    await server.command('ACL', 'SETUSER', 'ann', 'on', '>secret', `~{${key}}*`, ...rights.split(' '));
    const client = createClient({ url: server.url, username: 'ann', password: 'secret' });
    client.on('error', () => undefined);
    await client.connect();
    closing.push(() => client.destroy());
    const [store, other] = [await open(key, { client }), await open(key)];
    const keys: string[] = [];
    store.watch!((name) => keys.push(name));
    let expected = await store.commit('a', changeOf({ append: append('1'), keepMs: 1 }));
    await vi.waitFor(async () => expect(await store.load('a')).toBeUndefined());
    expected = await store.commit('b', changeOf({ append: append('1') }));
    expected = await store.commit('b', changeOf({ expected, drop: ['r'] }));
    expect([await store.list(''), await store.versions(['b'])]).toEqual([['b'], [expected]]);
    expect(await store.read('b', 'r', 0, LIMIT)).toEqual([]);
    await other.commit('c', changeOf());
    await vi.waitFor(() => expect(keys).toContain('c'));
  });

  test('a log and a store may have one key', async () => {
    const key = newKey();
    const { redisLog } = await import('../../log/redis/redis-log.ts');
    const log = await redisLog({ client: await connect(), key });
    const store = await open(key);
    await log.append([{ address: 'a', data: '1', keep: 'all' }]);
    expect(await store.commit('a', changeOf({ append: append('1') }))).toBeGreaterThan(0);
    expect(await store.read('a', 'r', 0, LIMIT)).toEqual(['1']);
    await log.close?.();
  });
});

describe('the data of redisRuns', () => {
  test('all keys have one hash tag, and all of them expire', async () => {
    const key = newKey();
    const store = await open(key);
    let expected = await store.commit('a', changeOf({ append: append('1'), keepMs: 5_000 }));
    await store.commit('b', changeOf({ append: append('1'), keepMs: 5_000 }));
    expected = await store.commit(
      'a',
      changeOf({ expected, append: { ...append('2'), after: 1 }, keepMs: 90_000 }),
    );
    const [names, left] = [await keysOf(key), await allTimesToLive(key)];
    expect(names).toHaveLength(8);
    // Those of the store outlive every record.
    for (const [index, name] of names.entries()) {
      const isOfB = name.endsWith(':b') || name.endsWith(':b:r');
      expect(left[index]!, name).toBeLessThanOrEqual(isOfB ? 5_000 : 400_000);
      expect(left[index]!, name).toBeGreaterThan(isOfB ? 0 : 60_000);
    }
  });

  test('the index forgets the keys of expired records when records are made', async () => {
    const key = newKey();
    const store = await open(key);
    for (let n = 0; n < 40; n += 1) await store.commit(`short ${n}`, changeOf({ keepMs: 1 }));
    await vi.waitFor(async () => expect(await store.list('')).toEqual([]));
    await store.commit('one', changeOf());
    await store.commit('two', changeOf());
    expect((await store.list('')).toSorted()).toEqual(['one', 'two']);
    const { names, expiry } = runKeysOf(key);
    expect([await server.command('ZCARD', names), await server.command('ZCARD', expiry)]).toEqual([2, 2]);
  });

  test('a list has the kept keys of a store of more keys than one call returns', async () => {
    const store = await open(newKey());
    const keys = Array.from({ length: 1_200 }, (_, n) => `job?n=${n}`);
    await Promise.all(
      keys.map((key, n) => store.commit(key, changeOf({ keepMs: n % 2 === 0 ? 1 : 60_000 }))),
    );
    await vi.waitFor(async () => expect(await store.list('job')).toHaveLength(600));
  });

  test('a record whose events the server has evicted is gone, and can be made again', async () => {
    const key = newKey();
    const store = await open(key);
    const expected = await store.commit('a', changeOf({ count: 1, append: append('1') }));
    const [list] = (await keysOf(key)).filter((name) => name.endsWith(':r'));
    await server.command('DEL', list!);
    expect(await store.load('a')).toBeUndefined();
    expect(await store.commit('a', changeOf({ expected, count: 1 }))).toBeUndefined();
    expect(await store.commit('a', changeOf())).toBeGreaterThan(expected!);
    expect(await store.load('a')).toMatchObject({ count: 0 });
  });

  test('a version of a lost commit is not given to another commit', async () => {
    const key = newKey();
    const store = await open(key);
    const first = await store.commit('a', changeOf());
    const record = (await keysOf(key)).find((name) => name.endsWith(':r:a'))!;
    const dump = (await server.command('HGET', record, 'v')) as string;
    const lost = await store.commit('a', changeOf({ expected: first }));
    // A promoted replica that has not received the last commit.
    await server.command('HSET', record, 'v', dump);
    const other = await store.commit('a', changeOf({ expected: first, state: '"other"' }));
    expect(other).toBeGreaterThan(lost!);
    expect(await store.commit('a', changeOf({ expected: lost, state: '"stale"' }))).toBeUndefined();
    expect(await store.load('a')).toMatchObject({ version: other, state: '"other"' });
  });

  test('a text that is larger than the server takes is refused alone', async () => {
    await server.command('CONFIG', 'SET', 'proto-max-bulk-len', 1_048_576);
    const store = await open(newKey());
    await server.command('CONFIG', 'SET', 'proto-max-bulk-len', 512 * 1_048_576);
    const large = JSON.stringify('x'.repeat(1_048_576));
    const [small, refused] = await Promise.allSettled([
      store.commit('a', changeOf({ append: append('1') })),
      store.commit('b', changeOf({ append: append(large) })),
    ]);
    expect(small).toMatchObject({ status: 'fulfilled' });
    expect(refused).toMatchObject({ reason: { code: 'payload_too_large', status: 413, address: 'b' } });
  });

  test('a commit that the server has no memory for changes nothing', async () => {
    const key = newKey();
    const store = await open(key);
    const expected = await store.commit('a', changeOf({ count: 1, append: append('1') }));
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    const change = changeOf({ expected, state: '"new"', count: 2, append: { ...append('2'), after: 1 } });
    await expect(store.commit('a', change)).rejects.toMatchObject({ code: 'runs_failed' });
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    expect(await store.load('a')).toMatchObject({ version: expected, state: '{}', count: 1 });
    expect(await store.read('a', 'r', 0, LIMIT)).toEqual(['1']);
  });

  test('the scripts are sent again after the server has forgotten them', async () => {
    const store = await open(newKey());
    const expected = await store.commit('a', changeOf());
    await server.command('SCRIPT', 'FLUSH');
    expect(await store.commit('a', changeOf({ expected }))).toBeGreaterThan(expected!);
  });
});

describe('the hints of redisRuns', () => {
  test('the stream of hints stays small', async () => {
    const key = newKey();
    const store = await open(key);
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => store.commit(`${n}`, changeOf())));
    expect(await server.command('XLEN', runKeysOf(key).hints)).toBeLessThan(400);
  });

  test('a listener alone gets the key of its own commit within the call, and of other commits once', async () => {
    const key = newKey();
    const [own, other] = [await open(key), await open(key)];
    const keys: string[] = [];
    const stop = own.watch!((name) => keys.push(name));
    const committing = own.commit('mine', changeOf());
    expect(keys).toEqual(['mine']);
    await committing;
    await other.commit('theirs', changeOf());
    await vi.waitFor(() => expect(keys).toEqual(['mine', 'theirs']));
    stop();
  });

  test('a stopped and a closed store have no connection that waits', async () => {
    const key = newKey();
    const waiting = async () => String(await server.command('CLIENT', 'LIST')).split('cmd=xread').length - 1;
    const store = await open(key);
    const before = await waiting();
    const stop = store.watch!(() => undefined);
    await vi.waitFor(async () => expect(await waiting()).toBe(before + 1));
    stop();
    await vi.waitFor(async () => expect(await waiting()).toBe(before));
    store.watch!(() => undefined);
    await vi.waitFor(async () => expect(await waiting()).toBe(before + 1));
    await store.close();
    store.watch!(() => undefined);
    await vi.waitFor(async () => expect(await waiting()).toBe(before));
  });
});
