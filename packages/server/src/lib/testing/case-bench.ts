/** The environment of a case of a contract suite: handles, faults, and time on a manual clock and on the real one. */
import assert from 'node:assert/strict';
import type { Awaitable } from '@linefeed/shared/wire';
import type { ManualClock } from '@linefeed/shared/testing';
import { systemClock } from '../base/clock.ts';
import type { EndFault, ServerFaults, TimeTraits } from './server-faults.ts';

/** Longest wait for one condition, in milliseconds of real time. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 10_000;
/** Step of the manual clock, in milliseconds. */
export const STEP_MS = 20;
/** Longest step for a subject that needs real time. */
const LONGEST_STEP_MS = 100;
/** A wait uses this number of turns of the event loop, and then timers: a server needs the processor too. */
const BUSY_TURNS = 500;
/** The same for a subject that needs real time: its server answers no sooner, and the turns only take its processor. */
const BUSY_TURNS_REAL = 3;
/** Longest timer of a wait. The first ones are shorter. */
const LONGEST_TURN_MS = 10;

/** A handle of the subject. */
interface Closable {
  close?(): Awaitable<void>;
}

/** What every suite expects of its subject. */
export interface Subject<Handle> extends ServerFaults {
  open(): Awaitable<Handle>;
  openWithClock?(clock: ManualClock): Awaitable<Handle>;
  evictKey?(): Awaitable<void>;
  dispose?(): Awaitable<void>;
}

/** A fault that happens at once. */
type InstantFault = 'recreate' | 'evictKey' | 'resetConnections' | 'halfOpen' | 'loseAnswers';

export class CaseBench<Handle extends Closable> {
  readonly clock: ManualClock;
  /** Duration of the fault `pause`. */
  readonly pauseMs: number;
  /** Whether the clock advances no faster than real time. */
  readonly isRealTime: boolean;
  readonly #subject: Subject<Handle>;
  readonly #patienceMs: number;
  readonly #handles = new Set<Handle>();
  readonly #lasting = new Set<EndFault>();
  /** The real time of the last step of the clock. Only for a subject that needs real time. */
  #advancedAt = systemClock.now();

  protected constructor(clock: ManualClock, subject: Subject<Handle>, traits: TimeTraits) {
    this.clock = clock;
    this.#subject = subject;
    this.pauseMs = traits.pauseMs ?? PAUSE_MS;
    this.#patienceMs = traits.patienceMs ?? PATIENCE_MS;
    this.isRealTime = traits.realTime ?? false;
  }

  /** An ability without its trait would leave out its cases without notice. */
  protected checkFaults(all: readonly string[], named: readonly string[] = []): void {
    for (const fault of all) {
      const exists = (this.#subject as unknown as Record<string, unknown>)[fault] !== undefined;
      assert.equal(exists, named.includes(fault), `${fault}() exists if the trait faults names it`);
    }
  }

  /** Throws if something that the case follows has gone wrong. Each step of a wait calls it. */
  checkFollowed(): void {}

  async open(): Promise<Handle> {
    return this.#opened(await this.finish(this.#subject.open()));
  }

  async openWithClock(clock: ManualClock): Promise<Handle> {
    return this.#opened(await this.finish(this.#subject.openWithClock!(clock)));
  }

  #opened(handle: Handle): Handle {
    this.#handles.add(handle);
    return handle;
  }

  async close(handle: Handle): Promise<void> {
    this.#handles.delete(handle);
    await this.finish(handle.close?.());
  }

  /** Causes a fault that happens at once. */
  async cause(fault: InstantFault): Promise<void> {
    await this.#subject[fault]!();
  }

  /** Begins a fault that lasts until the result is called, at most to the end of the case. */
  async begin(fault: 'stop' | 'pause'): Promise<() => Promise<void>> {
    const endFault = await this.#subject[fault]!();
    const end = async () => {
      if (this.#lasting.delete(end)) await endFault();
    };
    this.#lasting.add(end);
    return end;
  }

  async dispose(): Promise<void> {
    try {
      for (const end of this.#lasting) await end();
      for (const handle of this.#handles) await this.finish(handle.close?.());
    } finally {
      await this.#subject.dispose?.();
    }
  }

  /** Waits for the subject while time passes on both clocks. */
  async finish<T>(waiting: Awaitable<T>): Promise<T> {
    let settled = false;
    const done = Promise.resolve(waiting).finally(() => {
      settled = true;
    });
    done.catch(() => undefined);
    await this.until('an answer', () => settled);
    return await done;
  }

  async all<T>(waiting: ReadonlyArray<Awaitable<T>>): Promise<T[]> {
    return await this.finish(Promise.all(waiting.map(async (one) => await one)));
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    const deadline = systemClock.now() + this.#patienceMs;
    this.#advancedAt = systemClock.now();
    for (let turn = 0; !isSo(); turn += 1) {
      this.checkFollowed();
      assert.ok(systemClock.now() < deadline, `${what}: not within ${this.#patienceMs} ms`);
      await this.clock.settle();
      if (isSo()) return;
      await this.#pause(turn);
      if (!isSo()) await this.#advance();
    }
  }

  /** Lets time pass for the subject. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    this.#advancedAt = systemClock.now();
    for (let turn = 0; this.clock.now() < end; turn += 1) {
      await this.clock.settle();
      await this.#pause(turn);
      await this.#advance();
    }
  }

  /** Lets the subject work for a moment, so that a fault meets its calls on their way. */
  async turns(count: number): Promise<void> {
    this.#advancedAt = systemClock.now();
    for (let turn = 0; turn < count; turn += 1) {
      await this.clock.settle();
      await new Promise<void>((resolve) => systemClock.defer(resolve));
      await this.#advance();
    }
  }

  async #pause(turn: number): Promise<void> {
    const timers = turn - (this.isRealTime ? BUSY_TURNS_REAL : BUSY_TURNS);
    await new Promise<void>((resolve) => {
      if (timers < 0) systemClock.defer(resolve);
      else systemClock.after(Math.min(1 + timers / 10, LONGEST_TURN_MS), resolve, { keepsAlive: true });
    });
  }

  async #advance(): Promise<void> {
    const now = systemClock.now();
    const elapsed = now - this.#advancedAt;
    this.#advancedAt = now;
    // Not more than a step: after a turn that the machine has held up, answers must be read before a deadline passes.
    await this.clock.advance(this.isRealTime ? Math.min(elapsed, LONGEST_STEP_MS) : STEP_MS);
  }
}
