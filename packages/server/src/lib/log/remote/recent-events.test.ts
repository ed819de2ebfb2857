import { describe, expect, it } from 'vitest';
import { RecentEvents } from './recent-events.ts';
import { SeenBatches } from './seen-batches.ts';
import type { TailEvent } from './remote-store.ts';

const positionOf = (sequence: number) => `${sequence.toString(36)}aaaa`;

function eventOf(
  sequence: number,
  address = 'a',
  keep: 'all' | 'latest' = 'all',
  data = `${sequence}`,
): TailEvent {
  return { address, data, keep, position: positionOf(sequence) };
}

function add(recent: RecentEvents, ...events: readonly TailEvent[]): void {
  recent.add(events, events.at(-1)!.position);
}

function read(
  recent: RecentEvents,
  after: number,
  limit = 10_000,
  maxBytes = 2 ** 30,
  addresses = ['a', 'p'],
) {
  const floors = new Map(addresses.map((address) => [address, '0']));
  const page = recent.read({ after: positionOf(after), addresses: floors, limit, maxBytes }, 'epoch');
  return page && { ...page, values: page.events.map(({ data }) => Number(data)) };
}

function create(): RecentEvents {
  const recent = new RecentEvents();
  recent.reset(positionOf(1));
  return recent;
}

describe('the recent events of a remote log', () => {
  it('a page has the events past its position, and none is given for an older position', () => {
    const recent = create();
    add(recent, eventOf(2), eventOf(3, 'b'), eventOf(4));
    expect(read(recent, 1)).toMatchObject({ values: [2, 4], through: positionOf(4) });
    expect(read(recent, 2)).toMatchObject({ values: [4] });
    expect(read(recent, 9)).toMatchObject({ values: [], through: positionOf(9) });
    expect(recent.read({ after: '0', addresses: new Map([['a', '0']]), limit: 1, maxBytes: 1 }, 'e')).toBe(
      undefined,
    );
  });

  it('each address is read past its own position', () => {
    const recent = create();
    add(recent, eventOf(2), eventOf(3, 'b'), eventOf(4), eventOf(5, 'b'));
    const addresses = new Map([
      ['a', positionOf(2)],
      ['b', positionOf(3)],
    ]);
    const page = recent.read({ after: '0', addresses, limit: 10, maxBytes: 100 }, 'epoch')!;
    expect(page.events.map(({ data }) => data)).toEqual(['4', '5']);
  });

  it('a page is cut at its limits, and ends at its last event', () => {
    const recent = create();
    add(recent, eventOf(2), eventOf(3), eventOf(4));
    expect(read(recent, 1, 2)).toMatchObject({ values: [2, 3], through: positionOf(3) });
    expect(read(recent, 1, 10, 1)).toMatchObject({ values: [2], through: positionOf(2) });
    expect(read(recent, 1, 3)).toMatchObject({ values: [2, 3, 4], through: positionOf(4) });
  });

  it('a value of keep: latest supersedes the older events of its address', () => {
    const recent = create();
    add(recent, eventOf(2, 'p'), eventOf(3, 'p', 'latest'), eventOf(4), eventOf(5, 'p', 'latest'));
    expect(read(recent, 1)!.values).toEqual([4, 5]);
    add(recent, eventOf(6, 'p'));
    expect(read(recent, 1)!.values).toEqual([4, 5, 6]);
  });

  it('at most 2,000 events and 4 MiB are kept, and older positions are read from the server', () => {
    const recent = create();
    for (let n = 2; n <= 7_000; n += 1) add(recent, eventOf(n, 'p', n % 2 === 0 ? 'latest' : 'all'));
    expect(read(recent, 5_000)!.values.at(-1)).toBe(7_000);
    expect(read(recent, 4_999)).toBe(undefined);
    for (let n = 7_001; n <= 7_010; n += 1) add(recent, eventOf(n, 'b', 'all', 'x'.repeat(2 ** 20)));
    expect(read(recent, 7_007, 10, 2 ** 30, ['b'])!.events.length).toBe(3);
    expect(read(recent, 7_006)).toBe(undefined);
  });
});

describe('the batches that the tail has seen', () => {
  it('a position between two of one batch is contained, and one with another tag is not', () => {
    const seen = new SeenBatches();
    for (const position of ['1aaaa', '3aaaa', '4bbbb', '7cccc']) seen.add(position);
    const verdicts = ['1aaaa', '2aaaa', '2bbbb', '4bbbb', '4aaaa', '5bbbb', '8cccc', '0'].map((one) =>
      seen.check(one),
    );
    expect(verdicts).toEqual([
      'contained',
      'contained',
      'other',
      'contained',
      'other',
      'unknown',
      'unknown',
      'unknown',
    ]);
  });

  it('the newest 10,000 batches are recognised, and older ones are asked of the server', () => {
    const seen = new SeenBatches();
    const position = (n: number) => n.toString(36) + (n % 2 === 0 ? 'aaaa' : 'bbbb');
    for (let n = 1; n <= 100_000; n += 1) seen.add(position(n));
    expect(seen.check(position(90_001))).toBe('contained');
    expect(seen.check(position(70_000))).toBe('unknown');
  });
});
