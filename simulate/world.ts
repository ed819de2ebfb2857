/** A world from a seed: nodes on one log, a bad network, users, publishers; and the violations found. */
import type { Log } from '@linefeed/server';
import { createBrowser } from '../packages/client/test/browser.ts';
import { actOfBrowser } from './browser-actions.ts';
import { ADDRESSES, type WorldFeed } from './board.ts';
import { createChance, createSimClock } from './clock.ts';
import { Session } from './session.ts';
import { leftovers, startCounting } from './leaks.ts';
import { SimLog } from './log.ts';
import { createNetwork } from './network.ts';
import { createNode, disconnect, isLogFailure, MAX_BUFFERED_BYTES } from './node.ts';
import { RemoteWorldLog } from './remote-log.ts';
import { PlainUser } from './plain-user.ts';
import { RunWorld, RUN_LEASE_MS } from './run-world.ts';
import { createPublisher } from './publisher.ts';
import type { RunBook } from './sources.ts';
import { drawTraits } from './traits.ts';
import { User } from './user.ts';
import { createWireChecker, type WireChecker } from './wire.ts';
import type { WorldLog } from './world-log.ts';
import type { Outcome, WorldOptions } from './world-options.ts';

const NODES = 2;
/** On top of the bound: a page of at most 30 events of 80 bytes, and the control frames of one user's list. */
const MAX_PAGE_BYTES = 2_400;
const MAX_LIST_BYTES = 3_600;
/** One batch of a producer whose store was away. */
const MAX_RUN_PAGE_BYTES = 40_000;
const STEPS = 140;
const MAX_USERS = 4;

/** Runs a world to its end. The same seed gives the same run. */
export async function runWorld(
  seed: number,
  { tabs = false, needed = {}, say = () => undefined, bail = false }: WorldOptions = {},
): Promise<Outcome> {
  const chance = createChance(seed);
  const clock = createSimClock(createChance(seed + 1));
  const violations: string[] = [];
  let published = 0;
  const fail = (what: string): void => {
    violations.push(`at ${clock.now()} ms: ${what}`);
    say(violations.at(-1)!);
  };
  const traits = drawTraits(createChance(seed + 2), needed);
  const log: WorldLog = traits.remoteLog
    ? new RemoteWorldLog({ clock, chance, fail, nextNumber: () => (published += 1) })
    : new SimLog(clock, chance, traits.slowLog);
  const publishTo = createPublisher({ chance, log, fail });
  const wires = new Map<number, WireChecker>();
  const runs: RunBook = new Map();
  /** All nodes, including closed ones. */
  const opened: WorldFeed[] = [];
  startCounting();
  const nodes: Array<WorldFeed | undefined> = Array.from({ length: NODES });
  const logs = new Map<WorldFeed, Log>();
  const starting = new Set<number>();
  const network = createNetwork({
    clock,
    chance,
    route: () => {
      const up = nodes.filter((node) => node !== undefined);
      return up.length === 0 ? undefined : chance.pick(up);
    },
    watch: wireOf,
    sinksThrow: traits.throwingSinks,
    trace: (what) => say(`${Math.round(clock.now())} ${what}`),
    onBuffered: (bytes) => {
      // Tabs that share a connection may request all their lists at once.
      const lists = tabs ? MAX_USERS : 1;
      const runs = traits.runs ? MAX_RUN_PAGE_BYTES : 0;
      if (bytes > MAX_BUFFERED_BYTES + MAX_PAGE_BYTES + lists * MAX_LIST_BYTES + runs)
        fail(`${bytes} bytes wait for one reader`);
    },
  });
  const runWorld = traits.runs
    ? new RunWorld({
        seed: seed + 3,
        clock,
        isCalm: () => network.calm,
        fetch: network.fetch,
        openNode: async () => openNode(await log.open()),
        stopNode(node) {
          const index = nodes.indexOf(node);
          void stopNode(node);
          if (index < 0) return;
          nodes[index] = undefined;
          clock.after(chance.between(0, 3_000), () => void startNode(index));
        },
        fail,
      })
    : undefined;
  const users = new Set<User | PlainUser | Session>();
  // The users of one identity are tabs of one browser, and share a connection.
  const browser = tabs ? createBrowser() : undefined;
  let visitors = 0;

  function wireOf(request: number): WireChecker {
    let wire = wires.get(request);
    if (wire === undefined) {
      wire = createWireChecker({
        log,
        runs: runWorld?.history,
        now: clock.now,
        fail: (what) => fail(`connection of request ${request}: ${what}`),
      });
      wires.set(request, wire);
    }
    return wire;
  }

  /** Starts a node. It serves when it has opened the log. */
  async function startNode(index: number): Promise<void> {
    // A second start would replace a node, and that one would never be stopped.
    if (starting.has(index) || nodes[index] !== undefined) return;
    starting.add(index);
    try {
      const own = await log.open();
      nodes[index] = openNode(own);
    } catch (error) {
      if (!isLogFailure(error)) fail(`a node did not start: ${String(error)}`);
      // The server of the log is away.
      clock.after(500, () => void startNode(index));
    } finally {
      starting.delete(index);
    }
  }

  function openNode(own: Log): WorldFeed {
    const link = runWorld?.link();
    const node = createNode({
      log: own,
      runStore: link && { store: link, leaseMs: RUN_LEASE_MS, keepMs: runWorld!.keepMs },
      clock,
      chance,
      traits,
      runs,
      isCalm: () => network.calm,
      wireOf,
      publish: (feed, target) => publishTo(feed, target, (published += 1)),
      fail,
    });
    if (link !== undefined) runWorld!.join(node, link);
    opened.push(node);
    logs.set(node, own);
    return node;
  }

  async function stopNode(node: WorldFeed, graceMs = 0): Promise<void> {
    await node.close({ graceMs });
    const own = logs.get(node)!;
    await own.close?.();
  }

  async function publish(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const up = nodes.filter((node) => node !== undefined);
      if (up.length === 0) return;
      const target = chance.pick(
        ADDRESSES.filter(({ address }) => address !== 'room?name=quiet' || chance.is(0.05)),
      );
      await publishTo(chance.pick(up), target, (published += 1));
    }
  }

  /** Performs the actions of this world's traits. */
  function stepOfTraits(): void {
    const up = nodes.filter((node) => node !== undefined);
    if (traits.disconnects && chance.is(0.05) && up.length > 0) {
      const identity = chance.pick(['ann', 'bob', 'nobody', '']);
      disconnect(
        chance.pick(up),
        wireOf,
        ({ context }) => context.user.startsWith(identity) && chance.is(0.7),
      );
    }
    if ((traits.streamsFirst || traits.slowLog) && chance.is(0.04)) log.startAnew();
    if (traits.remoteLog && chance.is(0.15)) stepOfServer();
    if (traits.sessions && chance.is(0.1) && up.length > 0) {
      for (const user of users) if (user instanceof Session && user.isOver) users.delete(user);
      const sessions = [...users].filter((user) => user instanceof Session);
      if (sessions.length < 2) users.add(new Session({ feed: chance.pick(up), clock, chance, runs, fail }));
      else chance.pick(sessions).act();
    }
  }

  /** The server of the log fails, at times together with the nodes. */
  function stepOfServer(): void {
    const roll = chance();
    if (roll < 0.6) return log.fail();
    const alive = nodes.map((node, index) => (chance.is(0.5) ? index : -1)).filter((index) => nodes[index]);
    for (const index of alive) {
      void stopNode(nodes[index]!);
      nodes[index] = undefined;
      clock.after(chance.between(0, 500), () => void (nodes[index] ?? startNode(index)));
    }
    log.rollBack(chance.between(1, 20));
  }

  function step(): void {
    stepOfTraits();
    runWorld?.step(nodes.filter((node) => node !== undefined));
    const roll = chance();
    if (roll < 0.5) void publish(chance.pick([1, 1, 3, 10, 40]));
    else if (roll < 0.72) {
      const active = [...users].filter((user): user is User => user instanceof User);
      if (active.length < MAX_USERS && (active.length === 0 || chance.is(0.3))) {
        const identity = chance.pick(['ann', 'bob']);
        users.add(
          new User({
            name: `${identity}${(visitors += 1)}`,
            shared: browser && { identity, tab: browser.openTab() },
            clock,
            chance,
            log,
            traits,
            runs,
            fetch: network.fetch,
            fail,
          }),
        );
      } else chance.pick(active).act();
    } else if (roll < 0.76) {
      if ([...users].filter((user) => user instanceof PlainUser).length < 2) {
        users.add(new PlainUser({ clock, chance, log, fetch: network.fetch, fail }));
      }
    } else if (roll < 0.78 && users.size > 1) {
      const leaving = chance.pick([...users]);
      if (leaving instanceof User && chance.is(0.5)) leaving.tab?.crash();
      leaving.close();
      users.delete(leaving);
    } else if (roll < 0.82 && browser) {
      const tabs = [...users].flatMap((user) => (user instanceof User && user.tab) || []);
      actOfBrowser({ browser, tabs, chance, clock });
    } else if (roll < 0.93) {
      const lines = [...network.lines];
      if (lines.length === 0) return;
      const line = chance.pick(lines);
      if (chance.is(0.4)) line.stall(chance.between(100, 12_000));
      else line.cut(chance.pick(['reset', 'reset', 'eof', 'half']));
    } else if (roll < 0.97) {
      const index = chance.between(0, NODES - 1);
      const node = nodes[index];
      nodes[index] = undefined;
      if (node === undefined) void startNode(index);
      else void stopNode(node, chance.pick([0, 500]));
    } else if (roll < 0.98) log.startAnew();
    else if (roll < 0.99) log.rollBack(chance.between(1, 20));
    else log.overrun();
  }

  // An unhandled rejection is a fault in every case.
  const onStray = (error: unknown): void =>
    fail(`unhandled: ${error instanceof Error ? error.stack : String(error)}`);
  clock.onStray = onStray;
  process.on('unhandledRejection', onStray);
  process.on('uncaughtException', onStray);
  try {
    for (const index of nodes.keys()) void startNode(index);
    for (let count = 0; count < STEPS; count += 1) {
      step();
      await clock.advance(chance.pick([0, 5, 30, 100, 1_000]));
      if (bail && violations.length > 0) return { seed, violations, published, received: 0 };
    }
    // The network heals, all clients reconnect, and one more event at each address must reach all of them.
    network.calm = true;
    log.calm = true;
    for (const [index, node] of nodes.entries()) if (node === undefined) void startNode(index);
    await clock.advance(120_000);
    for (const user of users) if (user instanceof User) user.checkNewest();
    await runWorld?.end(nodes.filter((node) => node !== undefined));
    for (const target of ADDRESSES)
      await Promise.race([publishTo(nodes[0]!, target, (published += 1)), clock.advance(100)]);
    await clock.advance(60_000);
    for (const user of users) user.checkEnd();
    log.checkEnd();
    const received = [...users].reduce((sum, user) => sum + (user instanceof User ? user.received : 0), 0);
    for (const user of users) user.close();
    runWorld?.close();
    // Until the last silent connection is detected.
    await clock.advance(100_000);
    const held = leftovers(opened);
    if (held !== undefined) fail(`still held after all connections ended: ${held}`);
    await Promise.race([
      Promise.all(nodes.map(async (node) => node && (await stopNode(node)))),
      clock.advance(5_000),
    ]);
    await clock.advance(120_000);
    if (clock.pending > 0) fail(`${clock.pending} timers were not cleared`);
    const left = browser?.leftovers();
    if (left && left.locks.length + left.channels > 0) fail(`not released: ${JSON.stringify(left)}`);
    return { seed, violations, published, received: received + (runWorld?.received ?? 0) };
  } finally {
    process.off('unhandledRejection', onStray);
    process.off('uncaughtException', onStray);
  }
}
