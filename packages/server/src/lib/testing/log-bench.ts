/** The environment of a case of the log contract: log handles, a manual clock, and checks of all events read. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions, type Awaitable, type Position } from '@linefeed/shared/wire';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { systemClock } from '../base/clock.ts';
import type { Appended, AppendOptions, Log, LogEntry, LogEvent, ReadPage } from '../log/log.ts';

/** The requirements of a case for its log. Bounds that a case does not set are too large for it to reach. */
export interface LogSetup {
  /** For a log that accepts a clock. Time passes only as the case decides. */
  readonly clock: ManualClock;
  /** Bound of the log, in events. */
  readonly maxEvents: number;
  /** Bound of the log, in UTF-16 code units of payloads, addresses and idempotency keys. */
  readonly maxBytes: number;
  /** Bound of the age of an event, in milliseconds. */
  readonly maxAgeMs: number;
}

/** A log for one case. */
export interface LogUnderTest {
  /**
   * A handle on the log. The second handle represents a second process. A log in memory returns the same handle again.
   */
  open(): Awaitable<Log>;
  /** Removes every event after a position without a notification, like a failover. For the trait `rollsBack`. */
  rollBack?(to: Position): Awaitable<void>;
  /** Removes the remains of the case. Every handle is closed before. */
  dispose?(): Awaitable<void>;
}

/** Makes a new, empty log for one case. */
export type CreateLogUnderTest = (setup: LogSetup) => Awaitable<LogUnderTest>;

/** Capabilities that not every log has. */
export interface LogTraits {
  /** The log outlives its handles. */
  readonly persistent?: boolean | undefined;
  /** The log ages its events by the clock of the setup. */
  readonly ages?: boolean | undefined;
  /** `rollBack` exists. */
  readonly rollsBack?: boolean | undefined;
  /**
   * Number of events that it may hold past `maxEvents`, if its trimming is not exact.
   *
   * @default 0
   */
  readonly slack?: number | undefined;
}

export interface LogCaseBody {
  readonly name: string;
  readonly needs?: 'persistent' | 'ages' | 'rollsBack' | undefined;
  readonly bounds?: Partial<Omit<LogSetup, 'clock'>> | undefined;
  run(bench: LogBench): Promise<void>;
}

/** Maximum time that a case waits for a log, in milliseconds of real time. */
const PATIENCE_MS = 10_000;
const STEP_MS = 20;

export class LogBench {
  readonly clock: ManualClock;
  readonly slack: number;
  readonly #subject: LogUnderTest;
  readonly #handles = new Set<Log>();
  /** The first handle. */
  log!: Log;

  static async create(
    create: CreateLogUnderTest,
    bounds: LogCaseBody['bounds'],
    { slack = 0 }: LogTraits,
  ): Promise<LogBench> {
    const clock = createManualClock();
    const setup = { clock, maxEvents: 1_000_000, maxBytes: 2 ** 30, maxAgeMs: 2 ** 40, ...bounds };
    const bench = new LogBench(clock, await create(setup), slack);
    bench.log = await bench.open();
    return bench;
  }

  private constructor(clock: ManualClock, subject: LogUnderTest, slack: number) {
    this.clock = clock;
    this.#subject = subject;
    this.slack = slack;
  }

  async open(): Promise<Log> {
    const log = await this.#subject.open();
    this.#handles.add(log);
    return log;
  }

  async close(log: Log): Promise<void> {
    this.#handles.delete(log);
    await this.finish(log.close?.());
  }

  async rollBack(to: Position): Promise<void> {
    assert.ok(this.#subject.rollBack, 'a log with the trait rollsBack gives a rollBack()');
    await this.#subject.rollBack(to);
  }

  async dispose(): Promise<void> {
    try {
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
    const deadline = systemClock.now() + PATIENCE_MS;
    while (!isSo()) {
      assert.ok(systemClock.now() < deadline, `${what}: not within ${PATIENCE_MS} ms`);
      await this.clock.settle();
      if (isSo()) return;
      await new Promise<void>((resolve) => systemClock.defer(resolve));
      if (!isSo()) await this.clock.advance(STEP_MS);
    }
  }

  async append(
    entries: readonly LogEntry[],
    options?: AppendOptions,
    log: Log = this.log,
  ): Promise<Appended> {
    return await this.finish(log.append(entries, options));
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
    return new Following(log);
  }
}

/** Records the calls of a tail listener, and checks their order. */
export class Following {
  readonly start: Position;
  readonly events: LogEvent[] = [];
  readonly resets: Array<{ reason: string; position: Position; epoch: string }> = [];
  readonly errors: unknown[] = [];
  through: Position;
  readonly close: () => void;

  constructor(log: Log) {
    const { start, close } = log.tail({
      onEvents: (events, through) => {
        assertOrder(events, this.through);
        assert.ok(
          comparePositions(through, events.at(-1)?.position ?? this.through) >= 0,
          'through never goes back',
        );
        this.events.push(...events);
        this.through = through;
      },
      onReset: (reason, newest) => {
        this.resets.push({ reason, ...newest });
        this.through = newest.position;
      },
      onError: (error) => this.errors.push(error),
    });
    this.start = start.position;
    this.through = start.position;
    this.close = close;
  }

  get values(): unknown[] {
    return valuesOf(this.events);
  }
}

export function entryOf(address: string, value: unknown, keep: 'all' | 'latest' = 'all'): LogEntry {
  return { address, data: JSON.stringify(value), keep };
}

export function valuesOf(events: readonly LogEvent[]): unknown[] {
  return events.map(({ data }) => JSON.parse(data) as unknown);
}

export function numbers(count: number, first = 1): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

function assertOrder(events: readonly LogEvent[], after: Position): void {
  let last = after;
  for (const { position } of events) {
    assert.match(position, /^[1-9a-z][0-9a-z]*$/, 'a position is [0-9a-z] without a leading zero');
    assert.ok(comparePositions(position, last) > 0, `position ${position} is not past ${last}`);
    last = position;
  }
}
