/** One page with the real client: it subscribes, changes its mind, handles slowly, and is checked on all it sees. */
import { createClient, fetchTransport, type Client } from '@linefeed/client';
import { createTab, type Tab } from '../packages/client/src/lib/share/tab.ts';
import type { BrowserTab } from '../packages/client/test/browser.ts';
import { ADDRESSES, type Board, type LoggedAddress } from './board.ts';
import { createChecker, type Checker } from './checker.ts';
import type { Chance, SimClock } from './clock.ts';
import type { SimLog } from './log.ts';

export interface UserOptions {
  readonly name: string;
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly log: SimLog;
  readonly fetch: typeof globalThis.fetch;
  readonly fail: (what: string) => void;
  /** It shares a connection with others of its identity, in a tab of one browser. */
  readonly shared?: { readonly identity: string; readonly tab: BrowserTab } | undefined;
}

/** A subscription that is to have everything in the end. */
interface Following {
  readonly checker: Checker;
  readonly address: string;
  readonly stop: () => void;
}

/** How long an event may have been in the log before a subscription that starts now, and still reach it. */
const NOW_SLACK_MS = 2_000;

export class User {
  readonly name: string;
  readonly #options: UserOptions;
  readonly #client: Client<Board>;
  readonly #sharing: Tab | undefined;
  readonly tab: BrowserTab | undefined;
  readonly #following = new Set<Following>();
  readonly #leftAt = new Map<string, number>();
  #subscriptions = 0;
  #streams = 0;
  closed = false;

  constructor(options: UserOptions) {
    const { name, clock, chance, fetch, shared } = options;
    this.name = name;
    this.#options = options;
    this.tab = shared?.tab;
    const { tab } = this;
    const time = tab
      ? {
          ...clock.client,
          after(ms: number, task: () => void) {
            // A timer that is due waits for a frozen tab, and can still be cancelled.
            let isSet = true;
            const cancel = clock.after(ms, () => tab.run(() => isSet && task()));
            return () => {
              isSet = false;
              cancel();
            };
          },
        }
      : clock.client;
    this.#sharing =
      shared &&
      createTab({
        base: fetchTransport(),
        name: shared.identity,
        clock: time,
        connectTimeoutMs: 10_000,
        surroundings: shared.tab.surroundings,
      });
    this.#client = createClient<Board>({
      url: 'http://sim.test/events',
      fetch,
      headers: { user: shared?.identity ?? name },
      transport: this.#sharing?.transport,
      clock: time,
      retry: { baseMs: 200, floorMs: 20, capMs: 2_000 },
      maxQueuedEvents: chance.pick([5, 50, 1_000]),
      lingerMs: chance.pick([0, 100, 1_000]),
      onError: (error) => {
        // The server's own promise: whatever is missing was announced.
        if (error.code === 'hole') this.#fail(`the client found a hole: ${error.message}`);
        if (error.code === 'protocol' || error.code === 'invalid_json')
          this.#fail(`${error.code}: ${error.message}`);
      },
    });
  }

  get received(): number {
    return [...this.#following].reduce((sum, { checker }) => sum + checker.count, 0);
  }

  /** Does something that a page may do. */
  act(): void {
    const { chance } = this.#options;
    const roll = chance();
    if (this.#following.size === 0 || roll < 0.45) this.#subscribe();
    else if (roll < 0.72) chance.pick([...this.#following]).stop();
    else if (roll < 0.86 && this.#streams < 2) void this.#iterate();
    else this.#client.reconnect();
  }

  close(): void {
    this.closed = true;
    this.#client.close();
    this.#sharing?.close();
    this.#following.clear();
  }

  /** What is still owed to this user. */
  checkEnd(): void {
    for (const { checker, address } of this.#following) {
      if (checker.isCurrent()) continue;
      const { state, reason } = this.#client.connection.getSnapshot();
      this.#fail(`${address}: the newest event never came (connection ${state}, ${reason})`);
    }
  }

  #fail(what: string): void {
    this.#options.fail(`${this.name}: ${what}`);
  }

  #subscribe(): void {
    const { chance, clock, log } = this.#options;
    const target = chance.pick(ADDRESSES);
    const { address, keep } = target;
    const number = (this.#subscriptions += 1);
    const fail = (what: string): void => this.#fail(`#${number} ${what}`);
    const from = this.#chooseFrom(target);
    const checker = createChecker({ log, address, keep, rule: 'exact', from, fail });
    const startedAt = clock.now();
    // Who joins an address that this page has, or had a moment ago, gets what the others get.
    const isJoining =
      [...this.#following].some((other) => other.address === address) ||
      (this.#leftAt.get(address) ?? -Infinity) > startedAt - NOW_SLACK_MS;
    let gaps = 0;
    // By its end and its beginning: an epoch is made by chance, and may have such letters in it.
    const isUseless = from !== undefined && /\.zzzz$|^anotherepoch\./.test(from);
    const slowMs = chance.pick([0, 0, 0, 5, 200]);

    const handler = (payload: { n: number }, info: { id: string | undefined }): unknown => {
      if (!this.name.startsWith('ann') && address === 'secret') fail('an event that is not allowed');
      const data = JSON.stringify(payload);
      const [epoch, position] = (info.id ?? '').split('.');
      const published = log.history
        .get(epoch!)
        ?.get(address)
        ?.find((one) => one.position === parseInt(position!, 36));
      if (
        from === undefined &&
        // Who shares a connection starts where that stands.
        !this.tab &&
        !isJoining &&
        gaps === 0 &&
        keep === 'all' &&
        published &&
        published.at < startedAt - NOW_SLACK_MS
      ) {
        fail(`${info.id} is older than the subscription`);
      }
      if (isUseless && gaps === 0) fail(`${info.id} came behind ${from} without a gap`);
      checker.event(info.id, data);
      if (chance.is(0.01)) throw new Error('a handler that throws');
      if (slowMs > 0 && chance.is(0.3)) return clock.sleep(slowMs);
      return undefined;
    };
    const options = {
      ...(from === undefined ? {} : { from }),
      onGap: (gap: { from: string; to: string }): unknown => {
        gaps += 1;
        checker.gap(gap);
        return chance.is(0.3) ? clock.sleep(chance.between(0, 100)) : undefined;
      },
      onError: () => undefined,
    };
    const stop =
      target.topic === 'room' || target.topic === 'price'
        ? this.#client.subscribe(target.topic, target.params as never, handler, options)
        : this.#client.subscribe(target.topic, handler, options);
    const following: Following = {
      checker,
      address,
      stop: () => {
        this.#following.delete(following);
        this.#leftAt.set(address, clock.now());
        stop();
      },
    };
    this.#following.add(following);
    stop.ready.then(
      () => {
        // From here on nothing may be missing; where it starts earlier, not from there either.
        if (from === undefined && keep === 'all') checker.start(`${log.epoch}.${log.position()}`);
      },
      () => this.#following.delete(following),
    );
  }

  #chooseFrom({ address }: LoggedAddress): string | undefined {
    const { chance, log } = this.#options;
    if (chance.is(0.6)) return undefined;
    if (chance.is(0.3)) return 'earliest';
    const known = log.history.get(log.epoch)?.get(address) ?? [];
    const old = known.length === 0 ? undefined : chance.pick(known);
    return chance.pick([
      'now',
      ...(old === undefined ? [] : [`${log.epoch}.${old.position.toString(36)}`]),
      `${log.epoch}.zzzz`,
      'anotherepoch.1a',
    ]);
  }

  async #iterate(): Promise<void> {
    const { chance, clock } = this.#options;
    this.#streams += 1;
    const to = chance.between(1, 30);
    const quitAt = chance.is(0.2) ? chance.between(1, to) : undefined;
    let next = 1;
    try {
      for await (const { step } of this.#client.iterate('steps', { params: { to } })) {
        if (step !== next) this.#fail(`steps: ${step} came where ${next} was due`);
        next = step + 1;
        if (chance.is(0.1)) await clock.sleep(50);
        if (step === quitAt) return;
      }
      if (!this.closed && next !== to + 1) this.#fail(`steps: ended behind ${next - 1} of ${to}`);
    } catch (error) {
      if (!this.closed) this.#fail(`steps: ${String(error)}`);
    } finally {
      this.#streams -= 1;
    }
  }
}
