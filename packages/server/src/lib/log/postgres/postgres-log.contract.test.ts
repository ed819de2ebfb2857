import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REAL_FAULTS, realFaults } from '../../../../test-kit/brokers/contract-faults.ts';
import { casesOf, LOG_PART } from '../../../../test-kit/brokers/contract-part.ts';
import { startPostgres, type PostgresServer } from '../../../../test-kit/brokers/postgres.ts';
import { startRelay, type Relay } from '../../../../test-kit/brokers/relay.ts';
import { empty, LIBRARIES, openLog, recreate, rollBack } from '../../../../test-kit/postgres-bench.ts';
import { logContract } from '../../testing/log-suite.ts';
import { namesOf } from './tables.ts';

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

describe.each(LIBRARIES)('postgresLog with %s', (library) => {
  const contract = logContract(
    (setup) => {
      const table = `contract_${library}`;
      const open = (clock = setup.clock) =>
        openLog(library, relay.port, { table, ...setup, clock, timeoutMs: 3_000 });
      return {
        open,
        dispose: () => empty(server, table),
        openWithClock: open,
        rollBack: (to) => rollBack(server, table, to),
        recreate: () => recreate(server, table),
        // PostgreSQL evicts nothing by itself. An operator may.
        async evictKey() {
          await server.query(`TRUNCATE ${namesOf('public', table).event}`);
        },
        ...realFaults(server, relay),
      };
    },
    {
      persistent: true,
      ages: true,
      contains: true,
      realTime: true,
      pauseMs: 5_000,
      patienceMs: 60_000,
      faults: ['rollBack', 'recreate', 'evictKey', 'openWithClock', ...REAL_FAULTS],
    },
  );
  for (const { name, run } of casesOf(contract, { isFirst: library === LIBRARIES[0], part: LOG_PART })) {
    test(name, async () => expect(await run()).toBeUndefined());
  }

  test('no case of the contract is left out', () => {
    expect(contract.skipped).toEqual([]);
  });
});
