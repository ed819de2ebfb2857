/** One timer for all connections: breaks silences, cuts stalled readers, ends what has lived long enough. */
import type { Clock, Timer } from './clock.ts';

/** What the heartbeat looks after. */
export interface Beating {
  /** Called every `stepMs` or so; `now` is the clock's. */
  beat(now: number): void;
  /** When it is to be called on time, if nothing changes; `Infinity`: the steps are enough. `now` is the clock's. */
  dueAt?(now: number): number;
}

const MAX_STEP_MS = 1_000;
const MIN_STEP_MS = 5;
/** A timer is set for what is due within so many steps: few of many connections have one, though none ends late. */
const STEPS_AHEAD = 2;
/** After a broadcast everybody is silent at once: so many are looked at before others get their turn. */
const MAX_BEATS_PER_SLICE = 500;

export class Heartbeat {
  readonly #clock: Clock;
  readonly #beating = new Set<Beating>();
  readonly #stepMs: number;
  readonly #due = new Map<Beating, Timer>();
  /** None of them is due before. */
  #nextDueAt = Infinity;
  /** When the last step came, and how far the wall clock was ahead of the other one then. */
  #steppedAt = 0;
  #wallAhead = 0;
  #timer: Timer | undefined;
  #sweeping: Iterator<Beating> | undefined;

  /** `shortestMs`: the shortest time that anything it looks after is to be noticed in; it comes by five times as often. */
  constructor(clock: Clock, shortestMs: number) {
    this.#clock = clock;
    this.#stepMs = Math.max(MIN_STEP_MS, Math.min(MAX_STEP_MS, shortestMs / 5));
  }

  add(beating: Beating): void {
    if (this.#beating.size === 0) this.#noteStep(this.#clock.now());
    this.#beating.add(beating);
    this.#timer ??= this.#clock.after(this.#stepMs, () => this.#sweep());
    this.#lookAhead(beating, this.#clock.now());
  }

  remove(beating: Beating): void {
    this.#beating.delete(beating);
    this.#due.get(beating)?.clear();
    this.#due.delete(beating);
    if (this.#beating.size > 0) return;
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /**
   * Ends what is overdue before others use it, where no timer has noticed: the machine was suspended, the event loop was
   * blocked, or the wall clock was set.
   */
  catchUp(): void {
    const now = this.#clock.now();
    const jumpedMs = Math.abs(this.#clock.wallNow() - now - this.#wallAhead);
    if (jumpedMs > this.#stepMs || now - this.#steppedAt > STEPS_AHEAD * this.#stepMs) {
      this.#noteStep(now);
      this.#endOverdue(this.#beating, now);
    } else if (now >= this.#nextDueAt) this.#endOverdue(this.#due.keys(), now);
  }

  #endOverdue(all: Iterable<Beating>, now: number): void {
    this.#nextDueAt = Infinity;
    for (const beating of all) {
      const dueAt = beating.dueAt?.(now) ?? Infinity;
      if (dueAt <= now) beating.beat(now);
      else this.#nextDueAt = Math.min(this.#nextDueAt, dueAt);
    }
  }

  #noteStep(now: number): void {
    this.#steppedAt = now;
    this.#wallAhead = this.#clock.wallNow() - now;
  }

  #sweep(): void {
    this.#noteStep(this.#clock.now());
    this.#timer = this.#beating.size === 0 ? undefined : this.#clock.after(this.#stepMs, () => this.#sweep());
    // A sweep that is still under way looks at everybody anyhow.
    if (this.#sweeping === undefined) this.#slice(this.#beating.values());
  }

  #slice(rest: Iterator<Beating>): void {
    const now = this.#clock.now();
    this.#sweeping = rest;
    for (let count = 0; count < MAX_BEATS_PER_SLICE; count += 1) {
      const next = rest.next();
      if (next.done === true) {
        this.#sweeping = undefined;
        return;
      }
      next.value.beat(now);
      this.#lookAhead(next.value, now);
    }
    this.#clock.defer(() => this.#slice(rest));
  }

  /** Sets a timer for what is due before the next steps. What is overdue is left to them: no timer fires in a loop. */
  #lookAhead(beating: Beating, now: number): void {
    const waitMs = (beating.dueAt?.(now) ?? Infinity) - now;
    if (!(waitMs > 0 && waitMs <= STEPS_AHEAD * this.#stepMs)) return;
    if (this.#due.has(beating) || !this.#beating.has(beating)) return;
    this.#nextDueAt = Math.min(this.#nextDueAt, now + waitMs);
    const timer = this.#clock.after(Math.ceil(waitMs), () => {
      this.#due.delete(beating);
      const then = this.#clock.now();
      beating.beat(then);
      this.#lookAhead(beating, then);
    });
    this.#due.set(beating, timer);
  }
}

const heartbeats = new WeakMap<Clock, Map<number, Heartbeat>>();

/** The heartbeat of everything on this clock that is to be noticed in about the same time: one timer for all of it. */
export function sharedHeartbeat(clock: Clock, shortestMs: number): Heartbeat {
  let ofClock = heartbeats.get(clock);
  if (ofClock === undefined) heartbeats.set(clock, (ofClock = new Map()));
  // At most 1,000 of them: beyond, the step is the same.
  const rounded = Math.min(Math.ceil(shortestMs / MIN_STEP_MS), MAX_STEP_MS) * MIN_STEP_MS;
  let heartbeat = ofClock.get(rounded);
  if (heartbeat === undefined) ofClock.set(rounded, (heartbeat = new Heartbeat(clock, rounded)));
  return heartbeat;
}
