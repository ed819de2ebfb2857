/** Follows the file of a SQLite log for its tail listeners: appends of other processes, and changes of the numbering. */
import type { Clock, Timer } from '../../base/clock.ts';
import type { LogCursor, LogEvent, Tail, TailListener } from '../log.ts';
import { TailListeners } from '../tail-listeners.ts';
import { isBusy } from '../../database/sqlite/errors.ts';
import { CHECK_MS } from '../../database/sqlite/file-handle.ts';
import type { SqliteHandle } from './handle.ts';
import { Numbering } from './numbering.ts';
import { toNumber, toPosition } from './rows.ts';
import type { Meta } from './schema.ts';

/** Limits of one read of the tail, in events and code units. The read blocks the event loop. */
const TURN_EVENTS = 500;
const TURN_BYTES = 1024 * 1024;

export class Follower {
  readonly #handle: SqliteHandle;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #listeners = new TailListeners();
  readonly #numbering: Numbering;
  #version = -1;
  #catchUpScheduled = false;
  #poll: Timer | undefined;
  #failing = false;
  #stopped = false;

  constructor(handle: SqliteHandle, clock: Clock, pollMs: number) {
    this.#handle = handle;
    this.#clock = clock;
    this.#pollMs = pollMs;
    this.#numbering = new Numbering(handle.store.meta());
  }

  get epoch(): string {
    return this.#numbering.epoch;
  }

  #cursorAt(sequence: number): LogCursor {
    return { epoch: this.epoch, position: toPosition(sequence) };
  }

  isRenumbered(meta: Meta): boolean {
    return this.#numbering.differsFrom(meta);
  }

  /** Takes the numbering of the file, and resets the listeners if it changed. */
  renumber(): void {
    const reason = this.#numbering.update(this.#handle.store);
    if (reason === undefined) return;
    this.#handle.store.reader.forget();
    this.#listeners.reset(reason, this.#cursorAt(this.#numbering.position));
  }

  /** Opens the file at the path if it is another one. Its numbering is compared with the next use. */
  checkFile(): void {
    this.#checkFile(false);
  }

  #checkFile(isLast: boolean): void {
    if (!this.#handle.check(isLast)) return;
    this.#version = -1;
    this.#numbering.fileReplaced();
  }

  /** Delivers the events that this process has appended. */
  appended(before: number, after: number, events: readonly LogEvent[]): void {
    if (before === this.#numbering.position) {
      if (after === before) return;
      this.#numbering.position = after;
      return this.#listeners.events(events, toPosition(after));
    }
    // A failure here must not reject the committed append. The next poll delivers the events.
    this.#version = -1;
    this.#look();
  }

  follow(listener: TailListener): Tail {
    // Without listeners nothing polled, so catch up first.
    if (this.#listeners.size === 0) this.#catchUpIfFree();
    const { start, close } = this.#listeners.add(listener, this.#cursorAt(this.#numbering.position));
    this.#armPoll();
    return {
      start,
      close: () => {
        close();
        if (this.#listeners.size === 0) this.#disarmPoll();
      },
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#listeners.clear();
    this.#disarmPoll();
  }

  /** Compares the numbering a last time: later cursors of this epoch must not name events of another history. */
  checkLast(): void {
    this.#checkFile(true);
    if (this.#numbering.isReplaced) this.renumber();
  }

  // Polling -----------------------------------------------------------------------------------------------------------

  #armPoll(): void {
    if (this.#poll !== undefined || this.#listeners.size === 0) return;
    this.#poll = this.#clock.after(this.#failing ? CHECK_MS : this.#pollMs, () => {
      this.#poll = undefined;
      this.#look();
      this.#armPoll();
    });
  }

  #disarmPoll(): void {
    this.#poll?.clear();
    this.#poll = undefined;
  }

  #look(): void {
    try {
      this.checkFile();
      this.#handle.evictStale();
      const version = this.#handle.store.version();
      if (version !== this.#version) this.#catchUp();
      this.#version = version;
      this.#failing = false;
    } catch (error) {
      if (isBusy(error)) return;
      // Report an error once, not with every poll.
      if (!this.#failing) this.#listeners.error(this.#readError(error));
      this.#failing = true;
    }
  }

  #readError(error: unknown): unknown {
    return this.#handle.readError(error);
  }

  /** If another process holds the file, the next poll catches up and delivers the events since. */
  #catchUpIfFree(): void {
    try {
      this.#catchUp();
    } catch (error) {
      if (!isBusy(error)) throw this.#readError(error);
    }
  }

  /** Delivers the events appended since. A large number takes several turns of the event loop. */
  #catchUp(): void {
    const { store } = this.#handle;
    const { position } = this.#numbering;
    const found = store.transact('read', () => {
      const meta = store.meta();
      const followed = this.#listeners.size > 0 && !this.isRenumbered(meta) && meta.evicted <= position;
      return { meta, events: followed ? store.reader.readTail(position, TURN_EVENTS, TURN_BYTES) : [] };
    });
    const { meta, events } = found;
    if (this.isRenumbered(meta)) return this.renumber();
    const through = events.length === 0 ? meta.sequence : toNumber(events.at(-1)!.position);
    if (through === position) return;
    this.#numbering.position = through;
    // Events were evicted before this process read them: live readers would miss them without notice.
    if (meta.evicted > position) this.#listeners.reset('trimmed', this.#cursorAt(through));
    else this.#listeners.events(events, toPosition(through));
    if (through < meta.sequence) this.#catchUpLater();
  }

  #catchUpLater(): void {
    if (this.#catchUpScheduled) return;
    this.#catchUpScheduled = true;
    this.#clock.defer(() => {
      this.#catchUpScheduled = false;
      // The next poll continues in any case.
      this.#version = -1;
      if (!this.#stopped) this.#look();
    });
  }
}
