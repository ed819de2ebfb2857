/** The log of a simulated world on a server: each node has the real `RemoteLog`, and the server fails as servers do. */
import type { Appended, Log } from '@linefeed/server';
import { BEGINNING } from '@linefeed/shared/wire';
import { openRemoteLog } from '../packages/server/src/lib/log/remote/remote-log.ts';
import { sequenceOf, tagOf } from '../packages/server/src/lib/log/remote/position.ts';
import type {
  AppendBatch,
  BatchAnswer,
  CallContext,
} from '../packages/server/src/lib/log/remote/remote-store.ts';
import { MemoryServer, type Backup } from '../packages/server/test-kit/memory-server.ts';
import { MemoryStore } from '../packages/server/test-kit/memory-store.ts';
import { ADDRESSES } from './board.ts';
import type { Chance, SimClock } from './clock.ts';
import { Lineage, type Head } from './lineage.ts';
import { SimStore } from './remote-store.ts';
import type { History, Place, WorldLog } from './world-log.ts';

export interface RemoteWorldLogOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly fail: (what: string) => void;
  /** A number that no event has yet. */
  readonly nextNumber: () => number;
}

/** A replica or a backup: an earlier state of the log. */
interface Copy {
  readonly data: Backup;
  readonly head: Head;
}

const MAX_COPIES = 6;
/** Largest page, like that of the other log of a world. */
const MAX_PAGE = 30;

export class RemoteWorldLog implements WorldLog {
  /** The server may be away for some time. */
  readonly lagMs = 40_000;
  readonly #options: RemoteWorldLogOptions;
  readonly #lineage = new Lineage();
  readonly #server: MemoryServer;
  readonly #waitMs: number;
  readonly #stores = new Set<SimStore>();
  /** For each open node: cursors that it has returned to a publisher. */
  readonly #returned = new Map<SimStore, Set<string>>();
  #calm = false;
  #copies: Copy[] = [];
  #tip = BEGINNING;
  #foreign = 0;

  constructor(options: RemoteWorldLogOptions) {
    const { chance } = options;
    this.#options = options;
    this.#server = this.#createServer(chance.pick([12, 40, 300]));
    this.#waitMs = chance.pick([2_000, 10_000]);
    this.#server.head(this.#outsider());
  }

  get calm(): boolean {
    return this.#calm;
  }

  set calm(calm) {
    this.#calm = calm;
    this.#server.start();
  }

  get epoch(): string {
    return this.#server.epoch ?? '';
  }

  get history(): History {
    return this.#lineage.history;
  }

  // The server --------------------------------------------------------------------------------------------------------

  /** After each call the checker knows what the log on the server contains. */
  #createServer(maxEvents: number): MemoryServer {
    const { clock } = this.#options;
    const server = new MemoryServer({ maxEvents, random: clock.server.random });
    for (const name of ['read', 'head', 'follow', 'contains'] as const) {
      const perform = server[name].bind(server) as (...args: unknown[]) => unknown;
      server[name] = ((...args: unknown[]) => {
        const answer = perform(...args);
        this.#lineage.move(this.#lineage.head, this.epoch);
        return answer;
      }) as never;
    }
    const append = server.append.bind(server);
    server.append = (batch, context) => {
      const answer = append(batch, context);
      this.#onAppended(batch, answer);
      return answer;
    };
    return server;
  }

  #onAppended({ appends }: AppendBatch, { before, after, outcomes }: BatchAnswer): void {
    const { clock, chance, fail } = this.#options;
    this.#lineage.move(this.#lineage.head, after.epoch);
    // The answer of a repeat: nothing was appended.
    if (before.position === after.position) return;
    for (const [index, { entries, idempotencyKey }] of appends.entries()) {
      const outcome = outcomes[index]!;
      if (outcome instanceof Error || outcome.duplicate) continue;
      const first = sequenceOf(outcome.position) - entries.length + 1;
      for (const [offset, { address, data }] of entries.entries()) {
        const position = parseInt((first + offset).toString(36) + tagOf(outcome.position), 36);
        const isAgain = this.#lineage.add({ address, data, position, at: clock.now() }, after.epoch);
        // A key is forgotten with its event.
        if (isAgain && idempotencyKey === undefined) fail(`${address}: ${data} was appended twice`);
      }
    }
    this.#tip = after.position;
    if (!this.calm && chance.is(0.04)) this.#copy();
  }

  #copy(): void {
    this.#copies.push({ data: this.#server.backUp(), head: this.#lineage.head });
    if (this.#copies.length > MAX_COPIES)
      this.#copies.splice(this.#options.chance.between(0, MAX_COPIES - 1), 1);
  }

  /** The context of a call from outside of the world: it knows nothing. */
  #outsider(): CallContext {
    const { clock } = this.#options;
    const nextEpoch = `new${Math.floor(clock.server.random() * 36 ** 8).toString(36)}`;
    const { signal } = new AbortController();
    return { known: { epoch: '', position: BEGINNING }, nextEpoch, wallNow: clock.server.wallNow(), signal };
  }

  // Faults ------------------------------------------------------------------------------------------------------------

  startAnew(): void {
    if (this.calm) return;
    this.#server.restore(undefined);
    this.#tip = BEGINNING;
    this.#lineage.move(undefined, '');
    // Some process creates it again at once.
    if (this.#options.chance.is(0.5)) this.#refill(this.#options.chance.between(0, 30));
  }

  /** A failover to a replica that lags, or to a replica of long ago. */
  rollBack(count: number): void {
    const { chance } = this.#options;
    const copy = count > 10 ? chance.pick(this.#copies) : this.#copies.at(-1);
    if (this.calm || copy === undefined) return;
    const { position: before = 0 } = this.#lineage.head ?? {};
    this.#server.restore(copy.data);
    const { position: after = 0 } = copy.head ?? {};
    this.#lineage.move(copy.head, this.epoch);
    this.#tip = after === 0 ? BEGINNING : after.toString(36);
    const lost = sequenceOf(before.toString(36)) - sequenceOf(this.#tip);
    // Another process appends before anyone looks: the log may be as long as before, or longer.
    if (chance.is(0.6)) this.#refill(Math.max(0, lost) + chance.pick([-1, 0, 0, 1, 5]));
  }

  #refill(count: number): void {
    const { chance, nextNumber } = this.#options;
    if (this.#server.fault !== undefined) return;
    for (let index = 0; index < count; index += 1) {
      const { address, keep } = chance.pick(ADDRESSES);
      const entries = [{ address, keep, data: JSON.stringify({ n: nextNumber() }) }];
      this.#foreign += 1;
      this.#server.append(
        {
          appends: [{ entries, idempotencyKey: undefined }],
          writer: 'outside',
          number: this.#foreign,
        },
        this.#outsider(),
      );
    }
  }

  /** The tails are cut off while events are appended, more than the log may hold. */
  overrun(): void {
    if (this.calm) return;
    for (const store of this.#stores) store.cut();
    this.#refill(this.#options.chance.between(10, 60));
  }

  /** The server or a connection fails for some time. */
  fail(): void {
    const { clock, chance } = this.#options;
    if (this.calm) return;
    if (chance.is(0.5) && this.#stores.size > 0) return chance.pick([...this.#stores]).cut();
    if (this.#server.fault !== undefined) return;
    this.#server.stop();
    clock.after(chance.pick([50, 500, 3_000, 12_000]), () => this.#server.start());
  }

  // The nodes ---------------------------------------------------------------------------------------------------------

  async open(): Promise<Log> {
    const { clock, chance } = this.#options;
    const returned = new Set<string>();
    const store: SimStore = new SimStore({
      store: new MemoryStore(this.#server, clock.server),
      clock,
      chance,
      isCalm: () => this.calm,
      onClose: () => {
        this.#stores.delete(store);
        this.#returned.delete(store);
      },
    });
    const log = await openRemoteLog(store, { clock: clock.server, waitMs: this.#waitMs });
    this.#stores.add(store);
    this.#returned.set(store, returned);
    const read = log.read.bind(log);
    log.read = (query) => read({ ...query, limit: Math.min(query.limit, chance.between(1, MAX_PAGE)) });
    const append = log.append.bind(log);
    log.append = async (entries, options): Promise<Appended> => {
      const appended = await append(entries, options);
      returned.add(`${appended.epoch}.${appended.position}`);
      return appended;
    };
    return log;
  }

  /** A node that has returned an event must notice its loss. */
  checkEnd(): void {
    for (const returned of this.#returned.values()) {
      for (const cursor of returned) {
        const [epoch, position] = cursor.split('.');
        if (this.isLost({ epoch: epoch!, position: parseInt(position!, 36) }))
          this.#options.fail(`${cursor} was returned by a node, and its loss was not noticed`);
      }
    }
  }

  // The checker -------------------------------------------------------------------------------------------------------

  tip(): string {
    return this.#tip;
  }

  somePosition(): string {
    const { chance } = this.#options;
    const lists = [...(this.history.get(this.epoch)?.values() ?? [])];
    return lists.length === 0 ? BEGINNING : chance.pick(chance.pick(lists)).position.toString(36);
  }

  newestOf(address: string): number {
    return this.#lineage.newestOf(address);
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

  countUpTo(address: string, after: Place, through: Place): number {
    return this.#lineage.countUpTo(address, after, through);
  }

  isContinued(earlier: Place, later: Place): boolean {
    return this.#lineage.isContinued(earlier, later);
  }

  isLost({ epoch, position }: Place): boolean {
    return epoch === this.epoch && !this.#lineage.contains(position);
  }
}
