import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REAL_FAULTS, realFaults } from '../../../../test-kit/brokers/contract-faults.ts';
import { casesOf, RUNS_PART } from '../../../../test-kit/brokers/contract-part.ts';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { startRelay, type Relay } from '../../../../test-kit/brokers/relay.ts';
import { connectWith, LIBRARIES, type TestClient } from '../../../../test-kit/postgres-bench.ts';
import type { Clock } from '../../base/clock.ts';
import { toMigration } from '../../database/postgres/migration.ts';
import { runStoreContract } from '../../testing/run-store-suite.ts';
import type { RunStore } from '../run-store.ts';
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

const TRAITS = { persistent: true, realTime: true, pauseMs: 5_500, patienceMs: 60_000 } as const;

describe.each(LIBRARIES)('postgresRuns with %s', (library) => {
  const table = `contract_${library}`;
  const definitions = runDefinitionsOf('public', table);
  const tables = definitions.tables.join(', ');
  // A hung connection does not end in order.
  const endAll = (clients: TestClient[]): void => {
    for (const { end } of clients.splice(0)) end().catch(() => undefined);
  };
  const openWith = ({ client }: TestClient, clock: Clock): Promise<RunStore> =>
    postgresRuns({ client, table, timeoutMs: 4_000, clock });

  /** A new connection costs the server as much as many calls, so all cases without faults share two clients. */
  const shared: TestClient[] = [];
  let handles = 0;
  const connectShared = (): TestClient => {
    const made = connectWith(library, server.port, 3);
    // A closed store does not listen to the errors of idle connections.
    if (made.client instanceof Pool) made.client.on('error', () => undefined);
    return made;
  };
  const withoutFaults = runStoreContract(
    ({ clock }) => ({
      open() {
        handles += 1;
        return openWith((shared[handles % 2] ??= connectShared()), clock);
      },
      async dispose() {
        await server.query(`TRUNCATE ${tables}`);
      },
    }),
    TRAITS,
  );
  const contract = runStoreContract(
    ({ clock }) => {
      const clients: TestClient[] = [];
      const open = (its: Clock): Promise<RunStore> => {
        const client = connectWith(library, relay.port, 2);
        clients.push(client);
        return openWith(client, its);
      };
      return {
        open: () => open(clock),
        openWithClock: open,
        async recreate() {
          await server.query(`DROP TABLE ${tables} CASCADE`);
          await server.query(toMigration(definitions));
        },
        ...realFaults(server, relay),
        async dispose() {
          endAll(clients);
          await server.query(`TRUNCATE ${tables}`);
        },
      };
    },
    { ...TRAITS, faults: ['openWithClock', 'recreate', ...REAL_FAULTS] },
  );
  afterAll(() => endAll(shared));

  for (const { name, run } of casesOf(contract, { isFirst: library === LIBRARIES[0], part: RUNS_PART })) {
    const plain = withoutFaults.find((one) => one.name === name);
    test(name, async () => expect(await (plain ?? { run }).run()).toBeUndefined());
  }

  test('only the cases of hints are left out: other processes poll', () => {
    expect(contract.skipped.map(({ reason }) => reason)).toEqual(
      contract.skipped.map(() => expect.stringContaining('the trait watches')),
    );
  });
});
