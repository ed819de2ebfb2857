/** Follows the log on the server for the tail listeners of this process: one loop, on one connection. */
import { comparePositions, type Position } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import { NoAnswer } from '../../database/deadline.ts';
import type { LogCursor, Tail, TailListener } from '../log.ts';
import { TailListeners } from '../tail-listeners.ts';
import { toLogError } from './errors.ts';
import type { Numbering, Renumbering } from './numbering.ts';
import type { RecentEvents } from './recent-events.ts';
import type { RemoteStore, TailAnswer } from './remote-store.ts';
import type { ServerCalls } from './server-calls.ts';
import { Backoff, pause } from '../../database/waiting.ts';

/** Limits of one read of the tail, in events and code units. */
const TAIL_EVENTS = 500;
const TAIL_BYTES = 1024 * 1024;
/** Time that the server may take for an answer after the wait. Later the connection counts as dead. */
const SILENCE_MS = 2_000;
const MAX_PAUSE_MS = 2_000;
/** Pause after an answer that came at once and told nothing: without it the loop would not wait. */
const QUIET_MS = 20;

export interface FollowerOptions {
  readonly store: RemoteStore;
  readonly clock: Clock;
  readonly calls: ServerCalls;
  readonly numbering: Numbering;
  readonly recent: RecentEvents;
  /** Longest wait of the server for a first event, in milliseconds. */
  readonly waitMs: number;
}

export class Follower {
  /** Whether the last read of the tail has succeeded. */
  isAvailable = true;
  readonly #options: FollowerOptions;
  readonly #listeners = new TailListeners();
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #isRunning = false;
  /** The last answer told nothing, although the server should have events past the tail. */
  #isBehind = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.clock, MAX_PAUSE_MS);
  }

  tail(listener: TailListener): Tail {
    const { numbering, recent } = this.#options;
    if (this.#listeners.size === 0) {
      numbering.startTail();
      recent.reset(numbering.tail.position);
    }
    const start = numbering.newest;
    const { close } = this.#listeners.add(listenPast(listener, start.position), start);
    void this.#run();
    return {
      start,
      close: () => {
        close();
        if (this.#listeners.size === 0) numbering.endTail();
      },
    };
  }

  /** Resets the listeners. The numbering has changed already. */
  renumbered({ reason, newest }: Renumbering): void {
    this.#options.recent.reset(newest.position);
    this.#isBehind = false;
    this.#listeners.reset(reason, newest);
  }

  stop(): void {
    this.#listeners.clear();
    this.#stopping.abort();
  }

  get #isOver(): boolean {
    return this.#stopping.signal.aborted || this.#listeners.size === 0;
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // The caller gets its start first.
    await Promise.resolve();
    while (!this.#isOver) await this.#round();
    this.#isRunning = false;
  }

  async #round(): Promise<void> {
    const { clock, store } = this.#options;
    const startedAt = clock.now();
    try {
      const progress = await this.#follow();
      if (!progress && clock.now() - startedAt < QUIET_MS) await this.#pause(QUIET_MS);
    } catch (error) {
      if (this.#isOver) return;
      // A client library does not notice a connection that is half open. A new one may reach the server.
      if (error instanceof NoAnswer) store.reconnect();
      // Reported once per outage, not with every attempt.
      if (this.isAvailable) this.#listeners.error(toLogError(store.name, error));
      this.isAvailable = false;
      await this.#pause(this.#backoff.next());
    }
  }

  #pause(ms: number): Promise<void> {
    return pause(this.#options.clock, ms, this.#stopping.signal);
  }

  /** @returns whether the answer had something new. */
  async #follow(): Promise<boolean> {
    const { store, calls, numbering, waitMs } = this.#options;
    const at = numbering.tail;
    const query = { after: at.position, limit: TAIL_EVENTS, maxBytes: TAIL_BYTES, waitMs };
    // Usually the server must contain the position of the tail. But if it has nothing past the tail although this
    // process has told a later position, the server must contain that one.
    const known = this.#isBehind ? numbering.known : at;
    const answer = await calls.call(
      { ms: waitMs + SILENCE_MS, known, signal: this.#stopping.signal },
      (context) => store.follow(query, context),
      ({ head }) => ({ head }),
    );
    this.isAvailable = true;
    this.#backoff.reset();
    if (/* seam: answer-of-this-numbering */ !this.#isAt(at) || answer.head.epoch !== at.epoch) return true;
    return await this.#deliver(at, known.position, answer);
  }

  /** Whether the tail is still where it was when the call was made. */
  #isAt({ epoch, position }: LogCursor): boolean {
    const { tail } = this.#options.numbering;
    return !this.#isOver && tail.epoch === epoch && tail.position === position;
  }

  async #deliver(at: LogCursor, known: Position, answer: TailAnswer): Promise<boolean> {
    const { numbering, recent, calls } = this.#options;
    const { events, through, trimmed } = answer;
    const isQuiet = through === at.position;
    this.#isBehind = isQuiet && numbering.hasClaims;
    if (isQuiet) return false;
    for (const { position } of events) numbering.seen.add(position);
    numbering.seen.add(through);
    const proven = new Set([known]);
    const nextClaim = () => numbering.unproven(through).find((claim) => !proven.has(claim));
    for (let claim = nextClaim(); claim !== undefined; claim = nextClaim()) {
      // Not among the events: either superseded, or lost together with the newest events.
      await calls.prove(claim);
      if (!this.#isAt(at)) return true;
      proven.add(claim);
    }
    numbering.moveTail(through);
    if (trimmed) {
      recent.reset(through);
      this.#listeners.reset('trimmed', numbering.tail);
    } else {
      recent.add(events, through);
      this.#listeners.events(events, through);
    }
    return true;
  }
}

/** A listener that starts ahead of the tail: the first events may contain some up to its start. */
function listenPast(listener: TailListener, start: Position): TailListener {
  let isFirst = true;
  return {
    onEvents(events, through) {
      const later = isFirst ? events.filter(({ position }) => comparePositions(position, start) > 0) : events;
      isFirst = false;
      listener.onEvents(later, through);
    },
    onReset(reason, newest) {
      isFirst = false;
      listener.onReset(reason, newest);
    },
    onError: (error) => listener.onError(error),
  };
}
