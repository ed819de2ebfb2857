/** The write side of one claim: it buffers events, commits them in batches, renews the lease, and records one end. */
import { LinefeedError } from '@linefeed/shared/wire';
import { ignore } from '../base/promise.ts';
import type { AsyncScope } from '../base/async-scope.ts';
import type { Timer } from '../base/clock.ts';
import { decideProduction, type ProduceResult } from './produce.ts';
import type { RunEnd, RunState, RunView } from './record-state.ts';
import type { RunRecords } from './run-records.ts';
import type { WriterSchedule } from './writer-schedule.ts';

/** Why the signal of a writer aborted. */
export type AbortCause =
  /** A stop was requested. */
  | { readonly type: 'stop'; readonly reason: string | undefined }
  /** A bound of the run. */
  | { readonly type: 'limit'; readonly error: LinefeedError }
  /** The process ends. */
  | { readonly type: 'closing' }
  /** The claim is over: another process has continued or ended the run, or the store cannot be reached. */
  | { readonly type: 'over' };

/** The end of a run as its producer knows it. */
export type OwnEnd = Omit<RunEnd, 'at' | 'count'>;

export interface RunBounds {
  readonly maxEvents: number;
  /** UTF-16 code units of all events. */
  readonly maxBytes: number;
  /** Milliseconds since the start of the run. */
  readonly maxDurationMs: number;
}

export interface RunWriterOptions {
  readonly records: RunRecords;
  readonly schedule: WriterSchedule;
  readonly address: string;
  readonly state: RunState;
  /** Number of events that earlier attempts recorded. */
  readonly count: number;
  readonly bounds: RunBounds;
  /** The async context of the listeners of the signal. */
  readonly scope: AsyncScope;
}

/** A batch of this size is committed before the end of the tick. UTF-16 code units. */
const FLUSH_SIZE = 64 * 1024;
/** While more than this waits for the store, the producer pauses. UTF-16 code units. */
const MAX_WAITING = 256 * 1024;
/** The first wait after a failed commit. It doubles up to a third of the lease. */
const FIRST_RETRY_MS = 50;
/** A producer that cannot reach the store for this many leases gives up. */
const MAX_UNREACHED_LEASES = 6;

export class RunWriter {
  /** Aborts when the run must end: see `cause`. */
  readonly signal: AbortSignal;
  readonly #options: RunWriterOptions;
  readonly #controller = new AbortController();
  readonly #unfollow: () => void;
  #cause: AbortCause | undefined;
  #pending: string[] = [];
  #pendingSize = 0;
  /** The events of the commit in flight, or of one that failed. */
  #batch: string[] = [];
  #batchSize = 0;
  /** Recorded events. */
  #count: number;
  /** Events that were written, recorded or not, and their size. */
  #written: number;
  #size = 0;
  #isCommitting = false;
  /** The commit in flight contains the end. */
  #isLast = false;
  #retryMs = FIRST_RETRY_MS;
  #mustRenew = false;
  #end: OwnEnd | 'release' | undefined;
  #recordedEnd: RunView | undefined;
  #isOver = false;
  /** When the store had the last commit, by the clock. */
  #reachedAt: number;
  readonly #deadline: number;
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #onOver: () => void = ignore;
  /** Set while a failed commit waits. */
  #retry: Timer | undefined;

  constructor(options: RunWriterOptions) {
    const { records, schedule, address, state, count, bounds } = options;
    this.#options = options;
    this.signal = this.#controller.signal;
    this.#count = count;
    this.#written = count;
    this.#reachedAt = records.clock.now();
    this.#deadline = this.#reachedAt + bounds.maxDurationMs - (records.storeNow() - state.startedAt);
    records.protect(address, state.epoch);
    this.#unfollow = records.follow(address, (change) => {
      // A change with recorded events is a commit of this writer, and tells nothing new.
      if (change.recorded === undefined) this.#onChange(change.views);
    });
    schedule.add(this);
  }

  /** Why the signal aborted. */
  get cause(): AbortCause | undefined {
    return this.#cause;
  }

  /** Counts the events of earlier attempts in the bounds. */
  addSize(size: number): void {
    this.#size += size;
  }

  /**
   * Takes one event. A returned promise pauses the producer: the store is slow.
   *
   * @throws LinefeedError `run_limit`
   */
  write(json: string): void | Promise<void> {
    if (this.#isOver || this.signal.aborted) return undefined;
    const { maxEvents, maxBytes } = this.#options.bounds;
    if (this.#written >= maxEvents) throw runLimit('maxRunEvents', maxEvents);
    if (this.#size + json.length > maxBytes) throw runLimit('maxRunBytes', maxBytes);
    this.#written += 1;
    this.#size += json.length;
    this.#pending.push(json);
    this.#pendingSize += json.length;
    if (!this.#isCommitting) {
      if (this.#pendingSize >= FLUSH_SIZE) this.flush();
      else if (this.#pending.length === 1) this.#options.schedule.flushSoon(this);
    }
    return this.#pendingSize + this.#batchSize > MAX_WAITING ? this.#waitForRoom() : undefined;
  }

  /**
   * Records the end after all written events, in one commit.
   *
   * @returns the end in the record: another process may have recorded one earlier. `undefined`: it is not known.
   */
  async end(end: OwnEnd): Promise<RunView | undefined> {
    await this.#finish(end);
    return this.#recordedEnd;
  }

  /** Records all written events and gives the lease up: another process may continue the run at once. */
  release(): Promise<void> {
    return this.#finish('release');
  }

  /** Called when the process ends. The source should end. */
  close(): void {
    this.#abort({ type: 'closing' });
  }

  flush(): void {
    if (!this.#isCommitting) this.#commitNext();
  }

  /** Called at an interval. `marginMs`: time until the next call. */
  check(now: number, marginMs: number): void {
    const { leaseMs } = this.#options.state;
    if (now >= this.#deadline) {
      this.#abort({ type: 'limit', error: runLimit('maxDurationMs', this.#options.bounds.maxDurationMs) });
    }
    if (now + marginMs < this.#reachedAt + leaseMs / 3) return;
    this.#mustRenew = true;
    this.flush();
  }

  #finish(end: OwnEnd | 'release'): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#end = end;
    const over = new Promise<void>((resolve) => (this.#onOver = resolve));
    if (this.#retry === undefined) this.flush();
    else this.#commitAgain();
    return over;
  }

  /** One commit at a time. Events that are written meanwhile are the next batch. */
  #commitNext(): void {
    this.#isCommitting = false;
    if (this.#isOver) return;
    if (this.#batch.length === 0) {
      this.#batch = this.#pending;
      this.#pending = [];
      this.#batchSize = this.#pendingSize;
      this.#pendingSize = 0;
    }
    // The end needs all events: those of a failed batch, and those that were written since.
    const end = this.#pending.length === 0 ? this.#end : undefined;
    if (this.#batch.length === 0 && end === undefined && !this.#mustRenew) return;
    this.#isCommitting = true;
    this.#isLast = end !== undefined;
    this.#mustRenew = false;
    const { records, address, state } = this.#options;
    const production = {
      run: state.run,
      epoch: state.epoch,
      after: this.#count,
      events: this.#batch,
      leaseMs: end === 'release' ? 0 : state.leaseMs,
      end: end === 'release' ? undefined : end,
    };
    records
      .change(address, (record) => decideProduction(production, record), true)
      .then(this.#onResult, this.#onFailure);
  }

  readonly #onResult = (result: ProduceResult): void => {
    this.#reachedAt = this.#options.records.clock.now();
    this.#retryMs = FIRST_RETRY_MS;
    if (result.type === 'recorded') {
      this.#count += this.#batch.length;
      this.#batch = [];
      this.#batchSize = 0;
      if (this.#isLast) this.#settle(result.view, true);
      else if (this.#room !== undefined) this.#giveRoom();
    } else {
      this.#settle(result.type === 'ended' ? result.view : undefined);
    }
    this.#commitNext();
  };

  /** Commits again after a wait. */
  readonly #onFailure = (error: unknown): void => {
    const { records, state } = this.#options;
    const { clock } = records;
    records.reportFailure(error);
    const leases = this.#cause?.type === 'closing' ? 1 : MAX_UNREACHED_LEASES;
    if (clock.now() - this.#reachedAt > leases * state.leaseMs) return this.#settle(undefined);
    const ms = Math.min(this.#retryMs, state.leaseMs / 3) * (0.5 + clock.random() / 2);
    this.#retryMs *= 2;
    this.#retry = clock.after(ms, () => this.#commitAgain(), { keepsAlive: true });
  };

  #commitAgain(): void {
    this.#retry?.clear();
    this.#retry = undefined;
    this.#commitNext();
  }

  /** A change of the record, by any process. */
  #onChange(views: readonly RunView[]): void {
    const { run, epoch } = this.#options.state;
    const newest = views.at(-1);
    if (newest?.run !== run || newest.epoch !== epoch) return this.#settle(undefined);
    if (newest.end !== undefined) {
      if (!this.#isCommitting) return this.#settle(newest);
      // It may be the end of this writer. Otherwise the next commit finds it.
      this.#mustRenew = true;
    }
    if (newest.stop !== undefined) this.#abort({ type: 'stop', reason: newest.stop.reason });
  }

  /** The claim is over. Events that are not recorded are dropped. */
  #settle(ended: RunView | undefined, isOwn = false): void {
    if (this.#isOver) return;
    const { records, schedule, address, state } = this.#options;
    this.#isOver = true;
    this.#recordedEnd = ended?.end === undefined ? undefined : ended;
    this.#unfollow();
    records.unprotect(address, state.epoch);
    schedule.remove(this);
    this.#pending = [];
    this.#retry?.clear();
    if (!isOwn) this.#abort({ type: 'over' });
    this.#giveRoom();
    this.#onOver();
  }

  #abort(cause: AbortCause): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    this.#giveRoom();
    this.#options.scope.run(() => this.#controller.abort());
  }

  #waitForRoom(): Promise<void> {
    if (this.#room === undefined) {
      let resolve = ignore;
      const promise = new Promise<void>((settle) => (resolve = settle));
      this.#room = { promise, resolve };
    }
    return this.#room.promise;
  }

  #giveRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function runLimit(name: string, value: number): LinefeedError {
  return new LinefeedError('run_limit', `The run is over its bound ${name} (${value}).`);
}
