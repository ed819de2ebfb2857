/** The runs of one address in this process: all readers share one follower of the record, and the pages that they read. */
import type { Clock } from '../base/clock.ts';
import { ignore } from '../base/promise.ts';
import { PAGE_LIMIT } from './run-store.ts';
import { RunPage } from './run-page.ts';
import { laterViews } from './run-position.ts';
import type { RunView } from './record-state.ts';
import type { RunChange, RunRecords } from './run-records.ts';

/** Pages held until a tick without a read. Readers that joined together need the same page. */
const MAX_PAGES = 4;

/** Called after a change of the record. `recorded`: events that were just recorded, if they are known. */
export interface RunReader {
  onChange(recorded: RunPage | undefined): void;
}

/** The records, as readers use them. */
export type ReadableRuns = Pick<RunRecords, 'view' | 'read' | 'follow'>;

export interface RunTailOptions {
  readonly records: ReadableRuns;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** The tails of all addresses with readers. */
export class RunTails {
  readonly #options: RunTailOptions;
  readonly #tails = new Map<string, RunTail>();
  /** The calls that failed last. Only the first of consecutive failures of a call is reported. */
  readonly #failing = new Set<'view' | 'read'>();

  constructor(options: RunTailOptions) {
    this.#options = options;
  }

  /** Reads the kept runs of an address, oldest first. */
  view(address: string): Promise<readonly RunView[]> {
    return this.#reported('view', this.#options.records.view(address));
  }

  /** Reports a failure to reach the store, and passes it on. */
  async #reported<T>(call: 'view' | 'read', reading: Promise<T>): Promise<T> {
    try {
      const value = await reading;
      this.#failing.delete(call);
      return value;
    } catch (error) {
      if (!this.#failing.has(call)) this.#options.onError(error);
      this.#failing.add(call);
      throw error;
    }
  }

  /** The tail of an address. `views`: its runs as they were just read. The caller must join it in the same tick. */
  open(address: string, views: readonly RunView[]): RunTail {
    const open = this.#tails.get(address);
    if (open !== undefined) {
      open.advance(views);
      return open;
    }
    const tail = new RunTail(address, views, {
      clock: this.#options.clock,
      view: () => this.view(address),
      read: (run, after) =>
        this.#reported('read', this.#options.records.read(address, run, after, PAGE_LIMIT)),
      follow: (listener) => this.#options.records.follow(address, listener),
      onEmpty: () => void this.#tails.delete(address),
    });
    this.#tails.set(address, tail);
    return tail;
  }

  /** Number of addresses with readers. */
  get size(): number {
    return this.#tails.size;
  }
}

interface CachedPage {
  readonly page: Promise<RunPage>;
  isSettled: boolean;
}

/** The record of one address. */
interface TailOptions extends Pick<RunTailOptions, 'clock'> {
  view(): Promise<readonly RunView[]>;
  read(run: string, after: number): Promise<readonly string[]>;
  follow(listener: (change: RunChange) => void): () => void;
  onEmpty(): void;
}

export class RunTail {
  readonly address: string;
  readonly #options: TailOptions;
  readonly #readers = new Set<RunReader>();
  readonly #pages = new Map<string, CachedPage>();
  #views: readonly RunView[];
  #unfollow: () => void = ignore;
  /** Whether a page was requested in this tick. */
  #isWanted = false;
  #isWatching = false;

  constructor(address: string, views: readonly RunView[], options: TailOptions) {
    this.address = address;
    this.#views = views;
    this.#options = options;
  }

  /** The kept runs, oldest first. */
  get views(): readonly RunView[] {
    return this.#views;
  }

  join(reader: RunReader): void {
    this.#readers.add(reader);
    if (this.#readers.size > 1) return;
    this.#unfollow = this.#options.follow((change) => this.#onChange(change));
  }

  leave(reader: RunReader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    this.#unfollow();
    this.#pages.clear();
    this.#options.onEmpty();
  }

  /** Takes runs that were read elsewhere, if they are later than the known ones. */
  advance(views: readonly RunView[]): void {
    const later = laterViews(this.#views, views);
    if (later !== this.#views) this.#onChange({ views: later });
  }

  /** Reads the record again. Never rejects. */
  async refresh(): Promise<void> {
    const views = await this.#options.view().catch(ignore);
    if (views !== undefined && this.#readers.size > 0) this.#onChange({ views });
  }

  #onChange({ views, recorded }: RunChange): void {
    this.#views = views;
    const page = recorded && new RunPage(this.address, recorded.run, recorded.after, recorded.events);
    for (const reader of this.#readers) reader.onChange(page);
  }

  /**
   * The events of a run after number `after`: one page, without events if the run was deleted. Rejects if the store
   * cannot be read; that is reported here.
   */
  read(run: string, after: number): Promise<RunPage> {
    this.#keepPages();
    const key = `${run}.${after}`;
    const known = this.#pages.get(key);
    if (known !== undefined) return known.page;
    const cached: CachedPage = { page: this.#read(run, after), isSettled: false };
    const [oldest] = this.#pages.keys();
    if (this.#pages.size === MAX_PAGES) this.#pages.delete(oldest!);
    this.#pages.set(key, cached);
    const settle = (isKept: boolean): void => {
      cached.isSettled = true;
      // A reader of an empty page would read the same page in a loop.
      if (!isKept && this.#pages.get(key) === cached) this.#pages.delete(key);
      this.#keepPages();
    };
    cached.page.then(
      ({ events }) => settle(events.length > 0),
      () => settle(false),
    );
    return cached.page;
  }

  async #read(run: string, after: number): Promise<RunPage> {
    return new RunPage(this.address, run, after, await this.#options.read(run, after));
  }

  #keepPages(): void {
    this.#isWanted = true;
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#options.clock.defer(() => this.#watch());
  }

  /** Runs once per tick. Drops the pages after a tick without a read, except those that are still being read. */
  #watch(): void {
    this.#isWatching = this.#isWanted;
    this.#isWanted = false;
    if (this.#isWatching) this.#options.clock.defer(() => this.#watch());
    else for (const [key, { isSettled }] of this.#pages) if (isSettled) this.#pages.delete(key);
  }
}
