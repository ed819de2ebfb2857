import { once } from 'node:events';
import { Redis as IoRedis } from 'ioredis';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startRelay } from '../../../../test-kit/brokers/relay.ts';
import { startRedis, startReplica, type RedisServer } from '../../../../test-kit/brokers/redis.ts';
import type { Log, LogEvent } from '../log.ts';
import { toConnectionSource, type RedisClient } from '../../database/redis/client.ts';
import { logUse } from '../../database/use.ts';
import { redisLog, type RedisLogOptions } from './redis-log.ts';
import { keysOf } from './scripts.ts';

let server: RedisServer;
const closing: Array<() => unknown> = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await server?.close();
});

async function connect(port: number = server.port, options: object = {}) {
  const client = createClient({ socket: { host: '127.0.0.1', port }, ...options });
  client.on('error', () => undefined);
  await client.connect();
  closing.push(() => client.isOpen && client.destroy());
  return client;
}

let cases = 0;
async function openLog(client: RedisClient, options: Partial<RedisLogOptions> = {}): Promise<Log> {
  const log = await redisLog({ client, key: `case${++cases}`, timeoutMs: 3_000, ...options });
  closing.push(() => log.close?.());
  return log;
}

const entry = (value: unknown) => ({ address: 'a', data: JSON.stringify(value), keep: 'all' as const });

/** Records the calls of a tail. */
function follow(log: Log) {
  const told: { values: unknown[]; resets: string[]; errors: unknown[] } = {
    values: [],
    resets: [],
    errors: [],
  };
  log.tail({
    onEvents: (events: readonly LogEvent[]) =>
      void told.values.push(...events.map(({ data }) => JSON.parse(data) as unknown)),
    onReset: (reason) => void told.resets.push(reason),
    onError: (error) => void told.errors.push(error),
  });
  return told;
}

describe('a client that redisLog cannot use', () => {
  const refusal = (client: unknown) => redisLog({ client: client as RedisClient, key: 'board' });

  test('a value that is not a client of a known library is refused', async () => {
    for (const client of [undefined, null, 'redis://localhost', {}, { get() {}, set() {} }, new Map()]) {
      await expect(refusal(client)).rejects.toMatchObject({ code: 'invalid_option' });
      await expect(refusal(client)).rejects.toThrow(/node-redis 6, ioredis 6 or iovalkey/);
    }
  });

  test('a client of node-redis that was not opened, or was closed, is refused', async () => {
    const client = createClient({ url: server.url });
    await expect(refusal(client)).rejects.toThrow(/is not open; call `await client.connect\(\)` first/);
    const closed = await connect();
    closed.destroy();
    await expect(refusal(closed)).rejects.toMatchObject({ code: 'invalid_option' });
  });

  test('a client of ioredis that was closed, or is in subscriber mode, is refused', async () => {
    const client = new IoRedis(server.port, { protocol: 2 });
    await client.subscribe('channel');
    await expect(refusal(client)).rejects.toThrow(/is in subscriber mode/);
    client.disconnect();
    await once(client, 'end');
    await expect(refusal(client)).rejects.toThrow(/is closed/);
  });

  test('a client of node-redis in subscriber mode is refused', async () => {
    const client = await connect(server.port, { RESP: 2 });
    await client.subscribe('channel', () => undefined);
    await expect(refusal(client)).rejects.toThrow(/is in subscriber mode/);
  });

  test('a pipeline and a transaction are refused', async () => {
    const client = new IoRedis(server.port, { lazyConnect: true });
    for (const pipeline of [client.pipeline(), client.multi(), (await connect()).multi()])
      await expect(refusal(pipeline)).rejects.toThrow(/not a pipeline or transaction/);
    client.disconnect();
  });

  test('a client of node-redis that maps types is used without its mapping', async () => {
    const client = await connect(server.port, { commandOptions: { typeMapping: { 36: Buffer } } });
    for (const mapped of [client, client.withTypeMapping({ 36: Buffer })]) {
      const log = await openLog(mapped);
      expect(await log.append([entry(1)])).toMatchObject({ duplicate: false });
    }
  });

  test('a key and a timeout that are not usable are refused', async () => {
    const client = await connect();
    for (const options of [
      { key: '' },
      { key: 7 },
      { timeoutMs: 0 },
      { timeoutMs: Infinity },
      { maxEvents: 0 },
    ]) {
      const opened = redisLog({ client, key: 'board', ...options } as RedisLogOptions);
      await expect(opened).rejects.toMatchObject({ code: 'invalid_option' });
    }
  });

  test('a server that does not answer rejects the log within the timeout, with a retryable error', async () => {
    const relay = await startRelay(server);
    const client = await connect(relay.port);
    relay.blackHole();
    const opened = redisLog({ client, key: 'board', timeoutMs: 300 });
    await expect(opened).rejects.toMatchObject({ code: 'log_failed', retryable: true });
    client.destroy();
    await relay.close();
  });

  test('a key of another type rejects the log', async () => {
    await server.command('SET', keysOf('taken').log, 'x');
    const opened = redisLog({ client: await connect(), key: 'taken' });
    await expect(opened).rejects.toMatchObject({ code: 'log_failed', retryable: false });
  });
});

describe('dangerous settings', () => {
  const warningsOf = async (client: RedisClient): Promise<string[]> => {
    const written = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const log = await openLog(client);
    await log.close?.();
    const lines = written.mock.calls.map(([line]) => String(line));
    written.mockRestore();
    return lines;
  };

  test('a server with safe settings causes no warning', async () => {
    expect(await warningsOf(await connect())).toEqual([]);
  });

  test('a policy that evicts only keys with an expiry causes no warning: the keys of a log have none', async () => {
    const client = await connect();
    await server.command('CONFIG', 'SET', 'maxmemory', '100mb');
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-lru');
    const warnings = await warningsOf(client);
    await server.command('CONFIG', 'SET', 'maxmemory', 0);
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    expect(warnings).toEqual([]);
  });

  test('each dangerous setting of the server is named once, with its remedy', async () => {
    const unsafe = await startRedis({
      settings: { appendonly: 'no', maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' },
    });
    closing.push(() => unsafe.close());
    const replica = await startReplica(unsafe);
    closing.push(() => replica.close());
    const node = await warningsOf(await connect(unsafe.port));
    const io = new IoRedis(unsafe.port);
    closing.push(() => io.disconnect());
    expect(await warningsOf(io)).toHaveLength(3);
    expect(node).toEqual([
      expect.stringMatching(/allkeys-lru.*set maxmemory-policy to noeviction/),
      expect.stringMatching(/a restart.*set appendonly to yes/),
      expect.stringMatching(/min-replicas-to-write 0.*set min-replicas-to-write to 1/),
    ]);
  });

  test('a user that may not read settings causes no warning, and the log works', async () => {
    await server.command('ACL', 'SETUSER', 'ann', 'on', '>secret', '~*', '+@all', '-info', '-config');
    const client = await connect(server.port, { username: 'ann', password: 'secret' });
    expect(await warningsOf(client)).toEqual([]);
    const log = await openLog(client);
    expect(await log.append([entry(1)])).toMatchObject({ duplicate: false });
  });

  test('a client of ioredis that does not look for failovers is named', async () => {
    const options = { sentinels: [{ port: 1 }], name: 'x', lazyConnect: true };
    const dangerOf = (client: IoRedis) => toConnectionSource(client, logUse('redisLog')).danger;
    expect(dangerOf(new IoRedis(options))).toMatch(/failoverDetector: true/);
    expect(dangerOf(new IoRedis({ ...options, failoverDetector: true }))).toBeUndefined();
  });
});

describe('failures of the server', () => {
  test('a restart without its data starts a new epoch, and the tail continues', async () => {
    const volatile = await startRedis();
    closing.push(() => volatile.close());
    const log = await openLog(await connect(volatile.port), { waitMs: 300 });
    const told = follow(log);
    await log.append([entry(1)]);
    await vi.waitFor(() => expect(told.values).toEqual([1]), 10_000);
    const { epoch } = log;
    await volatile.restart({ keepData: false, kill: true });
    await vi.waitFor(() => expect(told.resets).toEqual(['epoch']), 10_000);
    expect(log.epoch).not.toBe(epoch);
    await log.append([entry(2)]);
    await vi.waitFor(() => expect(told.values).toEqual([1, 2]), 10_000);
  });

  test('a crash of a server with a log of its writes loses nothing', async () => {
    const durable = await startRedis();
    closing.push(() => durable.close());
    const log = await openLog(await connect(durable.port), { waitMs: 300 });
    const told = follow(log);
    const { epoch } = log;
    await log.append([entry(1)]);
    await durable.restart({ kill: true });
    await vi.waitFor(async () => await log.append([entry(2)]), 10_000);
    await vi.waitFor(() => expect(told.values).toEqual([1, 2]), 10_000);
    expect([log.epoch, told.resets]).toEqual([epoch, []]);
  });

  test('FLUSHALL, and a renamed log, start a new epoch', async () => {
    const client = await connect();
    const key = 'renamed';
    const log = await openLog(client, { key, waitMs: 300 });
    const told = follow(log);
    await log.append([entry(1)]);
    await vi.waitFor(() => expect(told.values).toEqual([1]), 10_000);
    await server.command('FLUSHALL');
    await vi.waitFor(() => expect(told.resets).toEqual(['epoch']), 10_000);
    await log.append([entry(2)]);
    for (const name of Object.values(keysOf(key))) await server.command('RENAME', name, `${name}:away`);
    await vi.waitFor(() => expect(told.resets).toEqual(['epoch', 'epoch']), 10_000);
    await log.append([entry(3)]);
    await vi.waitFor(() => expect(told.values.at(-1)).toBe(3), 10_000);
  });

  test('a key that is overwritten rejects appends and is reported once, until it is deleted', async () => {
    const key = 'overwritten';
    const log = await openLog(await connect(), { key, waitMs: 200 });
    const told = follow(log);
    await log.append([entry(1)]);
    await vi.waitFor(() => expect(told.values).toEqual([1]), 10_000);
    await server.command('SET', keysOf(key).log, 'of another program');
    await expect((async () => await log.append([entry(2)]))()).rejects.toMatchObject({
      code: 'log_failed',
      retryable: false,
    });
    await vi.waitFor(() => expect(told.errors).toHaveLength(1), 10_000);
    expect(log.available).toBe(false);
    await server.command('DEL', keysOf(key).log);
    await vi.waitFor(() => expect(told.resets).toEqual(['epoch']), 10_000);
    await log.append([entry(3)]);
    await vi.waitFor(() => expect(told.values).toEqual([1, 3]), 10_000);
    expect([told.errors.length, log.available]).toEqual([1, true]);
  });

  test.each(['node-redis', 'ioredis'])(
    'a server that had no room for the connection of a log is used when it has room (%s)',
    async (library) => {
      const admin = await connect();
      const relay = await startRelay(server);
      const io = new IoRedis(relay.port, { lazyConnect: true });
      closing.push(() => io.disconnect());
      const client = library === 'ioredis' ? io : await connect(relay.port);
      const log = await openLog(client, { timeoutMs: 500, waitMs: 300 });
      await admin.sendCommand(['CONFIG', 'SET', 'maxclients', '1']);
      try {
        relay.cut();
        await expect((async () => await log.append([entry(1)]))()).rejects.toMatchObject({
          code: 'log_failed',
          retryable: true,
        });
      } finally {
        await admin.sendCommand(['CONFIG', 'SET', 'maxclients', '10000']);
      }
      await vi.waitFor(async () => await log.append([entry(2)]), 10_000);
      await relay.close();
    },
  );

  test('a server that refused a password for a while is used when it accepts it', async () => {
    await server.command('ACL', 'SETUSER', 'eve', 'on', '>secret', '~*', '+@all');
    const relay = await startRelay(server);
    const log = await openLog(await connect(relay.port, { username: 'eve', password: 'secret' }));
    await server.command('ACL', 'SETUSER', 'eve', 'resetpass', '>other');
    relay.cut();
    await expect((async () => await log.append([entry(1)]))()).rejects.toThrow(/WRONGPASS/);
    await server.command('ACL', 'SETUSER', 'eve', '>secret');
    expect(await log.append([entry(2)])).toMatchObject({ duplicate: false });
    await relay.close();
  });

  test('a master that became a replica rejects appends with a retryable error, and the log continues when it is master again', async () => {
    const master = await startRedis();
    closing.push(() => master.close());
    const log = await openLog(await connect(master.port), { waitMs: 300 });
    const told = follow(log);
    await log.append([entry(1)]);
    // Its master does not exist: it keeps its data.
    await master.command('REPLICAOF', '127.0.0.1', 1);
    await expect((async () => await log.append([entry(2)]))()).rejects.toMatchObject({
      code: 'log_failed',
      retryable: true,
    });
    await master.command('REPLICAOF', 'NO', 'ONE');
    await vi.waitFor(async () => await log.append([entry(3)]), 10_000);
    await vi.waitFor(() => expect(told.values.at(-1)).toBe(3), 10_000);
    expect(told.resets).toEqual([]);
  });

  test('a log sends nothing on the client of the user, and opens two connections', async () => {
    const relay = await startRelay(server);
    const client = await connect(relay.port);
    const log = await openLog(client, { waitMs: 300 });
    const told = follow(log);
    await log.append([entry(1)]);
    await vi.waitFor(() => expect(told.values).toEqual([1]), 10_000);
    expect(relay.connections).toBe(3);
    await log.close?.();
    await vi.waitFor(() => expect(relay.connections).toBe(1), 10_000);
    expect(await client.ping()).toBe('PONG');
    client.destroy();
    await relay.close();
  });
});
