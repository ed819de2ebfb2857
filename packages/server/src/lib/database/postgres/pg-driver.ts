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
  /** All clients, also those that still connect, and the calls that wait for one. Absent in another pool. */
  readonly _clients?: readonly TailClient[];
  readonly _pendingQueue?: object[];
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
  const { connecting, abandon } = takeClient(pool);
  const client = await untilAborted(signal, connecting).catch((error: unknown) => {
    // A connection that arrives too late goes back to the pool.
    connecting.then((late) => late.release(), ignore);
    if (signal.aborted) abandon();
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

/**
 * Takes a client of the pool. `abandon` ends the connection that the call has begun: by default a pool waits for it
 * without a limit, so a server that does not answer would fill the pool, and it would stay full.
 */
function takeClient(pool: PgPool): { connecting: Promise<PooledClient>; abandon(): void } {
  const inside = pool as unknown as PoolInside;
  const { _clients: clients = [], _pendingQueue: queue = [] } = inside;
  const [size, waiting] = [clients.length, queue.length];
  // The pool adds a client or a waiting call at the end, before `connect` returns.
  const connecting = pool.connect() as Promise<unknown> as Promise<PooledClient>;
  const client = clients.length > size ? clients.at(-1) : undefined;
  const place = queue.length > waiting ? queue.at(-1) : undefined;
  return {
    connecting,
    abandon() {
      const index = place === undefined ? -1 : queue.indexOf(place);
      if (index >= 0) queue.splice(index, 1);
      client?.connection?.stream?.destroy?.();
    },
  };
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
