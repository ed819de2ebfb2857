/** The log of a simulated world: a real memoryLog that also lags, evicts, rolls back and starts anew. */
import { memoryLog } from '@linefeed/server';
import type {
  Appended,
  AppendOptions,
  Log,
  LogCursor,
  LogEntry,
  LogEvent,
  ReadPage,
  ReadQuery,
  TailListener,
} from '@linefeed/server';
import type { Chance, SimClock } from './clock.ts';
import type { Place, Published, WorldLog } from './world-log.ts';

interface Tail {
  readonly listener: TailListener;
  readonly lagMs: number;
  /** The epoch that this tail knows. */
  epoch: string;
  /** Incremented by each reset: older pending batches are dropped. */
  generation: number;
  busyUntil: number;
  waiting: number;
  closed: boolean;
}

/** Error of a log that cannot be read. */
export const LOG_FAILURE = 'the log cannot be read';

export class SimLog implements Log, WorldLog {
  /** Every appended event, by epoch and address, in order. */
  readonly history: Map<string, Map<string, Published[]>> = new Map();
  readonly #clock: SimClock;
  readonly #chance: Chance;
  readonly #maxEvents: number;
  readonly #isSlow: boolean;
  readonly #replicaLagMs: number;
  readonly #tails = new Set<Tail>();
  #inner: Log;
  #entries: LogEntry[] = [];

  calm = false;
  readonly lagMs = 2_000;

  constructor(clock: SimClock, chance: Chance, isSlow: boolean) {
    this.#clock = clock;
    this.#chance = chance;
    this.#isSlow = isSlow;
    this.#replicaLagMs = isSlow ? chance.pick([0, 20, 200]) : 0;
    this.#maxEvents = chance.pick([20, 60, 300]);
    this.#inner = this.#start([]);
  }

  get epoch(): string {
    return this.#inner.epoch;
  }

  async append(entries: readonly LogEntry[], options?: AppendOptions): Promise<Appended> {
    if (this.#chance.is(0.3)) await this.#clock.sleep(this.#chance.between(1, 20));
    const appended = await this.#inner.append(entries, options);
    // The result was true at the time of the append. The log may start anew before its caller gets it.
    if (this.#isSlow) await this.#pause();
    return appended;
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    this.#clock.look();
    if (this.#isSlow) this.#failAtTimes();
    const limit = Math.min(query.limit, this.#chance.between(1, 30));
    // A replica answers at once. So a reader that does not wait for it spins.
    const isPrompt = this.#replicaLagMs > 0;
    if (!isPrompt && this.#chance.is(0.5)) await this.#clock.sleep(this.#chance.between(1, 30));
    const page = this.#cut(await this.#inner.read({ ...query, limit }), query.after);
    // A page was true when it was read; it may arrive later.
    if (!isPrompt && this.#chance.is(0.3)) await this.#clock.sleep(this.#chance.between(1, 30));
    return page;
  }

  /** A page of a replica: it does not have the newest events yet. */
  #cut(page: ReadPage, after: string): ReadPage {
    if (this.#replicaLagMs === 0 || page.epoch !== this.epoch) return page;
    const known = this.#clock.now() - this.#replicaLagMs;
    const newer = page.events.find(({ address, position }) => {
      const published = this.history.get(page.epoch)?.get(address) ?? [];
      return published.some((one) => one.at > known && one.position === parseInt(position, 36));
    });
    if (newer === undefined) return page;
    const events = page.events.slice(0, page.events.indexOf(newer));
    return { ...page, events, through: events.at(-1)?.position ?? after };
  }

  newest(): LogCursor | Promise<LogCursor> {
    return this.#isSlow ? this.#askNewest() : this.#newest();
  }

  async #askNewest(): Promise<LogCursor> {
    this.#failAtTimes();
    await this.#pause();
    const newest = this.#newest();
    await this.#pause();
    return newest;
  }

  tip(): string {
    return this.#newest().position;
  }

  /** All nodes share one log. */
  open(): Log {
    return this;
  }

  somePosition(): string {
    return this.#chance.between(0, parseInt(this.tip(), 36)).toString(36);
  }

  countUpTo(address: string, after: Place, through: Place): number {
    const history = this.history.get(through.epoch)?.get(address) ?? [];
    let count = 0;
    for (let index = history.length - 1; index >= 0 && history[index]!.position > after.position; index -= 1)
      if (history[index]!.position <= through.position) count += 1;
    return count;
  }

  // It has a new epoch whenever events were lost.
  isContinued(): boolean {
    return true;
  }

  isLost(): boolean {
    return false;
  }

  fail(): void {}

  checkEnd(): void {}

  #newest(): LogCursor {
    return this.#inner.newest() as LogCursor;
  }

  async #pause(): Promise<void> {
    if (this.#chance.is(0.7)) await this.#clock.sleep(this.#chance.pick([1, 5, 30, 200]));
  }

  #failAtTimes(): void {
    if (!this.calm && this.#chance.is(0.01)) throw new Error(LOG_FAILURE);
  }

  tail(listener: TailListener): ReturnType<Log['tail']> {
    const tail: Tail = {
      listener,
      lagMs: this.#chance.pick(this.#isSlow ? [0, 40, 400] : [0, 0, 5, 40]),
      epoch: this.epoch,
      generation: 0,
      busyUntil: 0,
      waiting: 0,
      closed: false,
    };
    this.#tails.add(tail);
    return {
      start: this.#newest(),
      close: () => {
        tail.closed = true;
        this.#tails.delete(tail);
      },
    };
  }

  newestOf(address: string): number {
    return this.history.get(this.epoch)?.get(address)?.at(-1)?.position ?? 0;
  }

  holds(cursor: string, address: string, data: string): boolean {
    const [epoch, position] = cursor.split('.');
    const published = this.history.get(epoch!)?.get(address) ?? [];
    return published.some((one) => one.position === parseInt(position!, 36) && one.data === data);
  }

  endOf(epoch: string): number {
    const lists = [...(this.history.get(epoch)?.values() ?? [])];
    return Math.max(0, ...lists.map((list) => list.at(-1)?.position ?? 0));
  }

  startAnew(): void {
    this.#replace([], 'epoch');
  }

  rollBack(count: number): void {
    this.#replace(this.#entries.slice(0, Math.max(0, this.#entries.length - count)), 'rollback');
  }

  /**
   * Tails lose their pending batches, like a tail that was away while the log evicted events. Held events can be read.
   */
  overrun(): void {
    const newest = this.#newest();
    for (const tail of this.#tails) {
      // A pending reset reports another epoch, which is the stronger message.
      if (tail.epoch !== this.epoch) continue;
      tail.generation += 1;
      this.#after(tail, this.#chance.between(0, 20), () => tail.listener.onReset('trimmed', newest));
    }
  }

  #replace(entries: LogEntry[], reason: 'epoch' | 'rollback'): void {
    this.#inner = this.#start(entries);
    const newest = this.#newest();
    for (const tail of this.#tails) {
      tail.generation += 1;
      this.#after(tail, this.#chance.between(0, 20), () => {
        tail.epoch = this.epoch;
        tail.listener.onReset(reason, newest);
      });
    }
  }

  #start(entries: readonly LogEntry[]): Log {
    const inner = memoryLog({ maxEvents: this.#maxEvents, clock: this.#clock.server });
    this.#entries = [];
    this.history.set(inner.epoch, new Map());
    inner.tail({
      onEvents: (events, through) => this.#onEvents(inner.epoch, events, through),
      onReset: () => undefined,
      onError: () => undefined,
    });
    for (const entry of entries) void inner.append([entry]);
    return inner;
  }

  #onEvents(epoch: string, events: readonly LogEvent[], through: string): void {
    const byAddress = this.history.get(epoch)!;
    for (const { address, data, position } of events) {
      const list = byAddress.get(address) ?? [];
      list.push({ address, position: parseInt(position, 36), data, at: this.#clock.now() });
      byAddress.set(address, list);
      this.#entries.push({ address, data, keep: address.startsWith('price') ? 'latest' : 'all' });
    }
    if (this.#inner !== undefined && this.#inner.epoch !== epoch) return;
    for (const tail of this.#tails) {
      const lag = tail.lagMs === 0 ? 0 : this.#chance.between(0, tail.lagMs);
      this.#after(tail, lag, () => tail.listener.onEvents(events, through));
    }
  }

  /** Calls in order, whatever the delay of each. */
  #after(tail: Tail, ms: number, call: () => void): void {
    const { generation } = tail;
    const run = (): void => {
      if (!tail.closed && tail.generation === generation) call();
    };
    if (ms === 0 && tail.waiting === 0) return run();
    tail.busyUntil = Math.max(tail.busyUntil, this.#clock.now() + ms);
    tail.waiting += 1;
    this.#clock.after(tail.busyUntil - this.#clock.now(), () => {
      tail.waiting -= 1;
      run();
    });
  }
}
