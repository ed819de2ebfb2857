/**
 * Delivers the runs of one address to one connection: their recorded events, then each event as it is recorded. It
 * writes only while the reader has room, and holds at most one page.
 */
import {
  FRAME,
  formatStreamId,
  type CaughtUp,
  type End,
  type RunBegin,
  type RunStart,
} from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { ignore } from '../base/promise.ts';
import type { RunView } from '../runs/record-state.ts';
import type { RunPage } from '../runs/run-page.ts';
import {
  compareRunPositions,
  formatRunPosition,
  nextRunStep,
  pastEnd,
  startOfRuns,
  tailOfRuns,
  viewOf,
  type RunFrom,
  type RunPosition,
  type RunStep,
} from '../runs/run-position.ts';
import type { RunReader, RunTail } from '../runs/run-tail.ts';

/** The connection as the delivery of runs sees it. */
export interface RunPort {
  readonly closed: boolean;
  /** Whether the delivery may write now. */
  readonly hasRoom: boolean;
  /** Queues a call until there is room (FIFO). Returns a function that cancels the call. */
  waitForRoom(call: () => void): () => void;
  /** Ends the connection if its authority or its time is over. Returns whether it is closed. `now`: time of the feed's clock. */
  endIfOver(now: number): boolean;
  /** The part of an id before the tilde. */
  readonly idPrefix: string;
  /** Queues a control frame. */
  control(event: string, payload: object, id?: string): void;
  readonly outbox: {
    /** Queues text for one write at the end of the tick. */
    queueText(text: string): void;
    /** Writes bytes at once, after everything that is queued. */
    write(bytes: Uint8Array): void;
  };
}

export interface RunDeliveryOptions {
  readonly clock: Clock;
  readonly counters: { framesOut: number };
}

/** A page up to this size is queued as text, so that the frames of one tick are one write. Characters. */
const MAX_QUEUED_PAGE = 4_096;

/** Wait before the next read, after one that failed or found nothing. */
const RETRY_MS = 1_000;

type Step =
  | RunStep
  /** The frame that begins a run, or an attempt. */
  | { readonly type: 'begin'; readonly view: RunView }
  | { readonly type: 'caughtup' };

export class RunDelivery implements RunReader {
  readonly #port: RunPort;
  readonly #tail: RunTail;
  readonly #options: RunDeliveryOptions;
  /** Everything up to here was written. `undefined`: no entry was added yet. */
  #position: RunPosition | undefined;
  /** The run and the attempt of the last `linefeed.run`. */
  #begun: RunView | undefined;
  /** `linefeed.caughtup` is due when delivery has reached this. */
  #caughtUpAt: RunPosition | undefined;
  /** `held`: not started. `idle`: everything recorded is written. `busy`: it waits for room or for a page. */
  #state: 'held' | 'idle' | 'busy' | 'cancelled' = 'held';
  #stopWaiting: () => void = ignore;

  constructor(port: RunPort, tail: RunTail, options: RunDeliveryOptions) {
    this.#port = port;
    this.#tail = tail;
    this.#options = options;
    tail.join(this);
  }

  /**
   * Adds an entry: delivery goes back if the entry starts earlier. Returns the answer for the entry. The caller writes
   * it, and then calls `go`.
   */
  add(from: RunFrom): RunStart {
    const { views } = this.#tail;
    const start = startOfRuns(from, views);
    if (this.#position === undefined || compareRunPositions(start, this.#position) < 0)
      this.#position = start;
    // The new entry needs a `linefeed.run` as well.
    this.#begun = undefined;
    const tail = tailOfRuns(views);
    const isReplayed = compareRunPositions(this.#position, tail) < 0;
    this.#caughtUpAt = laterOf(this.#caughtUpAt, isReplayed ? tail : this.#position);
    const cursor = formatRunPosition(start);
    return isReplayed ? { cursor, tail: formatRunPosition(tail) } : { cursor };
  }

  /** Starts the delivery, or continues it. Must be called after each entry was answered. */
  go(): void {
    if (this.#state === 'held' || this.#state === 'idle') this.#advance(this.#port.hasRoom);
  }

  /** Stops the delivery. Nothing is written after the return. */
  cancel(): void {
    this.#state = 'cancelled';
    this.#stopWaiting();
    this.#tail.leave(this);
  }

  onChange(recorded: RunPage | undefined): void {
    if (this.#state !== 'idle') return;
    const { hasRoom } = this.#port;
    // The reader is at the end of the run: these events need no read from the store.
    if (recorded !== undefined && hasRoom && this.#isNext(recorded)) this.#writePage(recorded);
    this.#advance(this.#port.hasRoom);
  }

  /** A page may already have had these events. */
  #isNext({ run, after }: RunPage): boolean {
    const position = this.#position!;
    return position.run === run && position.n === after && this.#begun !== undefined;
  }

  /** Writes what is recorded, while there is room. `hasRoom`: whether the first frame may be written now. */
  #advance(hasRoom: boolean): void {
    this.#state = 'busy';
    this.#stopWaiting = ignore;
    for (let mayWrite = hasRoom; !this.#port.closed; mayWrite = this.#port.hasRoom) {
      const step = this.#nextStep();
      if (step.type === 'wait') {
        this.#state = 'idle';
        return;
      }
      if (!mayWrite) {
        this.#stopWaiting = this.#port.waitForRoom(() => this.#advance(true));
        return;
      }
      if (step.type === 'events') return this.#read();
      this.#write(step);
    }
  }

  #nextStep(): Step {
    const position = this.#position!;
    const { views } = this.#tail;
    const step = nextRunStep(position, views);
    const view = position.n === Infinity ? undefined : viewOf(position.run, views);
    if (view !== undefined && !isSameAttempt(view, this.#begun)) return { type: 'begin', view };
    const due = this.#caughtUpAt;
    if (due === undefined || step.type === 'gone') return step;
    const isDue = step.type === 'wait' || compareRunPositions(due, position) <= 0;
    return isDue ? { type: 'caughtup' } : step;
  }

  #write(step: Exclude<Step, { readonly type: 'wait' | 'events' }>): void {
    const { address } = this.#tail;
    const { run, n } = this.#position!;
    switch (step.type) {
      case 'next':
        this.#position = { run: step.view.run, n: 0 };
        return;
      case 'begin': {
        this.#begun = step.view;
        const { attempt, startedAt } = step.view;
        const begin: RunBegin = { address, run, attempt, startedAt };
        return this.#control(FRAME.run, begin);
      }
      case 'caughtup':
        this.#caughtUpAt = undefined;
        return this.#control(FRAME.caughtup, { address } satisfies CaughtUp);
      case 'end': {
        const { count, outcome, result, error, reason } = step.end;
        // Absent fields are left out of the JSON.
        const end = { address, run, outcome, result, error, reason };
        this.#position = pastEnd(run, count + 1);
        return this.#control(FRAME.end, end);
      }
      case 'gone':
        this.#position = pastEnd(run, n + 1);
        return this.#control(FRAME.end, { address, run, outcome: 'gone' } satisfies End);
    }
  }

  /** Writes a control frame with the position as its id. */
  #control(event: string, payload: object): void {
    const { clock } = this.#options;
    // The heartbeat may be late, for example after a suspend.
    if (this.#port.endIfOver(clock.now())) return;
    this.#port.control(
      event,
      payload,
      formatStreamId(this.#port.idPrefix, formatRunPosition(this.#position!)),
    );
  }

  #writePage(page: RunPage): void {
    const { clock, counters } = this.#options;
    const { outbox, idPrefix } = this.#port;
    if (this.#port.endIfOver(clock.now())) return;
    this.#position = { run: page.run, n: page.after + page.events.length };
    counters.framesOut += page.events.length;
    if (page.text(idPrefix).length <= MAX_QUEUED_PAGE) outbox.queueText(page.text(idPrefix));
    else outbox.write(page.bytes(idPrefix));
  }

  #read(): void {
    const asked = this.#position!;
    this.#tail.read(asked.run, asked.n).then(
      (page) => {
        if (this.#state === 'cancelled') return;
        // Another entry may have moved delivery back meanwhile, and needs a `linefeed.run` first.
        if (this.#position === asked && this.#begun !== undefined) {
          if (page.events.length === 0) return this.#readLater();
          this.#writePage(page);
        }
        this.#advance(this.#port.hasRoom);
      },
      () => this.#state === 'cancelled' || this.#readLater(),
    );
  }

  /** The store cannot be read, or the run was deleted after its record was read. */
  #readLater(): void {
    const timer = this.#options.clock.after(RETRY_MS, () => {
      void this.#tail.refresh().then(() => this.#state === 'cancelled' || this.#advance(this.#port.hasRoom));
    });
    this.#stopWaiting = () => timer.clear();
  }
}

function isSameAttempt(view: RunView, begun: RunView | undefined): boolean {
  return view.run === begun?.run && view.attempt === begun.attempt;
}

function laterOf(a: RunPosition | undefined, b: RunPosition): RunPosition {
  return a !== undefined && compareRunPositions(a, b) > 0 ? a : b;
}
