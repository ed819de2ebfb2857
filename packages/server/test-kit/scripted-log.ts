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
import { memoryLog, type MemoryLogOptions } from '../src/lib/logs/memory.ts';
import { Tailers } from '../src/lib/logs/tailers.ts';

export class ScriptedLog implements Log {
  /** Number of pages that were asked for. */
  reads = 0;
  /** A reader that asks again and again without progress would keep a test from ending. */
  maxReads = 1_000;
  /** Called before each answer of `position` and `read`; the answer waits for the promise. */
  beforeAnswer: (asked: 'position' | 'read') => void | Promise<void> = () => undefined;
  readonly #tailers = new Tailers();
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

  async position(): Promise<Position> {
    await this.beforeAnswer('position');
    return await this.#inner.position();
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    this.reads += 1;
    if (this.reads > this.maxReads) throw new Error(`more than ${this.maxReads} pages were read`);
    await this.beforeAnswer('read');
    return await this.#inner.read(query);
  }

  tail(listener: TailListener): { readonly position: Position; close(): void } {
    return this.#tailers.add(listener, this.#inner.position() as Position);
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

  #replace(entries: readonly LogEntry[], reason: 'rollback' | 'epoch'): void {
    this.#inner = memoryLog(this.#options);
    this.#entries = [...entries];
    for (const entry of entries) void this.#inner.append([entry]);
    const position = this.#inner.position() as Position;
    this.#follow();
    this.#tell(() => this.#tailers.reset(reason, position));
  }

  #follow(): void {
    this.#inner.tail({
      onEvents: (events, through) => this.#tell(() => this.#tailers.events(events, through)),
      onReset: () => undefined,
      onError: () => undefined,
    });
  }

  #tell(tell: () => void): void {
    if (this.#held === undefined) tell();
    else this.#held.push(tell);
  }
}
