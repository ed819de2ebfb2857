/** A log in memory whose answers wait, whose tail is held back and whose numbering changes when a test asks for it. */
import type { Position } from '@linefeed/shared/wire';
import type {
  Appended,
  AppendOptions,
  Log,
  LogEntry,
  ReadPage,
  ReadQuery,
  TailListener,
} from '../src/lib/log.ts';
import { memoryLog } from '../src/lib/logs/memory.ts';

type ResetReason = 'rollback' | 'epoch' | 'trimmed';

export class ScriptedLog implements Log {
  /** Number of pages that were asked for. */
  reads = 0;
  /** Called before each answer of `position` and `read`; the answer waits for the promise. */
  beforeAnswer: (asked: 'position' | 'read') => void | Promise<void> = () => undefined;
  readonly #tails = new Set<TailListener>();
  #inner: Log = memoryLog();
  #entries: LogEntry[] = [];
  #held: Array<() => void> | undefined;

  constructor() {
    this.#follow();
  }

  get epoch(): string {
    return this.#inner.epoch;
  }

  append(entries: readonly LogEntry[], options?: AppendOptions): Appended {
    this.#entries.push(...entries);
    return this.#inner.append(entries, options) as Appended;
  }

  async position(): Promise<Position> {
    await this.beforeAnswer('position');
    return await this.#inner.position();
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    this.reads += 1;
    // A reader that asks again and again without progress would keep the test from ending.
    if (this.reads > 1_000) throw new Error('more than 1,000 pages were read');
    await this.beforeAnswer('read');
    return await this.#inner.read(query);
  }

  tail(listener: TailListener): { readonly position: Position; close(): void } {
    this.#tails.add(listener);
    return { position: this.#inner.position() as Position, close: () => void this.#tails.delete(listener) };
  }

  /** Another log takes the place of this one; `entries`: what it holds. */
  startAnew(entries: readonly LogEntry[] = []): void {
    this.#replace(entries, 'epoch');
  }

  /** Takes back every event after the first `count` ones. */
  rollBack(count: number): void {
    this.#replace(this.#entries.slice(0, count), 'rollback');
  }

  /** From now on tails are told nothing, as those of a process that is late. */
  holdTails(): void {
    this.#held ??= [];
  }

  /** Tells the tails what they were not told. */
  releaseTails(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const tell of held) tell();
  }

  #replace(entries: readonly LogEntry[], reason: ResetReason): void {
    this.#inner = memoryLog();
    this.#entries = [...entries];
    for (const entry of entries) void this.#inner.append([entry]);
    const position = this.#inner.position() as Position;
    this.#follow();
    this.#tell((tail) => tail.onReset(reason, position));
  }

  #follow(): void {
    this.#inner.tail({
      onEvents: (events, through) => this.#tell((tail) => tail.onEvents(events, through)),
      onReset: () => undefined,
      onError: () => undefined,
    });
  }

  #tell(tell: (tail: TailListener) => void): void {
    const call = (): void => {
      for (const tail of this.#tails) tell(tail);
    };
    if (this.#held === undefined) call();
    else this.#held.push(call);
  }
}
