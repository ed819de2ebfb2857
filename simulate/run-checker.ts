/** Checks what one subscription to a run topic gets: each event once and in order, and each end after its last event. */
import type { RunEnd } from '@linefeed/client';
import type { RecordedRun, RunHistory } from './run-history.ts';

export interface RunCheckerOptions {
  readonly history: RunHistory;
  readonly address: string;
  /** `start`, `now` or the id of an event that was recorded. */
  readonly from: string;
  /** Time of the call. */
  readonly subscribedAt: number;
  readonly fail: (what: string) => void;
}

/** A place in the runs of an address. */
interface RunPlace {
  readonly run: string;
  readonly n: number;
  /** Its end has arrived. */
  readonly isOver: boolean;
}

export interface RunEventInfo {
  readonly id: string | undefined;
  readonly run: string;
  readonly replayed: boolean;
}

export class RunChecker {
  readonly #options: RunCheckerOptions;
  #at: RunPlace | undefined;
  /** What was recorded when delivery had started, for a start at `now`. */
  #ready: { readonly run: string | undefined; readonly count: number } | undefined;
  #begun: { readonly run: string; readonly attempt: number } | undefined;
  count = 0;
  caughtUps = 0;
  lastId: string | undefined;

  constructor(options: RunCheckerOptions) {
    this.#options = options;
    const { from } = options;
    if (from === 'start' || from === 'now') return;
    const [run, n] = from.split('.');
    this.#at = { run: run!, n: Number(n), isOver: false };
  }

  get address(): string {
    return this.#options.address;
  }

  ready(): void {
    const { history, address } = this.#options;
    const newest = history.newestOf(address);
    this.#ready ??= { run: newest?.run, count: newest?.events.length ?? 0 };
  }

  begin({ run, attempt }: { readonly run: string; readonly attempt: number }): void {
    const before = this.#begun;
    if (before !== undefined && (run < before.run || (run === before.run && attempt <= before.attempt)))
      this.#fail(`onRun ${run}, attempt ${attempt}, came after ${before.run}, attempt ${before.attempt}`);
    this.#begun = { run, attempt };
  }

  event(data: string, { id, run, replayed }: RunEventInfo): void {
    const { history, address, subscribedAt } = this.#options;
    this.count += 1;
    this.lastId = id;
    const n = Number(id?.split('.')[1]);
    if (id !== `${run}.${n}`) return this.#fail(`an event of ${run} has the id ${id}`);
    const recorded = history.find(address, run);
    const event = recorded?.events[n - 1];
    if (event?.data !== data) return this.#fail(`${id} brought ${data}, which was not recorded there`);
    if (this.#begun?.run !== run) this.#fail(`${id} came before its onRun`);
    if (event.at < subscribedAt && !replayed) this.#fail(`${id} is not marked as replayed`);
    this.#checkPlace(recorded!, n, n === 1);
    this.#at = { run, n, isOver: false };
  }

  end({ run, outcome, result }: Pick<RunEnd, 'run' | 'outcome' | 'result'>): void {
    const { history, address } = this.#options;
    const recorded = history.find(address, run);
    if (recorded === undefined) return this.#fail(`the end of ${run}, which was never recorded`);
    const { end } = recorded.state;
    if (outcome === 'gone') {
      if (history.isSurelyKept(recorded)) this.#fail(`${run} is gone, although it is kept`);
    } else if (end?.outcome !== outcome) {
      this.#fail(`${run} ended as ${outcome}, and its record has ${end?.outcome}`);
    } else {
      if (JSON.stringify(end.result) !== JSON.stringify(result))
        this.#fail(`${run} ended with ${JSON.stringify(result)}, not ${JSON.stringify(end.result)}`);
      this.#checkPlace(recorded, end.count + 1, end.count === 0);
    }
    this.#at = { run, n: recorded.events.length, isOver: true };
  }

  /** Entry `n` of a run arrives. `isFirst`: nothing of this run comes before it. */
  #checkPlace(recorded: RecordedRun, n: number, isFirst: boolean): void {
    const { from } = this.#options;
    const { run } = recorded;
    const at = this.#at;
    const what = `entry ${n} of ${run}`;
    if (at === undefined) {
      if (from === 'start') return isFirst ? undefined : this.#fail(`${what} came first, from the start`);
      const ready = this.#ready;
      // Delivery started before that.
      if (ready === undefined || run < (ready.run ?? '')) return;
      const next = ready.run === run ? ready.count + 1 : 1;
      if (n > next) this.#fail(`${what} came first, and ${next} was due`);
      this.#checkBetween(ready.run ?? '', run);
    } else if (at.run === run) {
      if (at.isOver) this.#fail(`${what} came after its end`);
      else if (n !== at.n + 1) this.#fail(`${what} came after ${at.n}`);
    } else if (run < at.run) this.#fail(`${what} came after ${at.run}`);
    else {
      if (!at.isOver) this.#fail(`${what} came before the end of ${at.run}`);
      if (!isFirst) this.#fail(`${what} came first of this run`);
      this.#checkBetween(at.run, run);
    }
  }

  /** No run is left out that is kept. */
  #checkBetween(after: string, before: string): void {
    const { history, address } = this.#options;
    for (const recorded of history.runsOf(address))
      if (recorded.run > after && recorded.run < before && history.isSurelyKept(recorded))
        this.#fail(`${before} came, and ${recorded.run} was left out`);
  }

  /** Whether the end of this run, or of a later one, has arrived. */
  hasEnd(run: string): boolean {
    const at = this.#at;
    return at !== undefined && (at.run > run || (at.run === run && at.isOver));
  }

  get place(): string {
    const at = this.#at;
    return at === undefined ? 'nowhere' : `${at.run}.${at.n}${at.isOver ? ', over' : ''}`;
  }

  #fail(what: string): void {
    const { address, from, fail } = this.#options;
    fail(`${address} from ${from}: ${what}`);
  }
}
