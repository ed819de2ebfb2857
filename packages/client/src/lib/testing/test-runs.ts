/** The recorded runs of a feed in memory, and the frames that a server writes of them to one connection. */
import {
  FRAME,
  parseCursor,
  type CaughtUp,
  type End,
  type RunBegin,
  type RunStart,
  type StopRequest,
  type StopResponse,
} from '@linefeed/shared/wire';

/** How a run ends: the body of `linefeed.end` without the address and the run. */
export type TestRunEnd = Pick<End, 'result' | 'error' | 'reason'> & {
  readonly outcome: NonNullable<End['outcome']>;
};

export interface TestRuns {
  /** Starts a run, or the next attempt of the one that is running. Returns its id. */
  readonly start: (address: string) => string;
  /** Records an event of the running run. Returns false if no run is running. */
  readonly emit: (address: string, json: string) => boolean;
  /** Ends the running run. Returns its id, or `undefined` if no run is running. */
  readonly end: (address: string, end: TestRunEnd) => string | undefined;
  /** Stops the running run, or only the one that the request names. */
  readonly stop: (address: string, request: Omit<StopRequest['stop'], 'address'>) => StopResponse;
  /** The newest run, and how it ended. */
  readonly newest: (address: string) => (Partial<TestRunEnd> & { readonly run: string }) | undefined;
  /** Returns the `run` of `subscribed`, and the function that delivers. Call it after `subscribed` is sent. */
  readonly accept: (
    address: string,
    from: string | undefined,
  ) => { readonly start: RunStart; readonly deliver: () => void };
  /** The connection has no entry of this address; without one, of any address. */
  readonly leave: (address?: string) => void;
}

interface RecordedRun {
  readonly run: string;
  readonly startedAt: number;
  attempt: number;
  readonly events: string[];
  end?: TestRunEnd;
}

/** A position between two entries: the index of a run, and the number of its last entry. */
interface Reached {
  readonly index: number;
  readonly n: number;
}

/** Comes before every run: the position of a reader where no run is kept. */
const NO_RUN = `${'0'.repeat(17)}.0.end`;

/** `send` sends a frame to the open connection. `idPrefix` is the part of an id before the tilde. */
export function createTestRuns(
  send: (event: string, json: string, id: string) => void,
  idPrefix: () => string,
  now: () => number,
): TestRuns {
  const records = new Map<string, RecordedRun[]>();
  /** Per address of the connection: the position that its delivery has reached. */
  const deliveries = new Map<string, Reached>();
  let newestMs = 0;

  const runsOf = (address: string): RecordedRun[] => {
    const runs = records.get(address) ?? [];
    records.set(address, runs);
    return runs;
  };

  const runningOf = (address: string): RecordedRun | undefined => {
    const run = runsOf(address).at(-1);
    return run?.end ? undefined : run;
  };

  const endOf = ({ events, end }: RecordedRun): number => events.length + (end ? 1 : 0);

  const toText = (address: string, { index, n }: Reached): string => {
    const run = runsOf(address)[index];
    return run ? `${run.run}.${n}${n > run.events.length ? '.end' : ''}` : NO_RUN;
  };

  const startOf = (address: string, from: string | undefined): Reached => {
    const runs = runsOf(address);
    const index = runs.length - 1;
    const newest = runs[index];
    if (!newest) return { index, n: 1 };
    if (from === 'now') return { index, n: endOf(newest) };
    const cursor = parseCursor(from?.replace(/^~/, ''));
    if (!cursor) return { index, n: 0 };
    const at = runs.filter(({ run }) => run <= cursor.epoch).length - 1;
    const found = runs[at];
    return { index: at, n: found?.run === cursor.epoch ? Number(cursor.position) : found ? endOf(found) : 1 };
  };

  const isBefore = (a: Reached, b: Reached): boolean =>
    a.index - b.index < 0 || (a.index === b.index && a.n < b.n);

  /** Writes everything that is recorded after the position that the delivery has reached. */
  const write = (address: string): void => {
    const runs = runsOf(address);
    const reached = deliveries.get(address);
    if (!reached) return;
    const tell = (event: string, json: string, to: Reached): void => {
      deliveries.set(address, to);
      send(event, json, `${idPrefix()}~${toText(address, to)}`);
    };
    for (let index = Math.max(reached.index, 0); index < runs.length; index += 1) {
      const { run, attempt, startedAt, events, end } = runs[index]!;
      const after = index === reached.index ? reached.n : 0;
      if (after > events.length) continue;
      const begin: RunBegin = { address, run, attempt, startedAt };
      tell(FRAME.run, JSON.stringify(begin), { index, n: after });
      for (let n = after + 1; n <= events.length; n += 1) tell(address, events[n - 1]!, { index, n });
      if (end) tell(FRAME.end, JSON.stringify({ address, run, ...end }), { index, n: events.length + 1 });
    }
  };

  /** Writes the newest entry, if the connection has a delivery. It has reached the entry before. */
  const writeNewest = (address: string, event: string, json: string): void => {
    if (!deliveries.has(address)) return;
    const index = runsOf(address).length - 1;
    const to = { index, n: endOf(runsOf(address)[index]!) };
    deliveries.set(address, to);
    send(event, json, `${idPrefix()}~${toText(address, to)}`);
  };

  const testRuns: TestRuns = {
    start(address) {
      const running = runningOf(address);
      if (running) running.attempt += 1;
      newestMs = Math.max(newestMs + 1, now());
      const run = running ?? {
        run: `${newestMs.toString(36).padStart(9, '0')}testtest`,
        startedAt: newestMs,
        attempt: 1,
        events: [],
      };
      if (!running) runsOf(address).push(run);
      const { attempt, startedAt } = run;
      const begin: RunBegin = { address, run: run.run, attempt, startedAt };
      writeNewest(address, FRAME.run, JSON.stringify(begin));
      return run.run;
    },
    emit(address, json) {
      const run = runningOf(address);
      run?.events.push(json);
      if (run) writeNewest(address, address, json);
      return run !== undefined;
    },
    end(address, end) {
      const run = runningOf(address);
      if (!run) return undefined;
      run.end = end;
      writeNewest(address, FRAME.end, JSON.stringify({ address, run: run.run, ...end }));
      return run.run;
    },
    stop(address, { run, reason }) {
      const found =
        run === undefined ? runningOf(address) : runsOf(address).find((recorded) => recorded.run === run);
      if (!found) return { run: null };
      if (!found.end) testRuns.end(address, { outcome: 'stopped', ...(reason !== undefined && { reason }) });
      return { run: found.run, outcome: found.end!.outcome };
    },
    newest(address) {
      const newest = runsOf(address).at(-1);
      return newest && { run: newest.run, ...newest.end };
    },
    accept(address, from) {
      const position = startOf(address, from);
      const tail = startOf(address, 'now');
      const start: RunStart = {
        cursor: toText(address, position),
        ...(tail.index >= 0 && { tail: toText(address, tail) }),
      };
      return {
        start,
        deliver() {
          const reached = deliveries.get(address);
          if (!reached || isBefore(position, reached)) {
            deliveries.set(address, position);
            write(address);
          }
          const caughtUp: CaughtUp = { address };
          send(FRAME.caughtup, JSON.stringify(caughtUp), `${idPrefix()}~${toText(address, tail)}`);
        },
      };
    },
    leave(address) {
      if (address === undefined) deliveries.clear();
      else deliveries.delete(address);
    },
  };
  return testRuns;
}
