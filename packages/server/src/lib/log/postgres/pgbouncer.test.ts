import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { startPgbouncer } from '../../../../test-kit/brokers/pgbouncer.ts';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import type { Broker } from '../../../../test-kit/brokers/server-process.ts';
import {
  connectWith,
  LIBRARIES,
  type Library,
  type TestClient,
} from '../../../../test-kit/postgres-bench.ts';
import type { Log } from '../log.ts';
import { postgresLog } from './postgres-log.ts';

let server: PostgresServer;
let transactionPool: Broker;
let sessionPool: Broker;
const ends: Array<() => unknown> = [];

beforeAll(async () => {
  server = await startPostgres();
  transactionPool = await startPgbouncer({ postgres: server });
  sessionPool = await startPgbouncer({ postgres: server, poolMode: 'session' });
});

afterAll(async () => {
  await transactionPool?.close();
  await sessionPool?.close();
  await server?.close();
});

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function connect(library: Library, port: number): TestClient['client'] {
  const { client, end } = connectWith(library, port, 3);
  ends.push(end);
  return client;
}

async function open(library: Library, port: number, direct = false): Promise<Log> {
  const tailClient = direct ? () => connectWith(library, server.port, 1).client : undefined;
  const log = await postgresLog({ client: connect(library, port), table: `via_${library}`, tailClient });
  ends.push(() => log.close?.());
  return log;
}

async function expectWorking(log: Log): Promise<void> {
  const seen: string[] = [];
  const ignore = (): void => undefined;
  log.tail({
    onEvents: (events) => seen.push(...events.map(({ data }) => data)),
    onReset: ignore,
    onError: ignore,
  });
  for (const data of ['1', '2', '3']) await log.append([{ address: 'a', data, keep: 'all' }]);
  await vi.waitFor(() => expect(seen).toEqual(['1', '2', '3']));
}

test.each(LIBRARIES)(
  '%s through a pooler in transaction mode works, and is named at start',
  async (library) => {
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const log = await open(library, transactionPool.port);
    expect(warnings.mock.calls.flat()[0]).toMatch(/pooler in transaction mode.*pgbouncer.*tailClient/s);
    expect(warnings).toHaveBeenCalledTimes(library === 'postgres' ? 2 : 1);
    await expectWorking(log);
  },
);

test.each(LIBRARIES)('%s with a direct connection for the tail needs no warning', async (library) => {
  const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  await expectWorking(await open(library, transactionPool.port, true));
  expect(warnings).not.toHaveBeenCalled();
});

test('a pooler in session mode needs no warning', async () => {
  const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  await expectWorking(await open('pg', sessionPool.port));
  expect(warnings).not.toHaveBeenCalled();
});
