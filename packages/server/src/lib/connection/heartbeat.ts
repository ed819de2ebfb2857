/**
 * One timer for all connections: sends pings, cuts stalled readers, ends connections that are past their maximum
 * duration or expiry.
 */
import type { Clock, Timer } from '../base/clock.ts';

/** An object that the heartbeat calls. */
export interface HeartbeatTarget {
  /** Called about every `stepMs`. `now`: time of the clock. */
  onTick(now: number): void;
  /**
   * When `onTick` must be called on time, if nothing changes. `Infinity`: the regular steps are enough. `now`: time of
   * the clock.
   */
  dueAt?(now: number): number;
}

const MAX_STEP_MS = 1_000;
const MIN_STEP_MS = 5;
/**
 * A timer of its own is set only if the due time is within this many steps. So only a few connections have a timer, and
 * none ends late.
 */
const STEPS_AHEAD = 2;
/** After a broadcast all connections become silent at the same time. This many are checked before other work runs. */
const MAX_BEATS_PER_SLICE = 500;

export class Heartbeat {
  readonly #clock: Clock;
  readonly #targets = new Set<HeartbeatTarget>();
  readonly #stepMs: number;
  readonly #due = new Map<HeartbeatTarget, Timer>();
  /** No entry of `#due` is due earlier. */
  #nextDueAt = Infinity;
  /** Time of the last step. `#wallAhead`: wall clock minus monotonic clock at that time. */
  #steppedAt = 0;
  #wallAhead = 0;
  #timer: Timer | undefined;
  #sweeping: Iterator<HeartbeatTarget> | undefined;

  /** `shortestMs`: the shortest interval that must be noticed. A step takes at most a fifth of it. */
  constructor(clock: Clock, shortestMs: number) {
    this.#clock = clock;
    this.#stepMs = Math.max(MIN_STEP_MS, Math.min(MAX_STEP_MS, shortestMs / 5));
  }

  add(target: HeartbeatTarget): void {
    if (this.#targets.size === 0) this.#noteStep(this.#clock.now());
    this.#targets.add(target);
    this.#timer ??= this.#clock.after(this.#stepMs, () => this.#sweep());
    this.#lookAhead(target, this.#clock.now());
  }

  remove(target: HeartbeatTarget): void {
    this.#targets.delete(target);
    this.#due.get(target)?.clear();
    this.#due.delete(target);
    if (this.#targets.size > 0) return;
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /**
   * Ends overdue connections before they are used, if no timer has fired: after a suspend, a blocked event loop, or a
   * change of the wall clock.
   */
  catchUp(): void {
    const now = this.#clock.now();
    const jumpedMs = Math.abs(this.#clock.wallNow() - now - this.#wallAhead);
    if (jumpedMs > this.#stepMs || now - this.#steppedAt > STEPS_AHEAD * this.#stepMs) {
      this.#noteStep(now);
      this.#endOverdue(this.#targets, now);
    } else if (now >= this.#nextDueAt) this.#endOverdue(this.#due.keys(), now);
  }

  #endOverdue(all: Iterable<HeartbeatTarget>, now: number): void {
    this.#nextDueAt = Infinity;
    for (const target of all) {
      const dueAt = target.dueAt?.(now) ?? Infinity;
      if (dueAt <= now) target.onTick(now);
      else this.#nextDueAt = Math.min(this.#nextDueAt, dueAt);
    }
  }

  #noteStep(now: number): void {
    this.#steppedAt = now;
    this.#wallAhead = this.#clock.wallNow() - now;
  }

  #sweep(): void {
    this.#noteStep(this.#clock.now());
    this.#timer = this.#targets.size === 0 ? undefined : this.#clock.after(this.#stepMs, () => this.#sweep());
    // A sweep that is still running covers all connections.
    if (this.#sweeping === undefined) this.#slice(this.#targets.values());
  }

  #slice(rest: Iterator<HeartbeatTarget>): void {
    const now = this.#clock.now();
    this.#sweeping = rest;
    for (let count = 0; count < MAX_BEATS_PER_SLICE; count += 1) {
      const next = rest.next();
      if (next.done === true) {
        this.#sweeping = undefined;
        return;
      }
      next.value.onTick(now);
      this.#lookAhead(next.value, now);
    }
    this.#clock.defer(() => this.#slice(rest));
  }

  /**
   * Sets a timer if the due time is before the next steps. An overdue one waits for the next step, so that no timer
   * fires in a loop.
   */
  #lookAhead(target: HeartbeatTarget, now: number): void {
    const waitMs = (target.dueAt?.(now) ?? Infinity) - now;
    if (!(waitMs > 0 && waitMs <= STEPS_AHEAD * this.#stepMs)) return;
    if (this.#due.has(target) || !this.#targets.has(target)) return;
    this.#nextDueAt = Math.min(this.#nextDueAt, now + waitMs);
    const timer = this.#clock.after(Math.ceil(waitMs), () => {
      this.#due.delete(target);
      const then = this.#clock.now();
      target.onTick(then);
      this.#lookAhead(target, then);
    });
    this.#due.set(target, timer);
  }
}

const heartbeats = new WeakMap<Clock, Map<number, Heartbeat>>();

/** The heartbeat shared by everything on this clock with about the same shortest interval: one timer for all of it. */
export function sharedHeartbeat(clock: Clock, shortestMs: number): Heartbeat {
  let ofClock = heartbeats.get(clock);
  if (ofClock === undefined) heartbeats.set(clock, (ofClock = new Map()));
  // Bounded to 1,000 heartbeats: for longer intervals the step is the same.
  const rounded = Math.min(Math.ceil(shortestMs / MIN_STEP_MS), MAX_STEP_MS) * MIN_STEP_MS;
  let heartbeat = ofClock.get(rounded);
  if (heartbeat === undefined) ofClock.set(rounded, (heartbeat = new Heartbeat(clock, rounded)));
  return heartbeat;
}
