/** The environment of a case of the log contract: log handles, faults, a manual clock, and checks of all events read. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions, type Awaitable, type Position } from '@linefeed/shared/wire';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { systemClock } from '../base/clock.ts';
import type { Appended, AppendOptions, Log, LogEntry, LogEvent, ReadPage } from '../log/log.ts';
import { assertOrder, entryOf, Following, isRetryable } from './log-checks.ts';
import {
  FAULTS,
  type CreateLogUnderTest,
  type LogNeed,
  type LogSetup,
  type LogTraits,
  type LogUnderTest,
} from './log-under-test.ts';

export interface LogCaseBody {
  readonly name: string;
  readonly needs?: readonly LogNeed[] | undefined;
  readonly bounds?: Partial<Omit<LogSetup, 'clock'>> | undefined;
  run(bench: LogBench): Promise<void>;
}

/** Longest wait for one condition, in milliseconds of real time. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 10_000;
/** Step of the manual clock, in milliseconds. */
const STEP_MS = 20;
/** Longest step for a log that needs real time. */
const LONGEST_STEP_MS = 100;
/** A wait uses this number of turns of the event loop, and then timers: a log on a server needs the processor too. */
const BUSY_TURNS = 500;
/** The same for a log that needs real time: its server answers no sooner, and the turns only take its processor. */
const BUSY_TURNS_REAL = 3;
/** Longest timer of a wait. The first ones are shorter. */
const LONGEST_TURN_MS = 10;

export class LogBench {
  readonly clock: ManualClock;
  readonly slack: number;
  /** Duration of the fault `pause`. */
  readonly pauseMs: number;
  readonly #subject: LogUnderTest;
  readonly #patienceMs: number;
  readonly #realTime: boolean;
  readonly #handles = new Set<Log>();
  readonly #followings: Following[] = [];
  readonly #lasting = new Set<() => Promise<void>>();
  /** The real time of the last step of the clock. Only for a log that needs real time. */
  #advancedAt = systemClock.now();
  /** The first handle. */
  log!: Log;

  static async create(
    create: CreateLogUnderTest,
    bounds: LogCaseBody['bounds'],
    traits: LogTraits,
  ): Promise<LogBench> {
    const clock = createManualClock();
    const setup = { clock, maxEvents: 1_000_000, maxBytes: 2 ** 30, maxAgeMs: 2 ** 40, ...bounds };
    const bench = new LogBench(clock, await create(setup), traits);
    try {
      bench.log = await bench.open();
      bench.#checkTraits(traits);
    } catch (error) {
      await bench.dispose();
      throw error;
    }
    return bench;
  }

  private constructor(clock: ManualClock, subject: LogUnderTest, traits: LogTraits) {
    this.clock = clock;
    this.#subject = subject;
    this.slack = traits.slack ?? 0;
    this.pauseMs = traits.pauseMs ?? PAUSE_MS;
    this.#patienceMs = traits.patienceMs ?? PATIENCE_MS;
    this.#realTime = traits.realTime ?? false;
  }

  /** An ability without its trait would leave out its cases without notice. */
  #checkTraits({ contains = false, faults = [] }: LogTraits): void {
    for (const fault of FAULTS) {
      const exists = this.#subject[fault] !== undefined;
      assert.equal(exists, faults.includes(fault), `${fault}() exists if the trait faults names it`);
    }
    assert.equal(this.log.contains !== undefined, contains, 'contains() exists if the trait contains is set');
  }

  async open(): Promise<Log> {
    return this.#opened(await this.finish(this.#subject.open()));
  }

  async openWithClock(clock: ManualClock): Promise<Log> {
    return this.#opened(await this.finish(this.#subject.openWithClock!(clock)));
  }

  #opened(log: Log): Log {
    this.#handles.add(log);
    return log;
  }

  async close(log: Log): Promise<void> {
    this.#handles.delete(log);
    await this.finish(log.close?.());
  }

  async rollBack(to: Position): Promise<void> {
    await this.#subject.rollBack!(to);
  }

  /** Causes a fault that happens at once. */
  async cause(
    fault: 'recreate' | 'evictKey' | 'resetConnections' | 'halfOpen' | 'loseAnswers',
  ): Promise<void> {
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
      for (const log of this.#handles) await this.finish(log.close?.());
    } finally {
      await this.#subject.dispose?.();
    }
  }

  /** Waits for a log while time passes on both clocks. */
  async finish<T>(waiting: Awaitable<T>): Promise<T> {
    let settled = false;
    const done = Promise.resolve(waiting).finally(() => {
      settled = true;
    });
    done.catch(() => undefined);
    await this.until('an answer of the log', () => settled);
    return await done;
  }

  async all<T>(waiting: ReadonlyArray<Awaitable<T>>): Promise<T[]> {
    return await this.finish(Promise.all(waiting.map(async (one) => await one)));
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    const deadline = systemClock.now() + this.#patienceMs;
    this.#advancedAt = systemClock.now();
    for (let turn = 0; !isSo(); turn += 1) {
      this.checkTails();
      assert.ok(systemClock.now() < deadline, `${what}: not within ${this.#patienceMs} ms`);
      await this.clock.settle();
      if (isSo()) return;
      await this.#pause(turn);
      if (!isSo()) await this.#advance();
    }
  }

  /** Lets time pass for the log. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    this.#advancedAt = systemClock.now();
    for (let turn = 0; this.clock.now() < end; turn += 1) {
      await this.clock.settle();
      await this.#pause(turn);
      await this.#advance();
    }
  }

  /** Lets the log work for a moment, so that a fault meets its calls on their way. */
  async turns(count: number): Promise<void> {
    this.#advancedAt = systemClock.now();
    for (let turn = 0; turn < count; turn += 1) {
      await this.clock.settle();
      await new Promise<void>((resolve) => systemClock.defer(resolve));
      await this.#advance();
    }
  }

  async #pause(turn: number): Promise<void> {
    const timers = turn - (this.#realTime ? BUSY_TURNS_REAL : BUSY_TURNS);
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
    await this.clock.advance(this.#realTime ? Math.min(elapsed, LONGEST_STEP_MS) : STEP_MS);
  }

  async append(
    entries: readonly LogEntry[],
    options?: AppendOptions,
    log: Log = this.log,
  ): Promise<Appended> {
    return await this.finish(log.append(entries, options));
  }

  /** Appends one event like a publisher that repeats a failed append with the same key until it succeeds. */
  async publish(address: string, value: unknown, log: Log = this.log): Promise<Appended> {
    const options = { idempotencyKey: `once ${JSON.stringify(value)}` };
    for (;;) {
      try {
        return await log.append([entryOf(address, value)], options);
      } catch (error) {
        if (!isRetryable(error)) throw error;
        await new Promise<void>((resolve) => void this.clock.after(STEP_MS, resolve));
      }
    }
  }

  async addSurely(address: string, value: unknown, log: Log = this.log): Promise<Position> {
    return (await this.finish(this.publish(address, value, log))).position;
  }

  /** Appends one event of `keep: 'all'` and returns its position. */
  async add(address: string, value: unknown, log: Log = this.log): Promise<Position> {
    return (await this.append([entryOf(address, value)], undefined, log)).position;
  }

  /** Appends many entries in batches of 500. */
  async addMany(entries: readonly LogEntry[]): Promise<Position> {
    let position = BEGINNING;
    for (let index = 0; index < entries.length; index += 500) {
      ({ position } = await this.append(entries.slice(index, index + 500)));
    }
    return position;
  }

  async position(log: Log = this.log): Promise<Position> {
    return (await this.finish(log.newest())).position;
  }

  async read(
    addresses: readonly string[] | ReadonlyMap<string, Position>,
    query: { after?: Position; limit?: number; maxBytes?: number } = {},
    log: Log = this.log,
  ): Promise<ReadPage> {
    const { after = BEGINNING, limit = 10_000, maxBytes = 2 ** 30 } = query;
    const floors = Array.isArray(addresses)
      ? new Map(addresses.map((name: string) => [name, BEGINNING]))
      : addresses;
    const page = await this.finish(
      log.read({ after, addresses: floors as ReadonlyMap<string, Position>, limit, maxBytes }),
    );
    assertOrder(page.events, after);
    assert.ok(page.events.length <= limit, 'a page holds no more than its limit');
    const last = page.events.at(-1)?.position ?? after;
    assert.ok(
      comparePositions(page.through, last) >= 0,
      '`through` is at or past the last event and `after`',
    );
    return page;
  }

  /** Reads page after page until one reaches the newest event. */
  async readAll(
    addresses: readonly string[],
    query: { after?: Position; limit?: number; maxBytes?: number } = {},
  ): Promise<LogEvent[]> {
    const newest = await this.position();
    const events: LogEvent[] = [];
    let { after = BEGINNING } = query;
    do {
      const page = await this.read(addresses, { ...query, after });
      assert.ok(
        comparePositions(page.through, after) > 0 || comparePositions(after, newest) >= 0,
        'every page makes progress',
      );
      events.push(...page.events);
      after = page.through;
    } while (comparePositions(after, newest) < 0);
    return events;
  }

  follow(log: Log = this.log): Following {
    const following = new Following(log);
    this.#followings.push(following);
    return following;
  }

  /** Throws if a tail got events in a wrong order. */
  checkTails(): void {
    for (const { violation } of this.#followings) if (violation !== undefined) throw violation;
  }
}
