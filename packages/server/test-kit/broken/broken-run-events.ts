/** Stores of runs that break a promise about events and texts. */
import type { RunStore } from '../../src/lib/runs/run-store.ts';
import { broken, brokenBy, onChange, type BrokenRunStore, type Change } from './broken-run-store.ts';

const onText =
  (change: (text: string) => string): Change =>
  (store) => ({
    commit: (key, one) =>
      store.commit(key, {
        ...one,
        state: one.state === undefined ? undefined : change(one.state),
        append: one.append && { ...one.append, events: one.append.events.map(change) },
      }),
  });

const onRun =
  (change: (run: string) => string): Change =>
  (store) => ({
    commit: (key, one) =>
      store.commit(key, {
        ...one,
        append: one.append && { ...one.append, run: change(one.append.run) },
        drop: one.drop?.map(change),
      }),
    read: (key, run, after, limit) => store.read(key, change(run), after, limit),
  });

/** Keeps events apart from the records. */
class Events {
  readonly #events = new Map<string, string[]>();

  of(key: string, run: string): string[] {
    const id = JSON.stringify([key, run]);
    if (!this.#events.has(id)) this.#events.set(id, []);
    return this.#events.get(id)!;
  }

  read: RunStore['read'] = (key, run, after, { events }) =>
    Promise.resolve(this.of(key, run).slice(after, after + events));
}

export const BROKEN_RUN_EVENTS: readonly BrokenRunStore[] = [
  broken(
    'reads from the start of a batch',
    [
      'the events after any number are the rest of the run, in order',
      'a reader that resumes after any event of a run gets the rest of it, byte for byte, while it runs and after its end',
    ],
    (store) => ({
      read: (key, run, after, limit) => store.read(key, run, after - (after % 3), limit),
    }),
  ),
  broken(
    'ignores the limit of events',
    ['a read has no more events than its limit, and the next one continues'],
    (store) => ({
      read: (key, run, after, limit) => store.read(key, run, after, { ...limit, events: 1_000_000 }),
    }),
  ),
  broken(
    'ignores the limit of bytes',
    ['a read ends about where its bytes reach the limit, and has at least one event'],
    (store) => ({
      read: (key, run, after, limit) => store.read(key, run, after, { ...limit, bytes: 2 ** 40 }),
    }),
  ),
  broken(
    'omits an event that is larger than a page',
    ['a read ends about where its bytes reach the limit, and has at least one event'],
    (store) => ({
      read: async (key, run, after, limit) =>
        (await store.read(key, run, after, limit)).filter(({ length }) => length <= limit.bytes),
    }),
  ),
  broken(
    'puts all runs of a key together',
    ['events belong to their run and to their key'],
    onRun(() => 'r'),
  ),
  broken(
    'ignores the case of runs',
    ['events belong to their run and to their key'],
    onRun((run) => run.toLowerCase()),
  ),
  onChange(
    'keeps the events of a dropped run',
    [
      'a dropped run has no events, and other runs keep theirs',
      'a run of the name of a dropped one has only its own events',
    ],
    (change) => ({ ...change, drop: undefined }),
  ),
  onChange(
    'drops the run that a commit appends to',
    ['a dropped run has no events, and other runs keep theirs'],
    (change) =>
      change.append && change.drop ? { ...change, drop: [...change.drop, change.append.run] } : change,
  ),
  brokenBy(
    'never shows a run of the name of a dropped one',
    ['a run of the name of a dropped one has only its own events'],
    () => {
      const dropped = new Set<string>();
      return (store) => ({
        commit(key, change) {
          for (const run of change.drop ?? []) dropped.add(run);
          return store.commit(key, change);
        },
        read: async (key, run, after, limit) =>
          dropped.has(run) ? [] : await store.read(key, run, after, limit),
      });
    },
  ),
  brokenBy(
    'keeps the events of a deleted record',
    [
      'events are deleted with their record',
      'a record can be made again after its deletion, and has nothing of the former one',
    ],
    () => {
      const events = new Events();
      return (store) => ({
        async commit(key, change) {
          const version = await store.commit(key, change);
          if (version !== undefined && change.append)
            events.of(key, change.append.run).push(...change.append.events);
          return version;
        },
        read: events.read,
      });
    },
  ),
  brokenBy(
    'writes the record before the events',
    ['a record and the events of its commit are seen together, on every handle'],
    ({ clock }) => {
      const events = new Events();
      return (store) => ({
        async commit(key, change) {
          const version = await store.commit(key, change);
          if (version === undefined || change.append === undefined) return version;
          const { run, events: added } = change.append;
          await new Promise<void>((resolve) => void clock.after(40, resolve));
          events.of(key, run).push(...added);
          return version;
        },
        read: events.read,
      });
    },
  ),
  broken(
    'formats JSON',
    ['events and states are read back unchanged'],
    onText((text) => JSON.stringify(JSON.parse(text || '""'))),
  ),
  broken(
    'replaces characters outside of the first plane',
    ['events and states are read back unchanged'],
    onText((text) => text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, '?')),
  ),
  broken(
    'cuts texts',
    ['a state of 1 MiB, an event of 1 MiB and a commit of 2,000 events are read back unchanged'],
    onText((text) => text.slice(0, 65_536)),
  ),
  onChange(
    'appends at most 1,000 events',
    ['a state of 1 MiB, an event of 1 MiB and a commit of 2,000 events are read back unchanged'],
    (change) => ({
      ...change,
      append: change.append && { ...change.append, events: change.append.events.slice(0, 1_000) },
    }),
  ),
  broken('has at most 5,000 events of a run', ['a run of 10,000 events is read whole in pages'], (store) => ({
    read: async (key, run, after, limit) =>
      (await store.read(key, run, after, limit)).slice(0, Math.max(0, 5_000 - after)),
  })),
];
