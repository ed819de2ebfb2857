/** A log on a server, over the interface of one store: what the logs on Redis and Postgres share. */
import { BEGINNING, LinefeedError, refusal, type Position } from '@linefeed/shared/wire';
import { randomId } from '../../base/random-id.ts';
import type { Clock } from '../../base/clock.ts';
import { checkKeyed } from '../idempotency.ts';
import type {
  Appended,
  AppendOptions,
  Log,
  LogCursor,
  LogEntry,
  ReadPage,
  ReadQuery,
  Tail,
  TailListener,
} from '../log.ts';
import { AppendQueue } from './append-queue.ts';
import { toLogError } from './errors.ts';
import { Follower } from './follower.ts';
import { Limiter } from './limiter.ts';
import { Numbering } from './numbering.ts';
import { PageReader } from './page-reader.ts';
import { hasTag } from './position.ts';
import { RecentEvents } from './recent-events.ts';
import type { RemoteStore, ServerHead } from './remote-store.ts';
import { ServerCalls } from './server-calls.ts';

export interface RemoteLogOptions {
  readonly clock: Clock;
  /**
   * Longest time from an append to its outcome, in milliseconds.
   *
   * @default 5,000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Longest wait of the server for a first event of the tail, in milliseconds.
   *
   * @default 2,000
   */
  readonly waitMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_WAIT_MS = 2_000;
/** Reads and checks of cursors that the server performs at once. The others wait in FIFO order. */
const MAX_READS = 16;

/**
 * Opens a log on a server. It reads the epoch and the newest position first. If it fails, the store is closed.
 *
 * @throws LinefeedError `log_failed` if the server does not answer within `timeoutMs`, or refuses.
 */
export async function openRemoteLog(store: RemoteStore, options: RemoteLogOptions): Promise<Log> {
  const { clock, timeoutMs = DEFAULT_TIMEOUT_MS, waitMs = DEFAULT_WAIT_MS } = options;
  // Nothing is known yet, so there is nothing to compare.
  const unknown = new Numbering({ epoch: '', position: BEGINNING });
  const calls = new ServerCalls({
    store,
    clock,
    timeoutMs,
    numbering: unknown,
    onRenumbered: () => undefined,
  });
  try {
    const head = await calls.repeat(timeoutMs, (ms) => calls.head({ ms }));
    return new RemoteLog(store, { clock, timeoutMs, waitMs }, head);
  } catch (error) {
    await store.close();
    throw toLogError(store.name, error);
  }
}

class RemoteLog implements Log {
  readonly #store: RemoteStore;
  readonly #timeoutMs: number;
  readonly #numbering: Numbering;
  readonly #calls: ServerCalls;
  readonly #queue: AppendQueue;
  readonly #pages: PageReader;
  readonly #follower: Follower;
  readonly #writer = randomId();
  readonly #limiter = new Limiter(MAX_READS);
  #closing: Promise<void> | undefined;

  constructor(store: RemoteStore, options: Required<RemoteLogOptions>, head: ServerHead) {
    const { clock, waitMs = DEFAULT_WAIT_MS, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const { name } = store;
    const numbering = new Numbering(head);
    const recent = new RecentEvents();
    const calls = new ServerCalls({
      store,
      clock,
      timeoutMs,
      numbering,
      onRenumbered: (renumbering) => this.#follower.renumbered(renumbering),
    });
    this.#store = store;
    this.#timeoutMs = timeoutMs;
    this.#numbering = numbering;
    this.#calls = calls;
    this.#pages = new PageReader({ store, calls, limiter: this.#limiter, numbering, recent });
    this.#follower = new Follower({ store, clock, calls, numbering, recent, waitMs });
    this.#queue = new AppendQueue({
      clock,
      name,
      timeoutMs,
      attemptMs: calls.attemptMs,
      send: (appends, number, ms, signal) =>
        calls.call(
          { ms, signal },
          (context) => store.append({ appends, writer: this.#writer, number }, context),
          ({ before, after }) => ({ before, head: after }),
        ),
      toRefusal: (what) =>
        new LinefeedError(
          'log_failed',
          `More than ${what} wait to be appended to ${name}; publish slower, or look whether its server is too slow.`,
          { retryable: true },
        ),
    });
  }

  get epoch(): string {
    return this.#numbering.epoch;
  }

  get available(): boolean {
    return this.#follower.isAvailable;
  }

  append(entries: readonly LogEntry[], options: AppendOptions = {}): Promise<Appended> {
    try {
      this.#checkOpen();
      checkKeyed(entries, options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#queue.add({ entries, idempotencyKey: options.idempotencyKey });
  }

  read(query: ReadQuery): ReadPage | Promise<ReadPage> {
    this.#checkOpen();
    return this.#pages.read(query);
  }

  async newest(): Promise<LogCursor> {
    this.#checkOpen();
    const { epoch, position } = await this.#calls.repeat(this.#timeoutMs, (ms) => this.#calls.head({ ms }));
    return { epoch, position };
  }

  contains(position: Position): boolean | Promise<boolean> {
    this.#checkOpen();
    const { newest, seen } = this.#numbering;
    if (position === BEGINNING || position === newest.position) return true;
    if (!hasTag(position)) return false;
    const verdict = seen.check(position);
    return verdict === 'unknown' ? this.#askContains(position) : verdict === 'contained';
  }

  async #askContains(position: Position): Promise<boolean> {
    const { epoch } = this.#numbering;
    const contained = await this.#limiter.run(() =>
      this.#calls.repeat(this.#timeoutMs, (ms) =>
        this.#calls.call(
          { ms },
          (context) => this.#store.contains(position, context),
          () => undefined,
        ),
      ),
    );
    // A client continues from there. If it is past the tail, the tail must bring it.
    if (contained && epoch === this.epoch) this.#numbering.claim(position);
    return contained;
  }

  tail(listener: TailListener): Tail {
    this.#checkOpen();
    return this.#follower.tail(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#follower.stop();
    await this.#queue.drained();
    this.#calls.close();
    await this.#store.close();
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return;
    throw refusal('closed', `${this.#store.name} is closed; open it again to continue.`);
  }
}
