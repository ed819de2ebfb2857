/** The runs of a world: their store, the links of the nodes to it, their readers, and what happens to them. */
import { CHATS, type WorldFeed } from './board.ts';
import { createChance, type Chance, type SimClock } from './clock.ts';
import { RunHistory } from './run-history.ts';
import { RunLink } from './run-link.ts';
import { RunStarter } from './run-starter.ts';
import { RunUser } from './run-user.ts';

export interface RunWorldOptions {
  readonly seed: number;
  readonly clock: SimClock;
  readonly isCalm: () => boolean;
  readonly fetch: typeof globalThis.fetch;
  /** Opens a node that no client reaches. */
  readonly openNode: () => Promise<WorldFeed>;
  /** Stops a node. It may be one that clients reach. */
  readonly stopNode: (node: WorldFeed) => void;
  readonly fail: (what: string) => void;
}

export const RUN_LEASE_MS = 2_000;
/** Time of calls in a calm world: some calls with the longest latency, and a poll. */
const SLACK_MS = 2_000;
const MAX_USERS = 3;

export class RunWorld {
  readonly history: RunHistory;
  readonly keepMs: number;
  readonly #options: RunWorldOptions;
  readonly #chance: Chance;
  readonly #starter: RunStarter;
  readonly #links = new Map<WorldFeed, RunLink>();
  readonly #users = new Set<RunUser>();
  #visitors = 0;

  constructor(options: RunWorldOptions) {
    const { seed, clock, fail } = options;
    const chance = createChance(seed);
    this.#options = options;
    this.#chance = chance;
    this.keepMs = chance.pick([6_000, 15_000, 300_000]);
    this.history = new RunHistory(clock, fail);
    this.#starter = new RunStarter({ clock, chance, history: this.history, keepMs: this.keepMs, fail });
  }

  /** The store of runs for one node. */
  link(): RunLink {
    const { clock, isCalm } = this.#options;
    return new RunLink({ store: this.history.store, clock, chance: this.#chance, isCalm });
  }

  /** The node has this link. */
  join(node: WorldFeed, link: RunLink): void {
    this.#links.set(node, link);
  }

  step(nodes: readonly WorldFeed[]): void {
    const chance = this.#chance;
    const roll = chance();
    if (roll < 0.3) {
      const isFull = this.#users.size === MAX_USERS || (this.#users.size > 0 && chance.is(0.7));
      if (isFull) chance.pick([...this.#users]).act();
      else this.#enter(chance.pick(['ann', 'bob']));
    } else if (roll < 0.33 && this.#users.size > 1) this.#leave(chance.pick([...this.#users]));
    else if (nodes.length === 0) return;
    else if (roll < 0.5) this.#starter.startSome(nodes);
    else if (roll < 0.58) void this.#starter.stopSome(chance.pick(nodes));
    else if (roll < 0.63) {
      const ms = chance.pick([200, RUN_LEASE_MS, 2.5 * RUN_LEASE_MS, 4 * RUN_LEASE_MS]);
      this.#links.get(chance.pick(nodes))?.pause(ms);
    } else if (roll < 0.65) this.#kill(chance.pick(nodes));
  }

  #kill(node: WorldFeed): void {
    this.#links.get(node)?.kill();
    this.#options.stopNode(node);
  }

  #enter(identity: string): void {
    const { clock, fetch, isCalm, fail } = this.#options;
    this.#visitors += 1;
    const name = `${identity}-r${this.#visitors}`;
    const user = new RunUser({
      name,
      clock,
      chance: this.#chance,
      history: this.history,
      isCalm,
      fetch,
      fail,
    });
    this.#users.add(user);
  }

  #leave(user: RunUser): void {
    user.close();
    this.#users.delete(user);
  }

  /** The world has been calm for some time. Some more runs end in the ways that have a time limit. */
  async end(nodes: readonly WorldFeed[]): Promise<void> {
    const { clock } = this.#options;
    // The first look after its lease ends a run.
    void nodes[0]!.runs('answer');
    await clock.advance(SLACK_MS);
    this.#starter.checkEnd();
    if (this.#users.size === 0) this.#enter('ann');
    const [user] = this.#users;
    user!.readAll();
    await clock.advance(SLACK_MS);
    await this.#checkDeath();
    await this.#checkStop(nodes);
    for (const chat of CHATS) void this.#starter.start(nodes[0]!, chat, 'steady', { whenBusy: 'refuse' });
    await clock.advance(40_000);
    this.#starter.checkEnd();
    for (const each of this.#users) each.checkEnd();
  }

  get received(): number {
    return [...this.#users].reduce((sum, { received }) => sum + received, 0);
  }

  close(): void {
    for (const user of this.#users) this.#leave(user);
  }

  /** The producer dies: all readers learn it within the lease and a second. */
  async #checkDeath(): Promise<void> {
    const { clock, openNode, fail } = this.#options;
    const node = await openNode();
    const starting = this.#starter.start(node, 'a', 'endless');
    await clock.advance(SLACK_MS);
    const run = await starting;
    if (run === undefined) return fail('no run started in a calm world');
    this.#kill(node);
    await clock.advance(Math.max(0, this.history.leaseEndsAt('answer?chat=a') - clock.now()) + 1_000 + 200);
    const { end } = this.history.find('answer?chat=a', run)!.state;
    if (end?.outcome !== 'lost') fail(`${run} is not lost, although its producer died`);
    await clock.advance(SLACK_MS);
  }

  /** A stop by another node is answered when the producer has recorded the end, within a second. */
  async #checkStop(nodes: readonly WorldFeed[]): Promise<void> {
    const { clock, fail } = this.#options;
    void this.#starter.start(nodes[0]!, 'b', 'endless');
    await clock.advance(SLACK_MS);
    let isStopped = false;
    void this.#starter.stop(nodes.at(-1)!, 'b').then((stopped) => (isStopped = stopped));
    await clock.advance(1_000 + 1_000);
    if (!isStopped) fail('a stop in a calm world was not answered within two seconds');
  }
}
