/** The producer of a run whose chunks are pushed: an append resolves when its chunks are recorded. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { StreamChunk } from '@tanstack/ai';
import type { RunView } from '../runs/record-state.ts';
import { formatRunCursor, viewOf } from '../runs/run-position.ts';
import type { ReadableRuns } from '../runs/run-tail.ts';
import { ChunkQueue } from './chunk-queue.ts';
import { errorMessageOf } from './error-chunk.ts';

/** The reason by which TanStack AI recognises a cancellation by its user. */
const CANCEL_REASON = 'tanstack-ai:cancel-requested';

interface Waiter {
  readonly isMet: (view: RunView) => boolean;
  readonly resolve: (view: RunView | undefined) => void;
}

export class ChunkProducer {
  /** Aborts when the run is stopped, or when this process may no longer produce it. */
  readonly abortController: AbortController = new AbortController();
  readonly #records: ReadableRuns;
  readonly #address: string;
  readonly #queue = new ChunkQueue();
  readonly #waiters = new Set<Waiter>();
  #run = '';
  /** The run as it was recorded last. */
  #view: RunView | undefined;
  /** The claim of this process is over, and this process records nothing more. */
  #isOver = false;
  #last: StreamChunk | undefined;
  #unfollow = (): void => {};

  constructor(records: ReadableRuns, address: string) {
    this.#records = records;
    this.#address = address;
  }

  /** The source of the run. */
  readonly source = ({ run, signal }: { run: string; signal: AbortSignal }): AsyncGenerator => {
    this.#run = run;
    this.#unfollow = this.#records.follow(this.#address, ({ views }) => this.#onChange(viewOf(run, views)));
    // The writer aborts inside a change of the record, and this object may get that change after it.
    signal.addEventListener('abort', () => queueMicrotask(() => this.#onAbort()));
    return this.#queue.read(signal);
  };

  /** Returns the offset of each chunk after all are recorded. */
  async append(chunks: readonly StreamChunk[]): Promise<string[]> {
    const last = this.#queue.push(chunks.map(toJson));
    const view = await this.#until(({ count, end }) => count >= last || end !== undefined);
    const first = last - chunks.length + 1;
    if (view !== undefined && view.count >= last) {
      this.#last = chunks.at(-1);
      return chunks.map((_, index) => formatRunCursor(this.#run, first + index));
    }
    // The end of a stopped run is read as a RUN_ERROR. TanStack AI reports the cancellation by one.
    const [chunk] = chunks;
    if (view?.end !== undefined && chunks.length === 1 && errorMessageOf(chunk!) !== undefined) {
      return [formatRunCursor(this.#run, view.count + 1)];
    }
    throw refused(view);
  }

  /** Records the end. Does nothing to a run that another process continues, or that has ended. */
  async close(): Promise<void> {
    const message = this.#last && errorMessageOf(this.#last);
    this.#queue.close(message === undefined ? undefined : toFailure(message));
    await this.#until(({ end }) => end !== undefined);
    this.#unfollow();
  }

  /** Resolves with the view that meets the condition; with the last one if this process records nothing more. */
  #until(isMet: Waiter['isMet']): Promise<RunView | undefined> {
    const view = this.#view;
    if (this.#isOver || (view !== undefined && isMet(view))) return Promise.resolve(view);
    return new Promise((resolve) => this.#waiters.add({ isMet, resolve }));
  }

  #onChange(view: RunView | undefined): void {
    if (view !== undefined && this.#view !== undefined && view.epoch !== this.#view.epoch) {
      // Another process produces the run: its chunks are not those of this process.
      return this.#giveUp();
    }
    this.#view = view ?? this.#view;
    if (view === undefined) return this.#giveUp();
    for (const waiter of this.#waiters) {
      if (!waiter.isMet(view)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(view);
    }
  }

  #onAbort(): void {
    const isStop = this.#view?.stop !== undefined;
    this.abortController.abort(isStop ? CANCEL_REASON : undefined);
    // After a stop, the end is recorded soon.
    if (!isStop && this.#view?.end === undefined) this.#giveUp();
  }

  #giveUp(): void {
    this.#isOver = true;
    for (const { resolve } of this.#waiters) resolve(this.#view);
    this.#waiters.clear();
  }
}

/** The message reaches the readers, so it names nothing of the store. */
function refused(view: RunView | undefined): LinefeedError {
  const { outcome, error } = view?.end ?? {};
  if (error !== undefined) return new LinefeedError('source_failed', error.message);
  if (outcome === 'stopped') return new LinefeedError('closed', 'The run was stopped.');
  return new LinefeedError('run_lost', 'This process no longer produces the run.');
}

/** The failure of a run that ends with a RUN_ERROR. Readers have its message: a status below 500 lets it pass. */
function toFailure(message: string): LinefeedError {
  return new LinefeedError('source_failed', message, { status: 422 });
}

/** Chunks hold objects of providers. Readers get the JSON. */
function toJson(chunk: StreamChunk): unknown {
  return JSON.parse(JSON.stringify(chunk)) as unknown;
}
