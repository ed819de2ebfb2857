import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REAL_FAULTS, realFaults } from '../../../../test-kit/brokers/contract-faults.ts';
import { casesOf, RUNS_PART } from '../../../../test-kit/brokers/contract-part.ts';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { startRelay, type Relay } from '../../../../test-kit/brokers/relay.ts';
import { connectWith, LIBRARIES, type TestClient } from '../../../../test-kit/postgres-bench.ts';
import { toMigration } from '../../database/postgres/migration.ts';
import { runStoreContract } from '../../testing/run-store-suite.ts';
import { postgresRuns } from './postgres-runs.ts';
import { runDefinitionsOf } from './run-migration.ts';

let server: PostgresServer;
let relay: Relay;

beforeAll(async () => {
  server = await startPostgres();
  relay = await startRelay(server);
});

afterAll(async () => {
  await relay?.close();
  await server?.close();
});

describe.each(LIBRARIES)('postgresRuns with %s', (library) => {
  const table = `contract_${library}`;
  const definitions = runDefinitionsOf('public', table);
  const tables = definitions.tables.join(', ');
  const clients: TestClient[] = [];
  const open = async (clock: Parameters<typeof postgresRuns>[0]['clock']) => {
    // A process has a client of its own.
    const opened = connectWith(library, relay.port, 4);
    clients.push(opened);
    return await postgresRuns({ client: opened.client, table, timeoutMs: 4_000, clock });
  };

  const contract = runStoreContract(
    ({ clock }) => ({
      open: () => open(clock),
      openWithClock: open,
      async recreate() {
        await server.query(`DROP TABLE ${tables} CASCADE`);
        await server.query(toMigration(definitions));
      },
      ...realFaults(server, relay),
      async dispose() {
        // A hung connection does not end in order.
        for (const { end } of clients.splice(0)) end().catch(() => undefined);
        await server.query(`TRUNCATE ${tables}`);
      },
    }),
    {
      persistent: true,
      realTime: true,
      pauseMs: 5_500,
      patienceMs: 60_000,
      faults: ['openWithClock', 'recreate', ...REAL_FAULTS],
    },
  );
  for (const { name, run } of casesOf(contract, { isFirst: library === LIBRARIES[0], part: RUNS_PART })) {
    test(name, async () => expect(await run()).toBeUndefined());
  }

  test('only the cases of hints are left out: other processes poll', () => {
    expect(contract.skipped.map(({ reason }) => reason)).toEqual(
      contract.skipped.map(() => expect.stringContaining('the trait watches')),
    );
  });
});
