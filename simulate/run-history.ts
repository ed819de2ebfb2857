/** The recorded runs of a simulated world: one store for all nodes, and each commit is checked against the rules. */
import { memoryRuns, type RunStore } from '@linefeed/server';
import { parseState, type RecordState, type RunState } from '../packages/server/src/lib/runs/record-state.ts';
import { mayContinue } from '../packages/server/src/lib/runs/expiry.ts';
import type { RecordChange } from '../packages/server/src/lib/runs/run-store.ts';
import type { SimClock } from './clock.ts';

/** A recorded event of a run. */
export interface RecordedEvent {
  /** JSON text. */
  readonly data: string;
  readonly at: number;
}

/** A run that was ever recorded, and its newest state. */
export interface RecordedRun {
  readonly run: string;
  readonly address: string;
  state: RunState;
  readonly events: RecordedEvent[];
  isDeleted: boolean;
}

interface RecordedAddress {
  state: RecordState;
  leaseEndsAt: number;
  /** The store deletes the record at this time. */
  deleteAt: number;
  /** Its runs, oldest first, deleted ones included. */
  readonly runs: RecordedRun[];
}

/** Processes estimate the time of the store: this much earlier than its time, because of late answers. Milliseconds. */
const CLOCK_ERROR_MS = 5_000;
/** Bound of the world's feeds. */
export const MAX_RUNS_PER_PRINCIPAL = 2;

export class RunHistory {
  readonly store: RunStore;
  readonly #clock: SimClock;
  readonly #report: (what: string) => void;
  readonly #addresses = new Map<string, RecordedAddress>();
  /** Stops that wait for the start of their key, and until when. */
  readonly #stops = new Map<string, number>();

  constructor(clock: SimClock, fail: (what: string) => void) {
    const store = memoryRuns({ clock: clock.server });
    this.#clock = clock;
    this.#report = fail;
    this.store = {
      load: (key) => store.load(key),
      commit: async (key, change) => {
        const version = await store.commit(key, change);
        if (version !== undefined && !key.startsWith('~')) this.#check(key, change);
        return version;
      },
      read: (...query) => store.read(...query),
      versions: (keys) => store.versions(keys),
      list: (prefix) => store.list(prefix),
      watch: (listener) => store.watch!(listener),
      close: () => store.close(),
    };
  }

  get addresses(): Iterable<string> {
    return this.#addresses.keys();
  }

  runsOf(address: string): readonly RecordedRun[] {
    return this.#addresses.get(address)?.runs ?? [];
  }

  find(address: string, run: string): RecordedRun | undefined {
    return this.runsOf(address).find((one) => one.run === run);
  }

  newestOf(address: string): RecordedRun | undefined {
    return this.runsOf(address).at(-1);
  }

  leaseEndsAt(address: string): number {
    return this.#addresses.get(address)?.leaseEndsAt ?? 0;
  }

  /** Whether every process must still know the run. */
  isSurelyKept({ address, isDeleted, state: { end, keepMs } }: RecordedRun): boolean {
    // A run without an end is deleted as well, if no process has read it for long.
    if (isDeleted || this.#addresses.get(address)!.deleteAt <= this.#clock.now()) return false;
    return end === undefined || end.at + keepMs - CLOCK_ERROR_MS > this.#clock.server.wallNow();
  }

  /** A stop without a run was answered: the start of its key must be stopped. */
  awaitStart(address: string, key: string, until: number): void {
    this.#stops.set(`${address} ${key}`, until);
  }

  #check(address: string, change: RecordChange): void {
    const now = this.#clock.now();
    const known = this.#addresses.get(address) ?? {
      state: { format: 1, epoch: 0, runs: [], stops: [] },
      leaseEndsAt: 0,
      deleteAt: 0,
      runs: [],
    };
    this.#addresses.set(address, known);
    const fail = (what: string): void => this.#report(`record of ${address}: ${what}`);
    // Absent: the record was deleted, with its runs.
    const before = change.expected === undefined ? undefined : known.state;
    const state = change.state === undefined ? known.state : parseState(change.state);
    checkList(state, fail);
    if (state.epoch < (before?.epoch ?? 0)) fail(`the epoch fell to ${state.epoch}`);
    for (const run of before?.runs ?? [])
      checkStep({ before: run, state, now, leaseEndsAt: known.leaseEndsAt, fail });
    for (const run of state.runs) {
      const recorded = known.runs.find((one) => one.run === run.run);
      if (recorded !== undefined) {
        recorded.state = run;
        continue;
      }
      this.#checkBegin(address, run, fail);
      const newest = known.runs.at(-1);
      if (newest !== undefined && newest.run >= run.run) fail(`${run.run} began after ${newest.run}`);
      known.runs.push({ run: run.run, address, state: run, events: [], isDeleted: false });
    }
    // A stop that waits may be in a record without runs.
    for (const recorded of known.runs) {
      const isKept = state.runs.some(({ run }) => run === recorded.run);
      if (!isKept && before !== undefined && this.isSurelyKept(recorded))
        fail(`${recorded.run} was deleted early`);
      recorded.isDeleted ||= !isKept;
    }
    const newest = known.runs.find(({ run }) => run === state.runs.at(-1)?.run);
    if (change.append !== undefined) {
      const { run, after, events } = change.append;
      if (run !== newest?.run || before?.runs.at(-1)?.end !== undefined)
        return fail(`${run} got events after its end`);
      if (after !== newest.events.length)
        fail(`${run} got events after number ${after}, and has ${newest.events.length}`);
      for (const data of events) {
        newest.events.push({ data, at: now });
        const { by, n } = JSON.parse(data) as { by: string; n: number };
        if (by !== `${run}.${newest.state.attempt}`)
          fail(`attempt ${newest.state.attempt} of ${run} got an event of ${by}`);
        if (n !== newest.events.length) fail(`event ${newest.events.length} of ${run} is number ${n}`);
      }
    }
    const { end } = newest?.state ?? {};
    if (newest !== undefined && change.count !== newest.events.length)
      fail(`${newest.run} has ${newest.events.length} events, and its record counts ${change.count}`);
    if (end !== undefined && end.count !== newest!.events.length)
      fail(`${newest!.run} has ${newest!.events.length} events, and ends after ${end.count}`);
    if (end?.outcome === 'done' && (end.result as { count: number }).count !== end.count)
      fail(`${newest!.run} is done with ${JSON.stringify(end.result)} after ${end.count} events`);
    known.state = state;
    known.leaseEndsAt = now + change.leaseMs;
    known.deleteAt = now + change.keepMs;
  }

  #checkBegin(address: string, { run, key, end, principal }: RunState, fail: (what: string) => void): void {
    const stop = `${address} ${key}`;
    if ((this.#stops.get(stop) ?? 0) > this.#clock.now() && end?.outcome !== 'stopped')
      fail(`${run} with the key ${key} runs, although a stop of this key came before`);
    this.#stops.delete(stop);
    if (principal === undefined || end !== undefined) return;
    const running = [...this.#addresses.values()].filter((one) => {
      const newest = one.runs.at(-1);
      // A claim that was executed after its process had given up has no producer. It is lost after its lease.
      const isProduced = newest !== undefined && newest.events.length > 0;
      return isProduced && newest.state.principal === principal && newest.state.end === undefined;
    });
    if (running.length >= MAX_RUNS_PER_PRINCIPAL)
      fail(`${run} began, although ${principal} has ${running.length} runs`);
  }
}

/** Ids grow, only the newest run has no end, and a key has one run. */
function checkList({ runs }: RecordState, fail: (what: string) => void): void {
  const keys = new Set<string>();
  for (const [index, { run, key, end }] of runs.entries()) {
    if (index > 0 && runs[index - 1]!.run >= run) fail(`${run} is not later than the run before it`);
    if (index < runs.length - 1 && end === undefined) fail(`${run} has no end, and another run began`);
    if (key !== undefined && keys.has(key)) fail(`two runs have the key ${key}`);
    if (key !== undefined) keys.add(key);
  }
}

interface RunChange {
  readonly before: RunState;
  readonly state: RecordState;
  readonly now: number;
  readonly leaseEndsAt: number;
  readonly fail: (what: string) => void;
}

/** A run that has ended does not change. The lease of a producer is respected. */
function checkStep({ before, state, now, leaseEndsAt, fail }: RunChange): void {
  const { run } = before;
  const after = state.runs.find((one) => one.run === run);
  if (before.end !== undefined) {
    if (after !== undefined && JSON.stringify(after) !== JSON.stringify(before))
      fail(`${run} changed after its end`);
    return;
  }
  if (after === undefined) return fail(`${run} was deleted before its end`);
  if (before.stop !== undefined && after.stop === undefined) fail(`the stop of ${run} was forgotten`);
  checkReason(run, after.stop?.reason ?? after.end?.reason, fail);
  if (after.epoch !== before.epoch) {
    if (after.attempt !== before.attempt + 1) fail(`${run} went on to attempt ${after.attempt}`);
    if (after.attempt > after.attempts) fail(`${run} has attempt ${after.attempt} of ${after.attempts}`);
    if (now < leaseEndsAt) fail(`${run} was continued ${leaseEndsAt - now} ms before its lease ended`);
  }
  if (after.end?.outcome !== 'lost' || after.end.reason === 'shutdown') return;
  if (after.end.reason === 'data_loss') fail(`${run} is lost although the store lost nothing`);
  const lostAt = leaseEndsAt + (mayContinue(before) ? before.leaseMs : 0);
  if (now < lostAt) fail(`${run} was lost ${lostAt - now} ms too early`);
}

/** The reason of each stop in a world names the run that it is for. */
export function stopReason(run: string | undefined): string {
  return `stop ${run ?? 'any'}`;
}

function checkReason(run: string, reason: string | undefined, fail: (what: string) => void): void {
  const named = /^stop (.+)$/.exec(reason ?? '')?.[1];
  if (named !== undefined && named !== 'any' && named !== run)
    fail(`${run} was stopped by a stop of ${named}`);
}
