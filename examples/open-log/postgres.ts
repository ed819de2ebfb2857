/** Opens a log and a store of runs on Postgres. */
import { postgresLog, postgresRuns } from '@linefeed/server/postgres';
import pg from 'pg';
import { toBounds, type Open } from './open-log.ts';

export const openPostgres: Open = async (url, options) => {
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // Without a listener an outage ends the process. The feed's `onError` reports it.
  pool.on('error', () => undefined);
  try {
    const log = await postgresLog({ client: pool, table: options.name, ...toBounds(options) });
    return {
      log,
      openRuns: () => postgresRuns({ client: pool, table: options.name }),
      async close() {
        await log.close?.();
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
};
