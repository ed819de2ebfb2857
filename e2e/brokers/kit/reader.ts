/** A client that records each call of its handlers. */
import { createClient, type LinefeedError } from '@linefeed/client';
import type { Board } from '../../kit/board.ts';
import { addressOf, epochOf, type Seen } from './count.ts';

export interface Reader {
  readonly name: string;
  readonly seen: readonly Seen[];
  /** Number of connections that reached `hello`. */
  readonly connections: number;
  readonly errors: readonly string[];
  /** Whether it is connected now. */
  readonly isConnected: boolean;
  /** Whether it received this number of the run. */
  has(run: string, n: number): boolean;
  close(): void;
}

/** Subscribes to both addresses. Resolves when it is connected. */
export async function startReader(name: string, origin: string): Promise<Reader> {
  const seen: Seen[] = [];
  const errors: string[] = [];
  const client = createClient<Board>({
    url: `${origin}/events`,
    // No socket stays open after the test.
    headers: { connection: 'close' },
    retry: { baseMs: 50, floorMs: 20, capMs: 500 },
    connectTimeoutMs: 5_000,
    onError: (error: LinefeedError) => errors.push(`${error.code}: ${error.message}`),
  });
  const options = (address: string) => ({
    onGap: ({ reason }: { reason: string }) => void seen.push({ address, gap: reason }),
  });
  const known = new Map<string, Set<number>>();
  const record = (
    { run, n }: { readonly run: string; readonly n: number },
    { cursor = '' }: { readonly cursor?: string | undefined },
  ): void => {
    seen.push({ address: addressOf(n), run, n, epoch: epochOf(cursor) });
    known.set(run, (known.get(run) ?? new Set()).add(n));
  };
  client.subscribe('notice', record, options('notice'));
  client.subscribe('room', { name: 'a' }, record, options('room'));
  const isConnected = (): boolean => client.connection.getSnapshot().state === 'connected';
  await new Promise<void>((resolve) => {
    if (isConnected()) return resolve();
    const stop = client.connection.subscribe(() => {
      if (!isConnected()) return;
      stop();
      resolve();
    });
  });
  return {
    name,
    seen,
    errors,
    get connections() {
      return client.connection.getSnapshot().connectionCount;
    },
    get isConnected() {
      return isConnected();
    },
    has: (run, n) => known.get(run)?.has(n) === true,
    close: () => client.close(),
  };
}
