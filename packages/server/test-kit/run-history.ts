/** Observes the commits of a store of runs, and checks each against the rules of a record. */
import { expect } from 'vitest';
import { parseState, type RecordState, type RunState } from '../src/lib/runs/record-state.ts';
import type { RecordChange, RunStore } from '../src/lib/runs/run-store.ts';
import type { TestStore } from './run-processes.ts';

/** An event that a source of the test yields. */
export interface TaggedEvent {
  readonly attempt: number;
  /** Its number in the run, from 1. */
  readonly n: number;
}

export function encodeEvent({ attempt, n }: TaggedEvent): string {
  return `${attempt}.${n}`;
}

export class RunHistory {
  readonly #store: RunStore;
  #state: RecordState | undefined;
  #count = 0;
  /** The process of the newest claim. */
  #producer: string | undefined;
  /** The recorded events by run. */
  readonly events = new Map<string, string[]>();
  /** Broken rules. */
  readonly faults: unknown[] = [];
  /** The ends that were recorded, by run. */
  readonly ends = new Map<string, string>();

  constructor(store: RunStore) {
    this.#store = store;
  }

  get state(): RecordState | undefined {
    return this.#state;
  }

  /** The calls of one process. `process`: its name. */
  calls(process: string): TestStore {
    const store = this.#store;
    return {
      load: (key) => store.load(key),
      commit: async (key, change) => {
        const version = await store.commit(key, change);
        try {
          if (version !== undefined) this.#check(change, process);
        } catch (error) {
          // Thrown here, it would count as a failure of the store.
          this.faults.push(error);
        }
        return version;
      },
      read: (...query) => store.read(...query),
      versions: (keys) => store.versions(keys),
      list: (prefix) => store.list(prefix),
      watch: (listener) => store.watch!(listener),
      close: async () => undefined,
    };
  }

  #check(change: RecordChange, process: string): void {
    // The record was deleted: its runs are no longer kept.
    const before = change.expected === undefined ? undefined : this.#state;
    const after = change.state === undefined ? before! : parseState(change.state);
    const newest = after.runs.at(-1);
    checkOrder(after.runs);
    checkKeys(after.runs);
    expect(after.epoch).toBeGreaterThanOrEqual(before?.epoch ?? 0);
    if (after.epoch > (before?.epoch ?? 0)) this.#producer = process;
    // Only the newest claim appends, or renews its lease.
    if (change.state === undefined || change.append !== undefined) expect(process).toBe(this.#producer);
    for (const run of before?.runs ?? []) this.#checkStep(run, after);
    const isSameRun = before?.runs.at(-1)?.run === newest?.run;
    const counted = isSameRun ? this.#count : 0;
    const { append } = change;
    if (append !== undefined) {
      // Only a run without an end takes events, and only after those that it has.
      expect(append).toMatchObject({ run: newest!.run, after: counted });
      const running = before?.runs.at(-1);
      expect(running?.end).toBeUndefined();
      const events = this.events.get(append.run) ?? [];
      events.push(...append.events.map((text) => JSON.parse(text) as string));
      this.events.set(append.run, events);
    }
    expect(change.count).toBe(counted + (append?.events.length ?? 0));
    for (const { run, end } of after.runs) {
      if (end === undefined) continue;
      // The end of a run may be recorded by the claim of the next one.
      expect(end.count).toBe(this.events.get(run)?.length ?? 0);
      this.ends.set(run, end.outcome);
    }
    this.#state = after;
    this.#count = change.count;
  }

  /** A run that has ended does not change. A run that continues gets a higher epoch and the next attempt. */
  #checkStep(before: RunState, after: RecordState): void {
    const now = after.runs.find(({ run }) => run === before.run);
    if (before.end !== undefined) {
      if (now !== undefined) expect(now).toEqual(before);
      return;
    }
    expect(now).toBeDefined();
    if (now!.epoch === before.epoch) expect(now!.attempt).toBe(before.attempt);
    else expect(now).toMatchObject({ attempt: before.attempt + 1, epoch: after.epoch });
    expect(now!.attempt).toBeLessThanOrEqual(now!.attempts);
    if (before.stop !== undefined) expect(now).toMatchObject({ stop: before.stop, attempt: before.attempt });
  }
}

/** Ids grow, and only the newest run has no end. */
function checkOrder(runs: readonly RunState[]): void {
  const ids = runs.map(({ run }) => run);
  expect(ids).toEqual([...new Set(ids)].toSorted());
  expect(runs.slice(0, -1).every(({ end }) => end !== undefined)).toBe(true);
}

function checkKeys(runs: readonly RunState[]): void {
  const keys = runs.map(({ key }) => key).filter((key) => key !== undefined);
  expect(new Set(keys).size).toBe(keys.length);
}
