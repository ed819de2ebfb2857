import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ADDRESS, createRunProcesses, LEASE_MS, type RunProcess } from '../../../test-kit/run-processes.ts';
import { encodeEvent, RunHistory } from '../../../test-kit/run-history.ts';
import type { WhenBusy } from './claim.ts';
import type { RunStarted, UntypedRunSource } from './runs.ts';
import type { RunStore } from './run-store.ts';

const KEEP_MS = 60_000;

type Step =
  | {
      readonly do: 'start';
      readonly at: number;
      readonly key: string;
      readonly whenBusy: 'join' | 'refuse' | 'replace';
    }
  | { readonly do: 'stop'; readonly at: number; readonly key: string | undefined }
  | { readonly do: 'yield'; readonly count: number }
  | { readonly do: 'finish' | 'fail' | 'settle' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'cut' | 'mend'; readonly at: number }
  | { readonly do: 'fault'; readonly at: number; readonly fault: 'before' | 'after' | 'late' }
  /** One process is cut off, and the other one continues its run. */
  | { readonly do: 'takeover' | 'restart'; readonly at: number };

const at = fc.nat({ max: 1 });
const key = fc.constantFrom('a', 'b', 'c');
const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('start' as const),
        at,
        key,
        whenBusy: fc.constantFrom('join' as const, 'refuse' as const, 'replace' as const),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('stop' as const), at, key: fc.option(key, { nil: undefined }) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('yield' as const), count: fc.integer({ min: 1, max: 3 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('finish' as const, 'fail' as const, 'settle' as const, 'settle' as const),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('wait' as const),
        ms: fc.constantFrom(1, 100, LEASE_MS / 3, LEASE_MS, 2 * LEASE_MS),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'mend' as const, 'mend' as const), at }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('fault' as const),
        at,
        fault: fc.constantFrom('before' as const, 'after' as const, 'late' as const),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('takeover' as const, 'takeover' as const, 'restart' as const),
        at,
      }),
    },
  ),
  { minLength: 5, maxLength: 40 },
) satisfies fc.Arbitrary<Step[]>;

/** The connection of one process to the store: cut, its calls wait; faults hide the outcome of the next commit. */
class Link {
  isCut = false;
  fault: 'before' | 'after' | 'late' | undefined;
  #waiting: Array<() => void> = [];
  #late: Array<() => Promise<unknown>> = [];

  wrap(calls: RunStore): RunStore {
    const arrive = async (): Promise<void> => {
      if (this.isCut) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    return {
      ...calls,
      load: async (name) => (await arrive(), calls.load(name)),
      read: async (...query) => (await arrive(), calls.read(...query)),
      versions: async (names) => (await arrive(), calls.versions(names)),
      commit: async (name, change) => {
        await arrive();
        const { fault } = this;
        this.fault = undefined;
        if (fault === undefined) return calls.commit(name, change);
        if (fault === 'after') await calls.commit(name, change);
        // The server executes it after the caller has given up.
        if (fault === 'late') this.#late.push(() => calls.commit(name, change));
        throw new Error('The outcome is unknown.');
      },
    };
  }

  mend(): void {
    this.isCut = false;
    for (const arrive of this.#waiting.splice(0)) arrive();
  }

  async executeLate(): Promise<void> {
    for (const execute of this.#late.splice(0)) await execute();
  }
}

/** Sources that take their steps from the schedule: each step goes to all that run. */
class Sources {
  readonly #wakes = new Set<() => void>();
  readonly #queues = new Set<Array<'yield' | 'finish' | 'fail'>>();
  /** Number of events that each finished source has yielded in all, by run. */
  readonly finished = new Map<string, number>();

  readonly open: UntypedRunSource = ({ run, attempt, stored }) => {
    const queue: Array<'yield' | 'finish' | 'fail'> = [];
    this.#queues.add(queue);
    let n = stored.length;
    const { finished } = this;
    const wakes = this.#wakes;
    return (async function* () {
      for (;;) {
        while (queue.length === 0) await new Promise<void>((resolve) => wakes.add(resolve));
        const step = queue.shift()!;
        if (step === 'fail') throw new Error('failed');
        if (step === 'finish') {
          finished.set(`${run} ${attempt}`, n);
          return { tokens: n };
        }
        n += 1;
        yield encodeEvent({ attempt, n });
      }
    })();
  };

  push(step: 'yield' | 'finish' | 'fail'): void {
    for (const queue of this.#queues) queue.push(step);
    for (const wake of this.#wakes) wake();
    this.#wakes.clear();
  }
}

/** A reader of an address: it takes what is just recorded if it is exactly there, and else reads. */
class Reader {
  readonly events = new Map<string, string[]>();
  readonly #process: RunProcess;
  #isReading = false;
  #mustRead = false;

  constructor(process: RunProcess) {
    this.#process = process;
    process.records.follow(ADDRESS, ({ views, recorded }) => {
      const newest = views.at(-1)?.run;
      if (recorded !== undefined && !this.#isReading && recorded.run === newest) {
        const held = this.events.get(recorded.run) ?? [];
        if (held.length === recorded.after) {
          this.#take(recorded.run, recorded.events);
          return;
        }
      }
      this.#mustRead = true;
      void this.#read();
    });
  }

  #take(run: string, texts: readonly string[]): void {
    const held = this.events.get(run) ?? [];
    held.push(...texts.map((text) => JSON.parse(text) as string));
    this.events.set(run, held);
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const { records } = this.#process;
    while (this.#mustRead) {
      this.#mustRead = false;
      try {
        for (const { run, count } of await records.view(ADDRESS)) {
          for (
            let held = this.events.get(run)?.length ?? 0;
            held < count;
            held = this.events.get(run)!.length
          ) {
            const page = await records.read(ADDRESS, run, held, { events: 2, bytes: 1_000 });
            if (page.length === 0) break;
            this.#take(run, page);
          }
        }
      } catch {
        this.#mustRead = true;
        await new Promise<void>((resolve) => this.#process.records.clock.after(100, resolve));
      }
    }
    this.#isReading = false;
  }
}

async function play(schedule: readonly Step[]): Promise<void> {
  const world = createRunProcesses();
  const { clock } = world;
  const history = new RunHistory(world.store);
  const sources = new Sources();
  const links = [new Link(), new Link()];
  let opened = 0;
  const openProcess = (index: number): RunProcess => {
    opened += 1;
    return world.open({ runKeepMs: KEEP_MS }, links[index]!.wrap(history.calls(`${index}.${opened}`)));
  };
  const processes = [openProcess(0), openProcess(1)];
  const reader = new Reader(world.open({}, history.calls('reader')));
  const started: Array<{ readonly key: string; readonly started: RunStarted }> = [];
  const stopped: Array<{ readonly run: string; readonly outcome: string }> = [];
  const calls: Array<Promise<unknown>> = [];
  const start = (index: number, name: string, whenBusy: WhenBusy): void => {
    const options = { key: name, whenBusy, attempts: name === 'a' ? 3 : 1 };
    const call = processes[index]!.start(sources.open, options);
    calls.push(call.then((result) => started.push({ key: name, started: result })).catch(() => undefined));
  };
  for (const step of schedule) {
    if (step.do === 'start') start(step.at, step.key, step.whenBusy);
    else if (step.do === 'takeover') {
      links[step.at]!.isCut = true;
      await clock.advance(LEASE_MS);
      start(1 - step.at, 'a', 'join');
      await clock.settle();
    } else if (step.do === 'stop') {
      const call = processes[step.at]!.stop({ key: step.key, keepMs: KEEP_MS });
      calls.push(call.then((result) => result && stopped.push(result)).catch(() => undefined));
    } else if (step.do === 'yield') {
      for (let index = 0; index < step.count; index += 1) sources.push('yield');
    } else if (step.do === 'finish' || step.do === 'fail') sources.push(step.do);
    else if (step.do === 'wait') await clock.advance(step.ms);
    else if (step.do === 'cut') links[step.at]!.isCut = true;
    else if (step.do === 'mend') links[step.at]!.mend();
    else if (step.do === 'fault') links[step.at]!.fault = step.fault;
    else if (step.do === 'restart') {
      const closing = processes[step.at]!.runs.close(0);
      await clock.advance(100);
      calls.push(closing);
      processes[step.at] = openProcess(step.at);
    } else await clock.settle();
    for (const link of links) if (step.do === 'wait') await link.executeLate();
  }
  for (const link of links) link.mend();
  await clock.advance(LEASE_MS);
  for (const link of links) await link.executeLate();
  sources.push('finish');
  await clock.advance(8 * LEASE_MS);
  await Promise.all(calls);

  for (const fault of history.faults) throw fault;
  for (const { key: name, started: start } of started) {
    const run = history.state!.runs.find((kept) => kept.run === start.run);
    // It may have joined the run of another key, if that was running.
    if (run !== undefined && !start.joined) expect(run.key).toBe(name);
  }
  for (const [run, events] of history.events) {
    const numbers = events.map((text) => text.split('.').map(Number));
    // Events count up, and those of an attempt follow all events of the attempts before.
    expect(numbers.map(([, n]) => n)).toEqual(numbers.map((_, index) => index + 1));
    const attempts = numbers.map(([attempt]) => attempt!);
    expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
    expect(reader.events.get(run) ?? []).toEqual(events);
  }
  for (const { run, attempt, end } of history.state?.runs ?? []) {
    expect(end).toBeDefined();
    expect(history.ends.get(run)).toBe(end!.outcome);
    if (end!.outcome !== 'done') continue;
    expect(end!.count).toBe(sources.finished.get(`${run} ${attempt}`));
    expect(end!.result).toEqual({ tokens: end!.count });
  }
  for (const { run, outcome } of stopped) expect(history.ends.get(run)).toBe(outcome);
}

test(
  'runs of two processes on one store keep all rules for random schedules with cut links and unknown outcomes',
  { timeout: 60_000 },
  () => fc.assert(fc.asyncProperty(steps, play), { numRuns: Number(process.env['RUN_SCHEDULES'] ?? 400) }),
);
