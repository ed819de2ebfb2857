/** The store of runs of a process, as text for its environment. Loads only the libraries of that store. */
import type { RunStore } from '@linefeed/server';
import { sqliteRuns } from '@linefeed/server/sqlite';
import { LOG_NAME, openRedis, TIMEOUT_MS, type PostgresSpec, type RedisSpec } from './log-spec.ts';

/** Environment variable with the specification as JSON. */
export const RUNS_VARIABLE = 'LINEFEED_RUNS';

export type RunsSpec = { readonly kind: 'sqlite'; readonly path: string } | RedisSpec | PostgresSpec;

export async function openRuns(spec: RunsSpec): Promise<RunStore> {
  switch (spec.kind) {
    case 'sqlite':
      return sqliteRuns({ path: spec.path });
    case 'redis': {
      const { redisRuns } = await import('@linefeed/server/redis');
      return await redisRuns({ client: await openRedis(spec), key: LOG_NAME, timeoutMs: TIMEOUT_MS });
    }
    case 'postgres': {
      const { postgresRuns } = await import('@linefeed/server/postgres');
      const url = `postgres://postgres@127.0.0.1:${spec.ports[0]}/postgres`;
      const options = { table: LOG_NAME, timeoutMs: TIMEOUT_MS };
      if (spec.library === 'pg') {
        const { Pool } = await import('pg');
        const pool = new Pool({ connectionString: url, max: 4 });
        pool.on('error', () => undefined);
        return await postgresRuns({ client: pool, ...options });
      }
      const { default: postgres } = await import('postgres');
      const client = postgres(url, { onnotice: () => undefined, max: 4, fetch_types: false });
      return await postgresRuns({ client, ...options });
    }
  }
}
