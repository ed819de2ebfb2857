/** The log over a `Pool` of the library `pg`. */
import { ignore, untilAborted } from '../../base/promise.ts';
import type { Driver, Row, TailSession, Values } from './driver.ts';

/** The part of a client of `pg` that the log uses. */
export interface PgClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/** The part of a `Pool` of `pg` that the log uses. */
export interface PgPool extends PgClient {
  connect(): Promise<PgClient & { release(error?: Error | boolean): void }>;
  readonly totalCount: number;
}

type Listener = (argument?: unknown) => void;

interface Emitter {
  on(event: string, listener: Listener): unknown;
  removeListener(event: string, listener: Listener): unknown;
}

interface PooledClient extends PgClient, Emitter {
  release(error?: Error): void;
}

interface TailClient extends PgClient, Emitter {
  connect(): Promise<unknown>;
  end(): Promise<unknown>;
  readonly processID?: number | null;
  readonly connection?: { readonly stream?: { destroy?(): void } };
}

/** The parts of a pool that its public types do not have. */
interface PoolInside extends Emitter {
  readonly options: object;
  readonly Client: new (options: object) => TailClient;
}

export function pgDriver(pool: PgPool, tailPool: (() => PgPool) | undefined): Driver {
  const inside = pool as unknown as PoolInside;
  // Without a listener, an idle connection that the server ends would end the process.
  inside.on('error', ignore);
  return {
    library: 'pg',
    prepares: false,
    query: (text, values, signal) => queryPool(pool, text, values, signal),
    async script(text) {
      await pool.query(text);
    },
    openTail: (signal) => openTail((tailPool?.() as unknown as PoolInside | undefined) ?? inside, signal),
    close: () => void inside.removeListener('error', ignore),
  };
}

async function queryPool(
  pool: PgPool,
  text: string,
  values: Values,
  signal: AbortSignal = new AbortController().signal,
): Promise<readonly Row[]> {
  const connecting = pool.connect() as Promise<unknown> as Promise<PooledClient>;
  const client = await untilAborted(signal, connecting).catch((error: unknown) => {
    // A connection that arrives too late goes back to the pool.
    connecting.then((late) => late.release(), ignore);
    throw error;
  });
  client.on('error', ignore);
  const release = (error?: Error): void => {
    client.removeListener('error', ignore);
    client.release(error);
  };
  try {
    const { rows } = await untilAborted(signal, client.query(text, [...values]));
    release();
    return rows as Row[];
  } catch (error) {
    // An error of the server leaves the connection usable. Any other leaves it in an unknown state.
    const isUsable = typeof (error as { severity?: unknown }).severity === 'string' && !signal.aborted;
    release(isUsable ? undefined : (error as Error));
    throw error;
  }
}

/** A connection of its own: a client of the pool would be missing there. */
async function openTail({ Client, options }: PoolInside, signal: AbortSignal): Promise<TailSession> {
  const client = new Client(options);
  let broken: Error | undefined;
  let onHint = ignore;
  const end = (error?: unknown): void => {
    broken ??= error instanceof Error ? error : new Error('The connection of the tail has ended.');
    onHint();
  };
  client.on('error', end);
  client.on('end', () => end());
  client.on('notification', () => onHint());
  const destroy = (): void => {
    end();
    client.connection?.stream?.destroy?.();
    client.end().catch(ignore);
  };
  try {
    await untilAborted(signal, client.connect());
  } catch (error) {
    destroy();
    throw error;
  }
  const query = async (text: string, values: Values, callSignal: AbortSignal = signal) => {
    if (broken !== undefined) throw broken;
    const { rows } = await untilAborted(callSignal, client.query(text, [...values]));
    return rows as Row[];
  };
  return {
    query,
    async listen(channel, listener) {
      onHint = listener;
      await client.query(`LISTEN ${channel}`);
    },
    async processIds() {
      const [row] = await query('SELECT pg_backend_pid()::text AS pid', []);
      return typeof client.processID === 'number' ? [String(client.processID), row!['pid']!] : undefined;
    },
    destroy,
  };
}
