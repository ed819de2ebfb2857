import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, expect, test, vi } from 'vitest';
import { BEGINNING } from '@linefeed/shared/wire';
import { startNats } from '../../../../test-kit/brokers/nats.ts';
import { startRelay } from '../../../../test-kit/brokers/relay.ts';
import { entryOf, valuesOf } from '../../testing/log-checks.ts';
import type { Log } from '../log.ts';
import { natsLog } from './nats-log.ts';
import type { NatsLogOptions } from './options.ts';

const server = await startNats();
const connection = await connect({ servers: server.url, maxReconnectAttempts: -1 });
afterAll(async () => {
  await connection.close();
  await server.close();
});

/** A small log that compacts after some events. */
const open = async (stream: string, options: Partial<NatsLogOptions> = {}): Promise<Log> =>
  await natsLog({ connection, stream, maxEvents: 20, minGain: 4_000, ...options });

interface StreamState {
  readonly messages: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly bytes: number;
}

async function stateOf(stream: string, by: NatsConnection = connection): Promise<StreamState> {
  const answer = await by.request(`$JS.API.STREAM.INFO.${stream}`);
  return answer.json<{ state: StreamState }>().state;
}

async function readAll(log: Log, addresses: readonly string[]) {
  const floors = new Map(addresses.map((address) => [address, BEGINNING]));
  return await log.read({ after: BEGINNING, addresses: floors, limit: 10_000, maxBytes: 2 ** 30 });
}

test('the stream of a full log stays small', async () => {
  const log = await open('full');
  for (let n = 0; n < 300; n += 1) await log.append([entryOf('a', n)]);
  await vi.waitFor(async () => expect((await stateOf('full')).messages).toBeLessThan(80));
  const { events } = await readAll(log, ['a']);
  expect(valuesOf(events)).toEqual(Array.from({ length: 20 }, (_, n) => 280 + n));
  await log.close?.();
});

test('values that are updated often do not keep the stream large while an old event is held', async () => {
  const log = await open('values');
  await log.append([entryOf('a', 'old')], { idempotencyKey: 'k' });
  for (let n = 0; n < 300; n += 1) await log.append([entryOf(`p${n % 5}`, n, 'latest')]);
  await vi.waitFor(async () => expect((await stateOf('values')).messages).toBeLessThan(80));
  const again = await open('values');
  for (const one of [log, again]) {
    const { events, evictedThrough } = await readAll(one, ['a', 'p0', 'p1', 'p2', 'p3', 'p4']);
    expect(valuesOf(events)).toEqual(['old', 295, 296, 297, 298, 299]);
    expect(evictedThrough.size).toBe(0);
    expect((await one.append([entryOf('a', 'old')], { idempotencyKey: 'k' })).duplicate).toBe(true);
  }
  await log.close?.();
  await again.close?.();
});

test('a log that is loaded after a compaction has the same events, watermarks, prev, epoch and positions', async () => {
  const log = await open('loaded');
  const addresses = Array.from({ length: 30 }, (_, n) => `a${n}`);
  await log.append([entryOf('p', 'value', 'latest'), entryOf('q', 'evicted', 'latest')]);
  for (let n = 0; n < 400; n += 1) {
    // Some addresses are quiet for long, so that all their events are evicted.
    const address = addresses[n < 200 ? n % 30 : n % 7]!;
    await log.append([entryOf(address, n)]);
    if (n % 9 === 0) await log.append([entryOf(`v${n % 4}`, n, 'latest')]);
  }
  const loaded = await open('loaded');
  expect(loaded.epoch).toBe(log.epoch);
  const all = [...addresses, 'p', 'q', 'never', 'v0', 'v1', 'v2', 'v3'];
  const pages = [await readAll(log, all), await readAll(loaded, all)];
  expect(pages[1]).toEqual(pages[0]);
  expect(pages[0]!.evictedThrough.size).toBe(30);
  expect(pages[0]!.evictedThrough.has('never')).toBe(false);
  // The cursors of evicted events are still recognised.
  for (const position of pages[0]!.evictedThrough.values()) {
    expect(await loaded.contains?.(position)).toBe(true);
    expect(await loaded.contains?.(position.slice(0, -4) + '0000')).toBe(false);
  }
  const next = await loaded.append([entryOf('a29', 'next')]);
  const { events } = await readAll(log, ['a29']);
  expect(events.at(-1)).toMatchObject({
    position: next.position,
    prev: pages[0]!.evictedThrough.get('a29'),
  });
  await log.close?.();
  await loaded.close?.();
});

test('a snapshot that a process left incomplete changes nothing', async () => {
  const log = await open('incomplete');
  for (let n = 0; n < 25; n += 1) await log.append([entryOf('a', n)]);
  const page = await readAll(log, ['a']);
  await log.close?.();
  // The first part of two, from a process that was killed.
  const { last_seq: last } = await stateOf('incomplete');
  const { message } = (
    await connection.request('$JS.API.STREAM.MSG.GET.incomplete', JSON.stringify({ seq: last }))
  ).json<{ message: { data: string } }>();
  const newest = JSON.parse(atob(message.data)) as { id: string; chain: string; first: number };
  const { chainOf } = await import('./message.ts');
  const part = {
    ...newest,
    ...{ id: 'killed.x.0', chain: chainOf(newest.chain, newest.id), first: newest.first + 1, entries: [] },
    snapshot: {
      ...{ group: 'x', index: 0, count: 2, base: last, items: [], marks: [] },
      origin: { chain: '', number: 0, forgotten: '0', firsts: [], tags: '' },
    },
  };
  await connection.request('linefeed.incomplete', JSON.stringify(part));
  const loaded = await open('incomplete');
  expect(await readAll(loaded, ['a'])).toEqual(page);
  await loaded.append([entryOf('a', 'next')]);
  expect(valuesOf((await readAll(loaded, ['a'])).events).at(-1)).toBe('next');
  await loaded.close?.();
});

test('an append whose message was compacted before its answer is not stored twice', async () => {
  const relay = await startRelay(server.port);
  const slow = await connect({ servers: `127.0.0.1:${relay.port}`, maxReconnectAttempts: -1 });
  const writer = await open('once', { connection: slow, timeoutMs: 30_000 });
  const other = await open('once');
  const told: unknown[] = [];
  other.tail({
    onEvents: (events) => told.push(...valuesOf(events)),
    onReset: (reason) => told.push(reason),
    onError: (error) => told.push(error),
  });
  await writer.append([entryOf('a', 'first')]);
  relay.blackHole('toClient');
  const outcomes = Promise.allSettled([
    writer.append([entryOf('a', 'once')]),
    writer.append([entryOf('a', 'keyed')], { idempotencyKey: 'k' }),
  ]);
  await vi.waitFor(() => expect(told).toContain('once'), 10_000);
  const { last_seq: last } = await stateOf('once');
  for (let n = 0; (await stateOf('once')).first_seq <= last; n += 1) await other.append([entryOf('b', n)]);
  relay.pass();
  relay.cut();
  const [unkeyed] = await outcomes;
  expect(unkeyed).toMatchObject({
    reason: { code: 'log_failed', retryable: true, message: expect.stringMatching(/not known whether/) },
  });
  await other.append([entryOf('a', 'last')]);
  await vi.waitFor(() => expect(told).toContain('last'));
  expect(told.filter((value) => value === 'once')).toHaveLength(1);
  await writer.close?.();
  await other.close?.();
  await slow.close();
  await relay.close();
}, 40_000);

test('two processes that append and compact at once lose nothing', async () => {
  const logs = [await open('both', { maxEvents: 50 }), await open('both', { maxEvents: 50 })];
  const told: unknown[] = [];
  logs[0]!.tail({
    onEvents: (events) => told.push(...valuesOf(events)),
    onReset: (reason) => told.push(reason),
    onError: (error) => told.push(error),
  });
  for (let n = 0; n < 150; n += 1)
    await Promise.all(logs.map(async (log, index) => await log.append([entryOf('a', 2 * n + index)])));
  await vi.waitFor(() => expect(told).toHaveLength(300));
  expect(new Set(told).size).toBe(300);
  logs.push(await open('both', { maxEvents: 50 }));
  const pages = [await readAll(logs[1]!, ['a']), await readAll(logs[2]!, ['a'])];
  expect(pages[1]).toEqual(pages[0]);
  expect(pages[0]!.events).toHaveLength(50);
  expect((await stateOf('both')).messages).toBeLessThan(200);
  for (const log of logs) await log.close?.();
});
