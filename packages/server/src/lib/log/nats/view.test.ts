import { expect, test } from 'vitest';
import { BEGINNING } from '@linefeed/shared/wire';
import { DEFAULT_BOUNDS } from '../bounds.ts';
import { messageOf } from './appender.ts';
import { BatchHistory, toPosition } from './batch-history.ts';
import { makeSnapshot } from './compaction.ts';
import { makeView } from './loading.ts';
import {
  chainOf,
  decodeMessage,
  encodeMessage,
  hashOf,
  notOurs,
  type SnapshotPart,
  type StreamMessage,
} from './message.ts';
import { View, type Received } from './view.ts';

const newView = () => new View(DEFAULT_BOUNDS, 'created', 'epoch', { writer: 'me' });

/** Appends one event to a view, as another view with this chain would. */
function appended(view: View, id: string, data: string, chain = view.chain): Received {
  const entry = { address: 'a', data, keep: 'all' as const, idempotencyKey: undefined, prev: BEGINNING };
  const message: StreamMessage = {
    ...{ id, chain, epoch: view.epoch, parent: undefined, snapshot: undefined },
    ...{ first: view.history.newestNumber + 1, entries: [entry] },
  };
  return { sequence: view.sequence + 1, message, appendedAt: 0 };
}

const valuesOf = (view: View) =>
  view.held.readAll(BEGINNING, Infinity, Infinity).events.map(({ data }) => data);

test('a message of another history is void, and takes only its sequence', () => {
  const view = newView();
  view.apply(appended(view, 'me.1.0', '1'));
  const { chain } = view;
  const late = appended(view, 'other.1.0', 'void', hashOf('another history'));
  expect(view.isNext(late)).toBe(false);
  view.apply(late);
  expect(view.chain).toBe(chainOf(chain, 'other.1.0'));
  view.apply(appended(view, 'me.2.0', '2'));
  expect(valuesOf(view)).toEqual(['1', '2']);
  expect(view.sequence).toBe(3);
  expect(view.newest.slice(0, -4)).toBe('2');
});

test('two histories give the same number different positions', () => {
  const [one, other] = [newView(), newView()];
  one.apply(appended(one, 'me.1.0', '1'));
  other.apply(appended(other, 'other.1.0', '1'));
  expect(one.newest).not.toBe(other.newest);
  expect(one.history.check(other.newest)).toBe('other');
  // The same message after it has another tag too: the tag depends on the whole history.
  const [next, otherNext] = [appended(one, 'me.2.0', '2'), appended(other, 'me.2.0', '2')];
  one.apply(next);
  other.apply(otherNext);
  expect(one.newest).not.toBe(other.newest);
});

test('a view remembers the newest 64 messages of its process', () => {
  const view = newView();
  for (let n = 0; n < 70; n += 1) view.apply(appended(view, `me.${n}.0`, '1'));
  view.apply(appended(view, 'meadow.1.0', '1'));
  expect(view.own('me.5.0')).toBeUndefined();
  expect(view.own('me.6.0')).toMatchObject({ first: 7 });
  expect(view.own('meadow.1.0')).toBeUndefined();
});

test('a stream without its first messages is loaded with a watermark for every address', () => {
  const source = newView();
  const received = Array.from({ length: 5 }, (_, n) => {
    const one = appended(source, `me.${n}.0`, String(n));
    source.apply(one);
    return one;
  });
  const view = makeView(received.slice(3), {
    ...{ bounds: DEFAULT_BOUNDS, owner: { writer: '' }, created: 'created', emptyThrough: 0, wallNow: 0 },
  });
  expect(valuesOf(view)).toEqual(['3', '4']);
  expect([view.epoch, view.newest, view.chain]).toEqual([source.epoch, source.newest, source.chain]);
  const query = { after: BEGINNING, addresses: new Map([['never', BEGINNING]]), limit: 9, maxBytes: 9 };
  expect(view.held.read(query, view.newest).evictedThrough.get('never')).toMatch(/^3....$/);
});

test('an incomplete snapshot replaces no message: the next one has the events again', () => {
  const view = newView();
  const received: Received[] = [];
  const take = (one: Received): void => {
    received.push(one);
    view.apply(one);
  };
  const takeParts = (parts: readonly SnapshotPart[]): void => {
    for (const snapshot of parts) {
      const message = messageOf(view, `me.${snapshot.group}.${snapshot.index}`, { snapshot });
      take({ sequence: view.sequence + 1, message, appendedAt: 0 });
    }
  };
  take(appended(view, 'me.1.0', 'old'));
  // The process ends before it has written the second part.
  takeParts(makeSnapshot(view, 2, 'killed', Infinity).map((part) => ({ ...part, count: 2 })));
  take(appended(view, 'me.2.0', 'next'));
  takeParts(makeSnapshot(view, 2, 'whole', Infinity));
  const loaded = makeView(received.slice(1), {
    ...{ bounds: DEFAULT_BOUNDS, owner: { writer: '' }, created: 'created', emptyThrough: 0, wallNow: 0 },
  });
  expect(valuesOf(loaded)).toEqual(['old', 'next']);
  expect(loaded.newest).toBe(view.newest);
});

test('a view of messages of other programs alone is empty', () => {
  const foreign = [4, 5].map((sequence) => ({ sequence, message: notOurs(sequence), appendedAt: 0 }));
  const options = { bounds: DEFAULT_BOUNDS, owner: { writer: '' }, created: 'created', wallNow: 0 };
  const view = makeView(foreign, { ...options, emptyThrough: 5 });
  const empty = makeView([], { ...options, emptyThrough: 3 });
  for (const one of foreign) empty.apply(one);
  expect([view.epoch, view.newest, view.sequence]).toEqual([empty.epoch, BEGINNING, 5]);
  expect(view.epoch).toMatch(/^[0-9a-z]{14}$/);
  // Such a message before the first of the log does not end the log.
  const next = { ...appended(view, 'me.1.0', 'after'), sequence: 6 };
  const loaded = makeView([...foreign, next], { ...options, emptyThrough: 6 });
  expect([valuesOf(loaded), loaded.epoch]).toEqual([['after'], view.epoch]);
});

test('a history of batches remembers the newest 10,000', () => {
  const history = new BatchHistory();
  for (let n = 1; n <= 25_000; n += 1) history.add(2 * n - 1, 2, `${n}`.padStart(5, '0').slice(1));
  expect(history.newest).toBe(toPosition(50_000, '5000'));
  expect(history.check(toPosition(30_001, '5001'))).toBe('contained');
  expect(history.check(toPosition(30_001, '5002'))).toBe('other');
  expect(history.check(toPosition(50_001, '5001'))).toBe('other');
  expect(history.check(toPosition(1, '0001'))).toBe('unknown');
  const restored = new BatchHistory();
  const { firsts, tags } = history.before(49_999);
  expect(firsts.length).toBeGreaterThan(9_990);
  restored.restore(firsts, tags, 49_998);
  expect(restored.newest).toBe(history.positionOf(49_998));
  expect(restored.check(history.positionOf(40_000))).toBe('contained');
});

test('a message of natsLog is read back unchanged, and any other is recognised', () => {
  const view = newView();
  const { message } = appended(view, 'me.1.0', '"\ud800\0\u2028"');
  expect(decodeMessage(encodeMessage(message))).toEqual(message);
  for (const text of ['', '{}', '[]', 'null', '{"linefeed":2}', '{"linefeed":1}'])
    expect(decodeMessage(new TextEncoder().encode(text))).toBeUndefined();
});
