import { expect, test } from 'vitest';
import { RecentEvents } from './event-cache.ts';

const event = (position: number, data = '1') => ({ address: 'a', data, position: position.toString(36) });

test('RecentEvents keeps a maximum number of events and evicts the oldest first', () => {
  const recent = new RecentEvents(3, 1_000);
  for (const position of [1, 2, 3, 4, 5]) recent.add(position, event(position));
  expect(recent.size).toBe(3);
  expect([recent.get(2), recent.get(3)]).toEqual([undefined, event(3)]);
});

test('RecentEvents keeps a maximum size of payloads, and no larger payload', () => {
  const recent = new RecentEvents(100, 10);
  for (const position of [1, 2, 3]) recent.add(position, event(position, 'x'.repeat(4)));
  recent.add(4, event(4, 'x'.repeat(11)));
  expect([1, 2, 3, 4].map((position) => recent.get(position) !== undefined)).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

test('RecentEvents keeps the first object of a position', () => {
  const recent = new RecentEvents();
  const first = event(1);
  recent.add(1, first);
  recent.add(1, event(1));
  expect(recent.get(1)).toBe(first);
});

test('RecentEvents keeps 4,096 events by default', () => {
  const recent = new RecentEvents();
  for (let position = 1; position <= 5_000; position += 1) recent.add(position, event(position));
  expect(recent.size).toBe(4_096);
});
