import { expect, test } from 'vitest';
import { BEGINNING, comparePositions, type Position } from '@linefeed/shared/wire';
import { DEFAULT_BOUNDS } from '../bounds.ts';
import { messageOf } from './appender.ts';
import { toPosition } from './batch-history.ts';
import { chooseBase, makeSnapshot } from './compaction.ts';
import { makeView } from './loading.ts';
import {
  chainOf,
  hashOf,
  isForeign,
  notOurs,
  tagOfChain,
  type MessageEntry,
  type StreamMessage,
} from './message.ts';
import type { Received, View } from './view.ts';

const ADDRESSES = ['a', 'b', 'c', 'p', 'q'];

/** Pseudo-random numbers below 1, the same for each seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => parseInt(hashOf(`${(state += 1)} ${seed}`).slice(1, 7), 36) / 36 ** 6;
}

interface ModelEvent {
  readonly address: string;
  readonly position: Position;
  readonly prev: Position | undefined;
  readonly keep: 'all' | 'latest';
  readonly data: string;
  readonly key: string | undefined;
}

/** A stream, the processes that append to it and compact it, and a list of all its events. */
class World {
  readonly random: () => number;
  readonly events: ModelEvent[] = [];
  readonly #messages: Received[] = [];
  readonly #maxEvents: readonly number[];
  readonly #views: View[];
  #first = 1;
  #chain = '';
  #ids = 0;
  snapshots = 0;

  constructor(seed: number, maxEvents: readonly number[]) {
    this.random = randomFrom(seed);
    this.#maxEvents = maxEvents;
    this.#views = maxEvents.map((max) => this.load(max));
  }

  get #last(): number {
    return this.#messages.length;
  }

  load(maxEvents: number): View {
    return makeView(this.#messages.slice(this.#first - 1), {
      bounds: { ...DEFAULT_BOUNDS, maxEvents },
      owner: { writer: 'w' },
      ...{ created: 'created', emptyThrough: this.#last, wallNow: 0 },
    });
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** Brings a view up to a message, as the reader of a stream does. */
  follow(index: number, through = this.#last): View {
    let view = this.#views[index]!;
    while (view.sequence < through) {
      const next = this.#messages[view.sequence]!;
      const isNext = isForeign(next.message) || view.isNext(next);
      if (next.sequence >= this.#first && isNext) view.apply(next);
      else view = this.#views[index] = this.load(this.#maxEvents[index]!);
    }
    return view;
  }

  store(message: StreamMessage): void {
    const isValid = message.chain === this.#chain;
    this.#messages.push({ sequence: this.#last + 1, message, appendedAt: 0 });
    this.#chain = chainOf(this.#chain, message.id);
    if (!isValid) return;
    for (const [index, { address, keep, data, idempotencyKey: key }] of message.entries.entries()) {
      const position = toPosition(message.first + index, tagOfChain(this.#chain));
      const previous = this.events.findLast((event) => event.address === address);
      const prev = keep === 'latest' ? undefined : (previous?.position ?? BEGINNING);
      this.events.push({ address, position, prev, keep, data, key });
    }
  }

  id(): string {
    this.#ids += 1;
    return `w.${this.#ids}`;
  }

  append(index: number): void {
    const view = this.follow(index);
    const touched = new Set<string>();
    const entries = Array.from({ length: 1 + this.below(2) }, (): MessageEntry => {
      const address = ADDRESSES[this.below(ADDRESSES.length)]!;
      const keep = address >= 'p' ? 'latest' : 'all';
      const prev = keep === 'latest' || touched.has(address) ? undefined : view.held.lastOf(address);
      touched.add(address);
      const id = this.id();
      return { address, keep, prev, data: id, idempotencyKey: this.random() < 0.3 ? id : undefined };
    });
    this.store(messageOf(view, this.id(), { entries }));
  }

  /** It may end between two parts, or lose against an append, or end before it purges. */
  compact(index: number): void {
    const view = this.follow(index);
    const base = chooseBase(view, 300);
    if (base === undefined) return;
    for (const snapshot of makeSnapshot(view, base, this.id(), 200)) {
      if (this.random() < 0.1) return;
      if (this.random() < 0.1) return this.append(this.below(this.#views.length));
      this.store(messageOf(view, this.id(), { snapshot }));
      if (this.follow(index) !== view) return;
    }
    this.snapshots += 1;
    if (this.random() < 0.7) this.#first = Math.max(this.#first, base);
  }

  /** A message of a process that has not noticed that the stream was created again, or of another program. */
  disturb(): void {
    if (this.random() < 0.3) return this.store(notOurs(this.#last + 1));
    const chain = hashOf(this.id());
    const entry = {
      address: 'a',
      data: 'void',
      keep: 'all' as const,
      idempotencyKey: undefined,
      prev: undefined,
    };
    const first = 1_000;
    const message = { id: this.id(), chain, epoch: 'other', parent: undefined, first };
    if (this.random() < 0.5) return this.store({ ...message, entries: [entry], snapshot: undefined });
    const origin = { chain, number: 999, forgotten: BEGINNING, firsts: [], tags: '' };
    const snapshot = {
      group: 'void',
      index: 0,
      count: 1,
      base: this.#last + 1,
      items: [],
      marks: [],
      origin,
    };
    this.store({ ...message, entries: [], snapshot });
  }

  step(): void {
    const index = this.below(this.#views.length);
    const kind = this.random();
    if (kind < 0.6) this.append(index);
    else if (kind < 0.8) this.compact(index);
    else if (kind < 0.83) this.disturb();
    else {
      const { sequence } = this.#views[index]!;
      this.follow(index, sequence + this.below(this.#last - sequence + 1));
    }
  }
}

const readAll = (view: View) => {
  const addresses = new Map([...ADDRESSES, 'never'].map((address) => [address, BEGINNING]));
  const page = view.held.read({ after: BEGINNING, addresses, limit: 999, maxBytes: 1e9 }, view.newest);
  return { events: page.events.map(({ event }) => event), evictedThrough: page.evictedThrough };
};

/** The faults of a view, by the list of all events. */
function faultsOf(view: View, events: readonly ModelEvent[]): string[] {
  const page = readAll(view);
  const held = new Map(page.events.map((event) => [event.position, event]));
  const faults = page.evictedThrough.has('never') ? ['never'] : [];
  if (view.newest !== (events.at(-1)?.position ?? BEGINNING)) faults.push('newest');
  for (const [index, event] of events.entries()) {
    const { address, position, data, keep, prev, key } = event;
    if (view.history.check(position) !== 'contained') faults.push(`history ${position}`);
    const found = held.get(position);
    held.delete(position);
    if (found !== undefined) {
      const isEqual = found.address === address && found.data === data && found.keep === keep;
      if (!isEqual || found.prev !== prev) faults.push(`event ${position}`);
      if (key !== undefined && view.held.keyed(address, key)?.position !== position)
        faults.push(`key ${key}`);
      continue;
    }
    const isReplaced = events
      .slice(index + 1)
      .some((later) => later.address === address && later.keep === 'latest');
    const mark = page.evictedThrough.get(address) ?? BEGINNING;
    if (!isReplaced && comparePositions(mark, position) < 0)
      faults.push(`lost in silence: ${address} ${position}`);
  }
  return [...faults, ...[...held.keys()].map((position) => `unknown ${position}`)];
}

const SEEDS = Array.from({ length: 15 }, (_, seed) => seed + 1);

test('a view that is loaded from a compacted stream is equal to one that followed it', () => {
  let snapshots = 0;
  for (const seed of SEEDS) {
    const world = new World(seed, [5, 5, 5]);
    for (let step = 0; step < 100; step += 1) {
      world.step();
      if (step % 5 > 0) continue;
      const [live, loaded] = [world.follow(step % 3), world.load(5)];
      const states = [live, loaded].map((view) => {
        const { epoch, chain, sequence, proof } = view;
        return { ...{ epoch, chain, sequence, proof }, ...readAll(view) };
      });
      expect(states[1], `seed ${seed}, step ${step}`).toEqual(states[0]);
      expect(faultsOf(loaded, world.events), `seed ${seed}, step ${step}`).toEqual([]);
      const all = world.events.filter(({ keep }) => keep === 'all').slice(-5);
      const heldAll = states[1]!.events.filter(({ keep }) => keep === 'all');
      expect(heldAll.map(({ position }) => position)).toEqual(all.map(({ position }) => position));
    }
    snapshots += world.snapshots;
  }
  expect(snapshots).toBeGreaterThan(SEEDS.length);
});

test('processes with different bounds lose no event in silence', () => {
  for (const seed of SEEDS) {
    const world = new World(seed, [2, 5, 20]);
    for (let step = 0; step < 100; step += 1) {
      world.step();
      if (step % 5 > 0) continue;
      for (const view of [world.follow(step % 3), world.load(2), world.load(20)])
        expect(faultsOf(view, world.events), `seed ${seed}, step ${step}`).toEqual([]);
    }
  }
});

test('a snapshot of another history is ignored', () => {
  const world = new World(1, [5]);
  for (let n = 0; n < 3; n += 1) world.append(0);
  const { events } = readAll(world.follow(0));
  const chain = hashOf('another history');
  const origin = { chain, number: 999, forgotten: BEGINNING, firsts: [], tags: '' };
  const snapshot = { group: 'void', index: 0, count: 1, base: 4, items: [], marks: [], origin };
  const message = {
    id: 'stale.1',
    chain,
    epoch: 'other',
    parent: undefined,
    first: 1_000,
    entries: [],
    snapshot,
  };
  world.store(message);
  const loaded = world.load(5);
  expect(readAll(loaded).events).toEqual(events);
  expect([loaded.epoch, loaded.voidMessages]).toEqual([world.follow(0).epoch, 1]);
});
