/** A real pgbouncer in front of a PostgreSQL server. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../../../../e2e/kit/free-port.ts';
import { findProgram } from '../../../../scripts/lib/find-program.ts';
import { PGBOUNCER } from '../../../../scripts/lib/programs.ts';
import { makeFolder, startServerProgram, type Broker } from './server-process.ts';
import { unprivilegedUser } from './unprivileged-user.ts';

export interface PgbouncerOptions {
  readonly postgres: { readonly port: number };
  /** Default: `transaction`. */
  readonly poolMode?: 'session' | 'transaction' | 'statement';
}

export async function startPgbouncer({
  postgres,
  poolMode = 'transaction',
}: PgbouncerOptions): Promise<Broker> {
  const port = await freePort();
  const folder = await makeFolder('pgbouncer');
  const user = unprivilegedUser();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  return await startServerProgram({
    name: 'pgbouncer',
    program: findProgram(PGBOUNCER),
    args: () => [join(folder, 'pgbouncer.ini')],
    port,
    url,
    folder,
    runAs: user,
    prepare() {
      writeFileSync(
        join(folder, 'pgbouncer.ini'),
        `[databases]
* = host=127.0.0.1 port=${postgres.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${poolMode}
max_client_conn = 200
default_pool_size = 10
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
`,
      );
      if (user !== undefined) spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, folder]);
    },
    deleteData: () => undefined,
    async probe() {
      const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.query('SELECT 1');
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    stopSignal: 'SIGINT',
  });
}
