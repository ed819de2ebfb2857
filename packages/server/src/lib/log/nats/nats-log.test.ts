import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { BEGINNING } from '@linefeed/shared/wire';
import { startNats } from '../../../../test-kit/brokers/nats.ts';
import { entryOf, valuesOf } from '../../testing/log-checks.ts';
import type { Log } from '../log.ts';
import { natsLog } from './nats-log.ts';
import type { NatsLogOptions } from './options.ts';

const server = await startNats({
  config: `
    max_payload: 64KB
    accounts {
      A { jetstream: enabled, users: [
        { user: a, password: a }
        { user: keeps, password: keeps, permissions: { publish: { deny: ["$JS.API.STREAM.PURGE.>"] } } }
        { user: few, password: few, permissions: { publish: ["other.>"], subscribe: ["_INBOX.>"] } }
      ] }
      B { users: [ { user: b, password: b } ] }
    }
    no_auth_user: a
  `,
});
const connections: NatsConnection[] = [];
async function connectAs(user: string): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url, user, pass: user, maxReconnectAttempts: -1 });
  connections.push(connection);
  return connection;
}
const connection = await connectAs('a');
afterAll(async () => {
  await Promise.all(connections.map(async (one) => await one.close()));
  await server.close();
});

const warned: string[] = [];
beforeEach(() => {
  warned.length = 0;
  vi.spyOn(console, 'warn').mockImplementation((text: string) => void warned.push(text));
});

const open = async (options: Partial<NatsLogOptions> = {}): Promise<Log> =>
  await natsLog({ connection, stream: 'board', ...options });

async function makeStream(name: string, config: object): Promise<void> {
  const body = { name, subjects: [`linefeed.${name}`], storage: 'file', ...config };
  await connection.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(body));
}

async function messagesOf(name: string): Promise<number> {
  const answer = await connection.request(`$JS.API.STREAM.INFO.${name}`);
  return answer.json<{ state: { messages: number } }>().state.messages;
}

test.each([
  [
    'no connection',
    { connection: undefined },
    /connection of a natsLog must be an open NATS connection, not undefined/,
  ],
  ['a promise of a connection', { connection: connectAs('a') }, /a promise \(await it\)/],
  ['another object', { connection: new Map() }, /not a Map; give the result of `await connect/],
  ['a name with a dot', { stream: 'a.b' }, /letters, digits, "-" and "_", not "a\.b"/],
  ['no name', { stream: undefined }, /stream of a natsLog/],
  ['no copies', { replicas: 0 }, /replicas of a natsLog must be a whole number from 1 to 5, not 0/],
  ['short heartbeats', { heartbeatMs: 10 }, /heartbeatMs of a natsLog must be at least 100, not 10/],
  ['a bound of 0', { maxEvents: 0 }, /maxEvents of a log/],
  ['an unknown option', { streem: 'board' }, /streem/],
])('natsLog refuses %s', async (_, options, message) => {
  await expect(open(options as never)).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringMatching(message),
  });
});

test('natsLog refuses a closed connection', async () => {
  const closed = await connectAs('a');
  await closed.close();
  await expect(open({ connection: closed })).rejects.toMatchObject({
    code: 'log_failed',
    message: expect.stringMatching(/is closed/),
  });
});

test('natsLog refuses a server that is too old', async () => {
  const old = Object.create(connection, {
    info: { value: { ...connection.info!, version: '2.8.4' } },
  }) as NatsConnection;
  await expect(open({ connection: old })).rejects.toMatchObject({
    code: 'log_failed',
    message: expect.stringMatching(/needs nats-server 2\.9 or later; this one is 2\.8\.4/),
  });
});

test('natsLog names the remedy if the account has no JetStream', async () => {
  await expect(open({ connection: await connectAs('b') })).rejects.toMatchObject({
    code: 'log_failed',
    message: expect.stringMatching(/JetStream/),
  });
});

test(
  'natsLog warns once if it must not purge the stream, and writes no second snapshot',
  { timeout: 20_000 },
  async () => {
    const log = await open({
      ...{ connection: await connectAs('keeps'), stream: 'kept', maxEvents: 10, minGain: 4_000 },
    });
    let appended = 0;
    while (warned.length === 0 && appended < 2_000) {
      await log.append([entryOf('a', appended)]);
      appended += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(warned).toEqual([
      expect.stringMatching(/"kept" grows.*publish to \$JS\.API\.STREAM\.PURGE\.kept/),
    ]);
    expect(await messagesOf('kept')).toBe(appended + 1);
    await log.close?.();
  },
);

test('natsLog names the permissions that a user lacks', async () => {
  await expect(open({ connection: await connectAs('few') })).rejects.toMatchObject({
    code: 'log_failed',
    message: expect.stringMatching(/has no permission for the stream "board".*CONSUMER/),
  });
});

test('natsLog names replicas if the server has no cluster for them', async () => {
  await expect(open({ stream: 'copies', replicas: 3 })).rejects.toMatchObject({
    ...{ code: 'log_failed', retryable: false },
    message: expect.stringMatching(/fewer servers than `replicas`/),
  });
});

test.each([
  ['another subject', { subjects: ['orders.>'] }, /has the subjects \["orders\.>"\]/],
  ['another retention', { retention: 'workqueue' }, /has the retention "workqueue"/],
  ['purging forbidden', { deny_purge: true }, /forbids to be purged/],
])('natsLog refuses a stream with %s, and changes nothing', async (name, config, message) => {
  const stream = name.replaceAll(' ', '-');
  await makeStream(stream, config);
  await expect(open({ stream })).rejects.toMatchObject({
    code: 'log_failed',
    message: expect.stringMatching(message),
  });
  expect(await messagesOf(stream)).toBe(0);
});

test('natsLog refuses a stream with messages of another program, and writes nothing', async () => {
  await makeStream('foreign', {});
  await connection.request('linefeed.foreign', '{"order":1}');
  await expect(open({ stream: 'foreign' })).rejects.toMatchObject({
    code: 'log_failed',
    message: expect.stringMatching(/Message 1 of the NATS stream "foreign" was not written by/),
  });
  expect(await messagesOf('foreign')).toBe(1);
});

test('a message of another program in the stream of an open log changes no event', async () => {
  const log = await open({ stream: 'mixed', checkMs: 50 });
  await log.append([entryOf('a', 1)]);
  await connection.request('linefeed.mixed', 'noise');
  // The checks that follow do not take it for another history.
  let consumers = 0;
  let checks = 0;
  connection.subscribe('$JS.API.CONSUMER.CREATE.mixed', { callback: () => void (consumers += 1) });
  connection.subscribe('$JS.API.STREAM.MSG.GET.mixed', { callback: () => void (checks += 1) });
  await vi.waitFor(() => expect(checks).toBeGreaterThan(2));
  expect(consumers).toBe(0);
  await log.append([entryOf('a', 2)]);
  const restarted = await open({ stream: 'mixed' });
  expect(warned).toEqual([expect.stringMatching(/has 1 message that the log ignores.*linefeed\.mixed/)]);
  expect(restarted.epoch).toBe(log.epoch);
  await restarted.close?.();
  const page = await log.read({
    after: '0',
    addresses: new Map([['a', BEGINNING]]),
    limit: 9,
    maxBytes: 999,
  });
  expect(valuesOf(page.events)).toEqual([1, 2]);
  expect(page.events[1]!.prev).toBe(page.events[0]!.position);
  await log.close?.();
});

test('an append by a process that has not noticed a new stream is confirmed only when that stream has it', async () => {
  const remake = { createAfterMs: 0, checkMs: 60_000, heartbeatMs: 60_000, stream: 'remade' };
  const stale = await open(remake);
  for (let n = 0; n < 3; n += 1) await stale.append([entryOf('a', `old ${n}`)]);
  await connection.request('$JS.API.STREAM.DELETE.remade');
  const log = await open(remake);
  for (let n = 0; n < 3; n += 1) await log.append([entryOf('a', `new ${n}`)]);
  const told: unknown[] = [];
  log.tail({
    onEvents: (events) => told.push(...valuesOf(events)),
    onReset: (reason) => told.push(reason),
    onError: () => undefined,
  });
  const { epoch, position } = await stale.append([entryOf('a', 'late')]);
  await vi.waitFor(() => expect(told).toEqual(['late']));
  expect([log.epoch, await log.contains?.(position)]).toEqual([epoch, true]);
  await stale.close?.();
  await log.close?.();
});

test('an append after the deletion of the stream is rejected with that reason', async () => {
  const log = await open({ stream: 'gone', heartbeatMs: 100, createAfterMs: 60_000 });
  await log.append([entryOf('a', 1)]);
  await connection.request('$JS.API.STREAM.DELETE.gone');
  await expect(log.append([entryOf('a', 2)])).rejects.toMatchObject({
    ...{ code: 'log_failed', retryable: true },
    message: expect.stringMatching(/did not confirm .*"gone" does not exist any more/),
  });
  await log.close?.();
}, 20_000);

test.each([
  ['memory storage', { storage: 'memory' }, /is kept in memory.*storage: file/],
  ['discard: new with a limit', { discard: 'new', max_msgs: 1e6 }, /discard: new.*set discard: old/],
  ['a short max_age', { max_age: 60e9 }, /drops events after 60000 ms.*max_age: 0/],
  ['a small max_msgs', { max_msgs: 100 }, /holds at most 100 messages.*max_msgs: -1/],
  ['a small max_bytes', { max_bytes: 1e6 }, /holds at most 1000000 bytes.*max_bytes: -1/],
  ['a limit per subject', { max_msgs_per_subject: 1 }, /max_msgs_per_subject: -1/],
])('natsLog warns once of a stream with %s', async (name, config, message) => {
  const stream = name.replaceAll(/\W/g, '-');
  await makeStream(stream, config);
  const log = await open({ stream });
  expect(warned).toEqual([expect.stringMatching(message)]);
  await log.close?.();
});

test('natsLog warns of a connection that gives up', async () => {
  const impatient = await connect({ servers: server.url });
  connections.push(impatient);
  const log = await open({ connection: impatient });
  expect(warned).toEqual([expect.stringMatching(/gives up after 10 attempts.*maxReconnectAttempts: -1/)]);
  await log.close?.();
});

test('an append above the payload limit of the server is refused, and others in its batch are not', async () => {
  const log = await open({ stream: 'large' });
  expect(warned).toEqual([]);
  const results = await Promise.allSettled([
    log.append([entryOf('a', 1)]),
    log.append([entryOf('a', 'x'.repeat(70_000))]),
    log.append([entryOf('a', 3)]),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(results[1]).toMatchObject({
    reason: {
      code: 'payload_too_large',
      message: expect.stringMatching(/more than the 61440 that fit into one message.*max_payload/),
    },
  });
  await log.close?.();
});

test('a batch above the payload limit of the server becomes several messages, each append whole', async () => {
  const log = await open({ stream: 'split' });
  const values = Array.from({ length: 40 }, (_, n) => `${n} ${'"ü'.repeat(2_000)}`);
  await Promise.all(
    values.map(async (value) => await log.append([entryOf('a', value), entryOf('b', value)])),
  );
  const floors = new Map([
    ['a', BEGINNING],
    ['b', BEGINNING],
  ]);
  const page = await log.read({ after: '0', addresses: floors, limit: 99, maxBytes: 1e9 });
  expect(valuesOf(page.events)).toEqual(values.flatMap((value) => [value, value]));
  expect(await messagesOf('split')).toBeGreaterThan(5);
  await log.close?.();
});

test('a stream that natsLog creates has file storage and no limit, and a second natsLog creates none', async () => {
  const log = await open({ stream: 'fresh' });
  await log.append([entryOf('a', 1)]);
  const again = await open({ stream: 'fresh' });
  expect(again.epoch).toBe(log.epoch);
  const { config } = (await connection.request('$JS.API.STREAM.INFO.fresh')).json<{ config: object }>();
  expect(config).toMatchObject({
    ...{ storage: 'file', discard: 'old', max_msgs: -1, max_bytes: -1, max_age: 0 },
    ...{ subjects: ['linefeed.fresh'], num_replicas: 1 },
  });
  await log.close?.();
  await again.close?.();
});
