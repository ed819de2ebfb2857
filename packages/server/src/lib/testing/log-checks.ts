/** Values of the cases of the log contract, and checks of what a log returns. */
import assert from 'node:assert/strict';
import { BEGINNING, comparePositions, LinefeedError, type Position } from '@linefeed/shared/wire';
import type { Log, LogEntry, LogEvent, ReadPage } from '../log/log.ts';

/** Records the calls of a tail listener, and checks their order. */
export class Following {
  readonly start: Position;
  readonly events: LogEvent[] = [];
  readonly resets: Array<{ reason: string; position: Position; epoch: string }> = [];
  readonly errors: unknown[] = [];
  /** The first wrong order of events. */
  violation: Error | undefined;
  through: Position;
  readonly close: () => void;

  constructor(log: Log) {
    const { start, close } = log.tail({
      onEvents: (events, through) => {
        this.#check(events, through);
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

  /** Keeps a violation for the case: a log passes an error of its listener on to `onError`. */
  #check(events: readonly LogEvent[], through: Position): void {
    try {
      assertOrder(events, this.through);
      assert.ok(
        comparePositions(through, events.at(-1)?.position ?? this.through) >= 0,
        'through never goes back',
      );
    } catch (error) {
      this.violation ??= error as Error;
    }
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

export function assertOrder(events: readonly LogEvent[], after: Position): void {
  let last = after;
  for (const { position } of events) {
    assert.match(position, /^[1-9a-z][0-9a-z]*$/, 'a position is [0-9a-z] without a leading zero');
    assert.ok(comparePositions(position, last) > 0, `position ${position} is not past ${last}`);
    last = position;
  }
}

/** Each position after `after` is in the page, at or before the watermark, or past the end of the page. */
export function assertCovered(
  page: ReadPage,
  address: string,
  positions: readonly Position[],
  after: Position = BEGINNING,
): void {
  const held = new Set(
    page.events.filter((event) => event.address === address).map(({ position }) => position),
  );
  const watermark = page.evictedThrough.get(address) ?? BEGINNING;
  const owed = positions.filter((position) => comparePositions(position, after) > 0);
  for (const position of owed) {
    const covered =
      comparePositions(position, watermark) <= 0 || comparePositions(position, page.through) > 0;
    assert.ok(
      held.has(position) !== covered,
      `${position} is either held or at or before the watermark ${watermark}`,
    );
  }
}

export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => LinefeedError.is(error) && error.code === code;
}

/** Whether a repeat of the rejected call may succeed. The call may have been performed. */
export function isRetryable(error: unknown): boolean {
  return hasCode('log_failed')(error) && (error as LinefeedError).retryable === true;
}
