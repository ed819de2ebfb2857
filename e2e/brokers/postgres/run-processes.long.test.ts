/** Processes that share runs in PostgreSQL. */
import { startPostgres } from '../../../packages/server/test-kit/brokers/postgres.ts';
import { testRunProcesses } from '../kit/run-processes.ts';

testRunProcesses(async () => {
  const server = await startPostgres();
  return {
    spec: { kind: 'postgres', library: 'pg', ports: [server.port] },
    close: () => server.close(),
  };
});
