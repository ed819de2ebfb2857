/** A log in memory for tests: they can delay its answers, hold back its tail and change its numbering. */
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
} from '../src/lib/log/log.ts';
import { memoryLog, type MemoryLogOptions } from '../src/lib/log/memory-log.ts';
import { TailListeners } from '../src/lib/log/tail-listeners.ts';

export class ScriptedLog implements Log {
  /** Number of `read` calls. */
  reads = 0;
  /** Limit of `read` calls. A reader that loops without progress would otherwise keep a test from ending. */
  maxReads = 1_000;
  /** Called before each answer of `newest` and `read`. The answer waits for the promise. */
  beforeAnswer: (asked: 'newest' | 'read') => void | Promise<void> = () => undefined;
  readonly #listeners = new TailListeners();
  readonly #options: MemoryLogOptions;
  #inner: Log;
  #entries: LogEntry[] = [];
  #held: Array<() => void> | undefined;

  constructor(options: MemoryLogOptions = {}) {
    this.#options = options;
    this.#inner = memoryLog(options);
    this.#follow();
  }

  get epoch(): string {
    return this.#inner.epoch;
  }

  append(entries: readonly LogEntry[], options?: AppendOptions): Appended {
    const appended = this.#inner.append(entries, options) as Appended;
    if (!appended.duplicate) this.#entries.push(...entries);
    return appended;
  }

  async newest(): Promise<LogCursor> {
    await this.beforeAnswer('newest');
    return await this.#inner.newest();
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    this.reads += 1;
    if (this.reads > this.maxReads) throw new Error(`more than ${this.maxReads} pages were read`);
    await this.beforeAnswer('read');
    return await this.#inner.read(query);
  }

  tail(listener: TailListener): Tail {
    return this.#listeners.add(listener, this.#inner.newest() as LogCursor);
  }

  /** Replaces this log by another one with the given entries. */
  startAnew(entries: readonly LogEntry[] = []): void {
    this.#replace(entries, 'epoch');
  }

  /** Removes every event after the first `count` ones. */
  rollBack(count: number): void {
    this.#replace(this.#entries.slice(0, count), 'rollback');
  }

  /** From now on tail listeners get nothing, like those of a process that is late. */
  holdTails(): void {
    this.#held ??= [];
  }

  /** Delivers everything that was held back to the tail listeners. */
  releaseTails(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const tell of held) tell();
  }

  #replace(entries: readonly LogEntry[], reason: 'rollback' | 'epoch'): void {
    this.#inner = memoryLog(this.#options);
    this.#entries = [...entries];
    for (const entry of entries) void this.#inner.append([entry]);
    const newest = this.#inner.newest() as LogCursor;
    this.#follow();
    this.#tell(() => this.#listeners.reset(reason, newest));
  }

  #follow(): void {
    this.#inner.tail({
      onEvents: (events, through) => this.#tell(() => this.#listeners.events(events, through)),
      onReset: () => undefined,
      onError: () => undefined,
    });
  }

  #tell(tell: () => void): void {
    if (this.#held === undefined) tell();
    else this.#held.push(tell);
  }
}

/** A log with some of its methods replaced. */
export function logWith(log: Log, replaced: Partial<Log>): Log {
  return {
    get epoch() {
      return log.epoch;
    },
    append: (entries, options) => log.append(entries, options),
    read: (query) => log.read(query),
    newest: () => log.newest(),
    tail: (listener) => log.tail(listener),
    ...replaced,
  };
}
