/** A page that reads runs with the real client: it joins, resumes, reloads, iterates and stops runs. */
import { createClient, iterate, type Client } from '@linefeed/client';
import { LinefeedError } from '@linefeed/shared';
import { CHATS, type Board } from './board.ts';
import type { Chance, SimClock } from './clock.ts';
import { RunChecker } from './run-checker.ts';
import { isStoppedTruly } from './run-starter.ts';
import { stopReason, type RunHistory } from './run-history.ts';

export interface RunUserOptions {
  readonly name: string;
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly history: RunHistory;
  readonly isCalm: () => boolean;
  readonly fetch: typeof globalThis.fetch;
  readonly fail: (what: string) => void;
}

/** A subscription that must be complete in the end. */
interface Reading {
  readonly chat: string;
  readonly checker: RunChecker;
  readonly stop: () => void;
}

const MAX_READINGS = 4;
const MAX_ITERATING = 2;

export class RunUser {
  readonly #options: RunUserOptions;
  #client: Client<Board>;
  readonly #reading = new Set<Reading>();
  /** Loops over runs that have not ended. */
  readonly #iterating = new Set<AsyncGenerator<unknown, unknown, void>>();
  received = 0;
  #isClosed = false;

  constructor(options: RunUserOptions) {
    this.#options = options;
    this.#client = this.#openClient();
    this.#subscribe();
  }

  #openClient(): Client<Board> {
    const { name, clock, chance, fetch } = this.#options;
    const client = createClient<Board>({
      url: 'http://sim.test/events',
      fetch,
      headers: { user: name },
      clock: clock.client,
      retry: { baseMs: 200, floorMs: 20, capMs: 2_000 },
      maxQueuedEvents: chance.pick([5, 1_000]),
      lingerMs: chance.pick([0, 100]),
      onError: ({ code, message }) => {
        if (code === 'protocol' || code === 'invalid_json') this.#fail(`${code}: ${message}`);
      },
    });
    // The ids of its runs then contain a cursor of the log as well.
    if (chance.is(0.5))
      client.subscribe('notice', () => undefined, { onGap: () => undefined, onError: () => undefined });
    return client;
  }

  act(): void {
    const { chance } = this.#options;
    const roll = chance();
    if (this.#reading.size === 0 || (roll < 0.4 && this.#reading.size < MAX_READINGS)) this.#subscribe();
    else if (roll < 0.5) chance.pick([...this.#reading]).stop();
    else if (roll < 0.65 && this.#iterating.size < MAX_ITERATING) void this.#iterate();
    else if (roll < 0.75) void this.#stopRun();
    else if (roll < 0.88) this.#reload();
    else this.#client.reconnect();
  }

  /** Reads all addresses from the start. */
  readAll(): void {
    for (const chat of CHATS) this.#subscribe(chat, 'start');
  }

  close(): void {
    this.#isClosed = true;
    this.#client.close();
    this.#reading.clear();
  }

  /** Checks that the ends of the newest runs have arrived. */
  checkEnd(): void {
    const { history } = this.#options;
    for (const { checker } of this.#reading) {
      const newest = history.newestOf(checker.address);
      if (newest !== undefined && !checker.hasEnd(newest.run))
        this.#fail(`${checker.address}: the end of ${newest.run} never came; it is at ${checker.place}`);
      if (checker.caughtUps === 0) this.#fail(`${checker.address}: onCaughtUp was never called`);
    }
  }

  /** The page is loaded again, and continues after the last events that it has. */
  #reload(): void {
    const kept = [...this.#reading];
    this.#client.close();
    this.#reading.clear();
    this.#client = this.#openClient();
    for (const { chat, checker } of kept) this.#subscribe(chat, checker.lastId);
  }

  #chooseStart(address: string): string {
    const { chance, history } = this.#options;
    const runs = history.runsOf(address).filter(({ events }) => events.length > 0);
    if (runs.length === 0 || chance.is(0.7)) return chance.pick(['start', 'start', 'now']);
    const { run, events } = chance.is(0.6) ? runs.at(-1)! : chance.pick(runs);
    return `${run}.${chance.between(1, events.length)}`;
  }

  #subscribe(chat: string = this.#options.chance.pick(CHATS), id?: string): void {
    const { clock, chance, history, isCalm } = this.#options;
    const address = `answer?chat=${chat}`;
    const from = id ?? this.#chooseStart(address);
    const fail = (what: string): void => this.#fail(what);
    const checker = new RunChecker({ history, address, from, subscribedAt: clock.now(), fail });
    const slowMs = chance.pick([0, 0, 0, 5, 200]);
    const isAsked = from === 'now' && chance.is(0.5);
    const stop = this.#client.subscribe(
      'answer',
      { chat },
      (payload, info) => {
        this.received += 1;
        checker.event(JSON.stringify(payload), info);
        if (chance.is(0.01)) throw new Error('a handler that throws');
        return slowMs > 0 && !isCalm() && chance.is(0.3) ? clock.sleep(slowMs) : undefined;
      },
      {
        ...(isAsked ? {} : { from }),
        onRun: (begun) => checker.begin(begun),
        onEnd: (end) => checker.end(end),
        onCaughtUp: () => {
          checker.caughtUps += 1;
        },
        onError: () => undefined,
      },
    );
    const reading: Reading = {
      chat,
      checker,
      stop: () => {
        this.#reading.delete(reading);
        stop();
      },
    };
    this.#reading.add(reading);
    stop.ready.then(
      () => checker.ready(),
      (error: LinefeedError) => {
        this.#reading.delete(reading);
        if (error.code !== 'closed') this.#fail(`${address} was refused: ${error.message}`);
      },
    );
  }

  /** Reads one run to its end. */
  async #iterate(): Promise<void> {
    const { chance, clock, history } = this.#options;
    const chat = chance.pick(CHATS);
    const client = this.#client;
    let run: string | undefined;
    let n: number | undefined;
    const fail = (what: string): void => this.#fail(`iterate over answer?chat=${chat}: ${what}`);
    const options = {
      params: { chat },
      from: chance.pick(['start', 'now']),
      onRun: (begun: { run: string }) => (run ??= begun.run),
    };
    const iterator = iterate(client, 'answer', options);
    this.#iterating.add(iterator);
    const quitAt = chance.is(0.2) ? chance.between(1, 10) : undefined;
    const isOpen = (): boolean => client === this.#client && !this.#isClosed;
    try {
      for (;;) {
        const { value, done } = await iterator.next();
        if (done === true) {
          if (!isOpen() || value === undefined) return;
          const end = history.find(`answer?chat=${chat}`, value.run)?.state.end;
          if (end?.outcome !== value.outcome) fail(`${value.outcome}, and the record has ${end?.outcome}`);
          if (n !== undefined && n !== end?.count) fail(`the loop ended after ${n} of ${end?.count} events`);
          return;
        }
        if (n === undefined && options.from === 'start' && value.n !== 1)
          fail(`${value.by}: the first event is ${value.n}`);
        if (n !== undefined && value.n !== n + 1) fail(`${value.by}: ${value.n} came after ${n}`);
        if (run !== undefined && !value.by.startsWith(run)) fail(`an event of ${value.by} came in ${run}`);
        ({ n } = value);
        if (n === quitAt) return void (await iterator.return());
        if (chance.is(0.1)) await clock.sleep(50);
      }
    } catch (error) {
      if (isOpen()) this.#checkError(chat, run, error, fail);
    } finally {
      this.#iterating.delete(iterator);
    }
  }

  #checkError(chat: string, run: string | undefined, error: unknown, fail: (what: string) => void): void {
    const { history } = this.#options;
    const recorded = history.find(`answer?chat=${chat}`, run ?? '');
    const outcome = recorded?.state.end?.outcome;
    const code = LinefeedError.is(error) ? error.code : String(error);
    if (code === 'run_lost' && (outcome === 'lost' || !recorded || !history.isSurelyKept(recorded))) return;
    if (outcome === 'failed' && code === recorded?.state.end?.error?.code) return;
    fail(`${code} for ${run}, and the record has ${outcome}`);
  }

  async #stopRun(): Promise<void> {
    const { chance, history, name } = this.#options;
    const chat = chance.pick(CHATS);
    const address = `answer?chat=${chat}`;
    const runs = history.runsOf(address);
    const run = runs.length > 0 && chance.is(0.5) ? chance.pick(runs).run : undefined;
    const before = history.newestOf(address);
    try {
      const stopped = await this.#client.stop('answer', { chat }, { run, reason: stopReason(run) });
      if (!name.startsWith('ann')) this.#fail(`${address} was stopped without the right to stop it`);
      const fault = isStoppedTruly({ history, address, run, before, stopped });
      if (fault !== undefined) this.#fail(`stop of ${address}: ${fault}`);
    } catch (error) {
      if (!LinefeedError.is(error)) this.#fail(`stop of ${address}: ${String(error)}`);
    }
  }

  #fail(what: string): void {
    this.#options.fail(`${this.#options.name}: ${what}`);
  }
}
