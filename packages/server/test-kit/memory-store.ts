/** A `RemoteStore` over a server in memory. Tests can delay each call before and after the server performs it. */
import type { Position } from '@linefeed/shared/wire';
import type { Clock } from '../src/lib/base/clock.ts';
import type { ReadQuery } from '../src/lib/log/log.ts';
import type {
  AppendBatch,
  BatchAnswer,
  CallContext,
  PageAnswer,
  RemoteStore,
  ServerHead,
  TailAnswer,
  TailQuery,
} from '../src/lib/log/remote/remote-store.ts';
import type { MemoryServer } from './memory-server.ts';

export type StoreCall = 'append' | 'read' | 'head' | 'follow' | 'contains';

/** A hook of one call. It may throw, or return a promise that never settles. */
export type StoreHook = (call: StoreCall, context: CallContext) => void | Promise<void>;

export class MemoryStore implements RemoteStore {
  readonly name = 'the log in memory';
  /** Called before the server performs a call. */
  before: StoreHook = () => undefined;
  /** Called after the server has performed a call, before its answer. */
  after: StoreHook = () => undefined;
  /** Number of calls that were made. */
  readonly calls: Record<StoreCall, number> = { append: 0, read: 0, head: 0, follow: 0, contains: 0 };
  /** Every batch as it was sent. */
  readonly batches: AppendBatch[] = [];
  reconnects = 0;
  isClosed = false;
  readonly #server: MemoryServer;
  readonly #clock: Clock;

  constructor(server: MemoryServer, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  append(batch: AppendBatch, context: CallContext): Promise<BatchAnswer> {
    this.batches.push(batch);
    return this.#call('append', context, () => this.#server.append(batch, context));
  }

  read(query: ReadQuery, context: CallContext): Promise<PageAnswer> {
    return this.#call('read', context, () => this.#server.read(query, context));
  }

  head(context: CallContext): Promise<ServerHead> {
    return this.#call('head', context, () => this.#server.head(context));
  }

  contains(position: Position, context: CallContext): Promise<boolean> {
    return this.#call('contains', context, () => this.#server.contains(position, context));
  }

  follow(query: TailQuery, context: CallContext): Promise<TailAnswer> {
    const waits = this.#clock.now() + query.waitMs;
    return this.#call('follow', context, async () => {
      for (;;) {
        const answer = this.#server.follow(query, context);
        if (answer !== undefined) return answer;
        const leftMs = waits - this.#clock.now();
        if (leftMs <= 0 || context.signal.aborted) {
          const head = this.#server.head(context);
          return { head, events: [], through: query.after, trimmed: false };
        }
        await this.#change(leftMs, context.signal);
      }
    });
  }

  #change(leftMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        timer.clear();
        resolve();
      };
      const cancel = this.#server.onChange(end);
      const timer = this.#clock.after(leftMs, end);
      signal.addEventListener('abort', end, { once: true });
    });
  }

  async #call<T>(call: StoreCall, context: CallContext, perform: () => T | Promise<T>): Promise<T> {
    this.calls[call] += 1;
    await this.before(call, context);
    const answer = await perform();
    await this.after(call, context);
    return answer;
  }

  reconnect(): void {
    this.reconnects += 1;
  }

  close(): void {
    this.isClosed = true;
  }
}
