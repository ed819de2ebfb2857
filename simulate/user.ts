/** One page with the real client: it subscribes, unsubscribes and handles slowly, and all its events are checked. */
import { createClient, fetchTransport, persistCursor, type Client } from '@linefeed/client';
import type { LinefeedError } from '@linefeed/shared';
import type { Gap } from '@linefeed/shared/wire';
import { createTab, type Tab } from '../packages/client/src/lib/tabs/leader-election.ts';
import type { BrowserTab } from '../packages/client/test/browser.ts';
import type { Clock as ClientClock } from '../packages/client/src/lib/base/clock.ts';
import { ADDRESSES, MOODS, type Board, type Mood } from './board.ts';
import { createChecker, type Checker } from './checker.ts';
import { clockOfTab, type Chance, type SimClock } from './clock.ts';
import type { WorldLog } from './world-log.ts';
import { Readings } from './readings.ts';
import type { RunBook } from './sources.ts';
import { chooseStart } from './start.ts';
import type { Traits } from './traits.ts';

export interface UserOptions {
  readonly name: string;
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly log: WorldLog;
  readonly traits: Traits;
  readonly runs: RunBook;
  readonly fetch: typeof globalThis.fetch;
  readonly fail: (what: string) => void;
  /** Set if it shares a connection with users of the same identity, in a tab of one browser. */
  readonly shared?: { readonly identity: string; readonly tab: BrowserTab } | undefined;
}

/** A subscription that must be complete in the end. */
interface Following {
  readonly checker: Checker;
  readonly address: string;
  /** It starts now at an address of `keep: 'latest'`, so it gets the newest value first. */
  readonly getsNewest: boolean;
  readonly stop: () => void;
}

/** Maximum number of streams that a user reads at a time. */
const MAX_STREAMS = 2;

export class User {
  readonly name: string;
  readonly #options: UserOptions;
  readonly #time: ClientClock;
  #client: Client<Board>;
  readonly #sharing: Tab | undefined;
  readonly tab: BrowserTab | undefined;
  readonly #following = new Set<Following>();
  readonly #leftAt = new Map<string, number>();
  // Addresses that resumed from a kept cursor, past their newest value. Later subscriptions may share that start.
  #resumed: ReadonlySet<string> = new Set();
  readonly #readings: Readings;
  /** Storage that survives a reload. */
  readonly #stored = new Map<string, string>();
  #subscriptions = 0;
  #acts = 0;
  #isSubscribing = false;
  closed = false;

  constructor(options: UserOptions) {
    const { name, clock, shared } = options;
    this.name = name;
    this.#options = options;
    this.tab = shared?.tab;
    const time = this.tab === undefined ? clock.client : clockOfTab(clock, this.tab);
    this.#sharing =
      shared &&
      createTab({
        base: fetchTransport(),
        name: shared.identity,
        clock: time,
        connectTimeoutMs: 10_000,
        surroundings: shared.tab.surroundings,
      });
    this.#time = time;
    this.#client = this.#openClient();
    this.#readings = new Readings({ ...options, fail: (what) => this.#fail(what) });
  }

  #openClient(): Client<Board> {
    const { name, chance, traits, fetch, shared } = this.#options;
    return createClient<Board>({
      url: 'http://sim.test/events',
      fetch,
      headers: { user: shared?.identity ?? name },
      transport: this.#sharing?.transport,
      clock: this.#time,
      retry: { baseMs: 200, floorMs: 20, capMs: 2_000 },
      maxQueuedEvents: chance.pick([5, 50, 1_000]),
      lingerMs: chance.pick(traits.unsureAuthorize ? [1_000] : [0, 100, 1_000]),
      persist: traits.reloads
        ? persistCursor({
            storage: {
              getItem: (key) => this.#stored.get(key) ?? null,
              setItem: (key, value) => void this.#stored.set(key, value),
            },
          })
        : undefined,
      onError: ({ code, message }) => {
        // A promise of the server: every missing event was announced.
        if (code === 'hole') this.#fail(`the client found a hole: ${message}`);
        if (code === 'protocol' || code === 'invalid_json') this.#fail(`${code}: ${message}`);
      },
    });
  }

  get received(): number {
    return [...this.#following].reduce((sum, { checker }) => sum + checker.count, 0);
  }

  /** Performs one random action of a page. */
  act(): void {
    const { chance, traits } = this.#options;
    this.#acts += 1;
    if (traits.streamsFirst && this.#acts <= 3) {
      if (this.#readings.size === 0) this.#read(chance.pick(['steady', 'deaf', 'pending']));
      return;
    }
    const roll = chance();
    if (this.#following.size === 0 || roll < 0.45) {
      this.#subscribe();
      // A page may subscribe to several addresses at once.
      if (chance.is(0.2)) this.#subscribe();
    } else if (roll < 0.72) this.#stop(chance.pick([...this.#following]));
    else if (roll < 0.86) {
      if (this.#readings.size < MAX_STREAMS) this.#read(traits.wildSources ? chance.pick(MOODS) : 'steady');
      else this.#readings.leaveOne();
    } else if (roll < 0.93 && traits.reloads) this.#reload();
    else this.#client.reconnect();
  }

  close(): void {
    this.closed = true;
    this.#readings.leaveAll();
    this.#client.close();
    this.#sharing?.close();
    this.#following.clear();
  }

  /** Checks, after a time without publishes, that each newest value has arrived. */
  checkNewest(): void {
    for (const { checker, address, getsNewest } of this.#following) {
      if (getsNewest && !checker.isCurrent()) this.#fail(`${address}: the newest value did not come`);
    }
  }

  /** Checks that nothing is missing in the end. */
  checkEnd(): void {
    const { state, reason } = this.#client.connection.getSnapshot();
    for (const { checker, address } of this.#following) {
      if (!checker.isCurrent())
        this.#fail(`${address}: the newest event never came (connection ${state}, ${reason})`);
    }
    for (const mood of this.#readings.endless())
      this.#fail(`steps: a source that is ${mood} never came to an end (connection ${state}, ${reason})`);
  }

  /** A handler or hook calls the client that called it. */
  #meddle(stop: () => void): void {
    const { chance, log, traits } = this.#options;
    if (this.closed || log.calm || !traits.actingHooks || !chance.is(0.05)) return;
    chance.pick([
      stop,
      () => this.#subscribe(),
      () => this.#client.reconnect(),
      () => [...this.#following].at(-1)?.stop(),
    ])();
  }

  /** It unsubscribes an address. Some subscribe again a moment later, most often over another connection. */
  #stop({ address, stop }: Following): void {
    const { chance, clock, traits } = this.#options;
    stop();
    if (!chance.is(traits.unsureAuthorize ? 0.8 : 0.3)) return;
    if (chance.is(0.7)) this.#client.reconnect();
    clock.after(chance.between(0, 1_000), () => {
      if (!this.closed) this.#subscribe(ADDRESSES.find((target) => target.address === address));
    });
  }

  /** The page is reloaded: it subscribes in one tick to its former addresses. */
  #reload(): void {
    const { chance } = this.#options;
    if (this.tab) return;
    this.#readings.leaveAll();
    this.#following.clear();
    this.#client.close();
    this.#client = this.#openClient();
    const [kept, ...addresses] = [...this.#stored.values()].join().split(' ');
    this.#resumed = new Set(addresses);
    for (const target of ADDRESSES.filter(({ address }) => addresses.includes(address))) {
      // A subscription with its own `from` leaves the kept cursor to the next one.
      if (chance.is(0.3)) this.#subscribe(target, { from: chance.pick(['now', 'earliest']) });
      this.#subscribe(target, { kept });
    }
  }

  #fail(what: string): void {
    this.#options.fail(`${this.name}: ${what}`);
  }

  #subscribe(
    target = this.#options.chance.pick(ADDRESSES),
    start?: { from?: string; kept?: string | undefined },
  ): void {
    const { chance, clock, log } = this.#options;
    const { address, keep } = target;
    const number = (this.#subscriptions += 1);
    const fail = (what: string): void => this.#fail(`#${number} ${what}`);
    const from = start === undefined ? chooseStart(target.address, this.#options) : start.from;
    const checker = createChecker({ log, address, keep, rule: 'exact', from: start?.kept ?? from, fail });
    const startedAt = clock.now();
    // A subscription that joins a present or lingering address of this page may get the events of the others.
    const isJoining =
      [...this.#following].some((other) => other.address === address) ||
      (this.#leftAt.get(address) ?? -Infinity) > startedAt - log.lagMs;
    let gaps = 0;
    // Matches the end and the beginning: a random epoch may contain these letters.
    const isUseless = from !== undefined && /\.zzzzzzzzz$|^anotherepoch\./.test(from);
    const slowMs = chance.pick([0, 0, 0, 5, 200]);

    const stopOwn = (): void => following.stop();
    const handler = (payload: { n: number }, info: { cursor: string | undefined }): unknown => {
      if (this.#isSubscribing) fail('a handler was called within subscribe()');
      if (!this.name.startsWith('ann') && address === 'secret') fail('an event that is not allowed');
      const data = JSON.stringify(payload);
      const [epoch, position] = (info.cursor ?? '').split('.');
      const published = log.history
        .get(epoch!)
        ?.get(address)
        ?.find((one) => one.position === parseInt(position!, 36));
      if (
        from === undefined &&
        start?.kept === undefined &&
        // On a shared connection, `now` is the position of that connection.
        !this.tab &&
        !isJoining &&
        gaps === 0 &&
        keep === 'all' &&
        published &&
        published.at < startedAt - log.lagMs
      ) {
        fail(`${info.cursor} is older than the subscription`);
      }
      if (isUseless && gaps === 0) fail(`${info.cursor} came after ${from} without a gap`);
      checker.event(info.cursor, data);
      this.#meddle(stopOwn);
      if (chance.is(0.01)) throw new Error('a handler that throws');
      if (slowMs > 0 && chance.is(0.3)) return clock.sleep(slowMs);
      return undefined;
    };
    const options = {
      ...(from === undefined ? {} : { from }),
      onGap: (gap: Gap): unknown => {
        gaps += 1;
        if (this.#isSubscribing) fail('onGap was called within subscribe()');
        checker.gap(gap);
        this.#meddle(stopOwn);
        return chance.is(0.3) ? clock.sleep(chance.between(0, 100)) : undefined;
      },
      onError: () => undefined,
    };
    const wasSubscribing = this.#isSubscribing;
    this.#isSubscribing = true;
    const stop =
      target.topic === 'room' || target.topic === 'price'
        ? this.#client.subscribe(target.topic, target.params as never, handler, options)
        : this.#client.subscribe(target.topic, handler, options);
    this.#isSubscribing = wasSubscribing;
    const following: Following = {
      checker,
      address,
      getsNewest: keep === 'latest' && !this.#resumed.has(address) && (from === undefined || from === 'now'),
      stop: () => {
        this.#following.delete(following);
        this.#leftAt.set(address, clock.now());
        stop();
      },
    };
    this.#following.add(following);
    stop.ready.then(
      () => {
        // From here on no event may be missing, even if delivery starts earlier.
        if (from === undefined && keep === 'all') checker.startNow();
      },
      (error: LinefeedError) => {
        this.#following.delete(following);
        const isExpected = error.code === 'closed' || (address === 'secret' && !this.name.startsWith('ann'));
        if (!isExpected) fail(`${address} was refused: ${error.message}`);
      },
    );
  }

  #read(mood: Mood): void {
    this.#readings.read(this.#client, mood, `${this.name}-${(this.#subscriptions += 1)}`);
  }
}
