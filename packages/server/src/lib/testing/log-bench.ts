/** The environment of a case of the log contract: log handles, faults, a manual clock, and checks of all events read. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import type { Appended, AppendOptions, Log, LogEntry, LogEvent, ReadPage } from '../log/log.ts';
import { CaseBench, STEP_MS } from './case-bench.ts';
import type { CaseBody } from './contract.ts';
import { assertOrder, entryOf, Following, isRetryable } from './log-checks.ts';
import {
  FAULTS,
  type CreateLogUnderTest,
  type LogNeed,
  type LogSetup,
  type LogTraits,
  type LogUnderTest,
} from './log-under-test.ts';

export interface LogCaseBody extends CaseBody<LogBench, LogNeed> {
  readonly bounds?: Partial<Omit<LogSetup, 'clock'>> | undefined;
}

export class LogBench extends CaseBench<Log> {
  readonly slack: number;
  readonly #subject: LogUnderTest;
  readonly #followings: Following[] = [];
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
      bench.checkFaults(FAULTS, traits.faults);
      // An ability without its trait would leave out its cases without notice.
      const { contains = false } = traits;
      assert.equal(
        bench.log.contains !== undefined,
        contains,
        'contains() exists if the trait contains is set',
      );
    } catch (error) {
      await bench.dispose();
      throw error;
    }
    return bench;
  }

  private constructor(clock: ManualClock, subject: LogUnderTest, traits: LogTraits) {
    super(clock, subject, traits);
    this.#subject = subject;
    this.slack = traits.slack ?? 0;
  }

  async rollBack(to: Position): Promise<void> {
    await this.#subject.rollBack!(to);
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
  override checkFollowed(): void {
    for (const { violation } of this.#followings) if (violation !== undefined) throw violation;
  }
}
