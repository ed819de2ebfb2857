/**
 * A chaos run in one engine: both transports, a proxy that breaks every connection, and a server that is killed
 * repeatedly.
 */
import { join } from 'node:path';
import { startChaosProxy, type Fault } from '../../kit/chaos-proxy.ts';
import { startServer, type ServerProcess } from '../../kit/server-process.ts';
import { temporaryFolder } from '../drivers/child.ts';
import type { Engine } from '../drivers/engine.ts';
import type { Verdict } from '../verdict.ts';
import type { ChaosReport, Via } from './recorder.ts';

export interface ChaosOptions {
  readonly bundle: string;
  /** Connections that each transport loses. */
  readonly faults: number;
  readonly seed: number;
}

const VIAS: readonly Via[] = ['fetch', 'EventSource'];
const BATCH = 20;
const EVERY_MS = 10;
/** Limit of the lead over the slowest client: at 10,000 events of two addresses, the log would evict unread ones. */
const MAX_AHEAD = 2_000;
/** Lost connections between two kills of the server. */
const KILL_EVERY = 12;
/** Firefox repeats a request that was reset about ten times by itself: all of them count as one fault. */
const RESET_MS = 700;
/** Multibyte, so that cuts fall into characters. */
const RUN = 'é€😀 chaos '.repeat(8);

export async function runChaos(engine: Engine, { bundle, faults, seed }: ChaosOptions): Promise<Verdict[]> {
  await using folder = await temporaryFolder('chaos');
  const options = {
    bundle,
    run: RUN,
    pingMs: 300,
    timeoutMs: 1_500,
    logPath: join(folder.path, 'log.sqlite'),
  };
  let server: ServerProcess = await startServer(options);
  const { port } = server;
  const proxy = await startChaosProxy(port);
  const random = seeded(seed);
  const decks = new Map(VIAS.map((via) => [via, deck(random)]));
  const openings = new Map(VIAS.map((via) => [via, 0]));
  const resetUntil = new Map(VIAS.map((via) => [via, 0]));
  const lost = (): number => Math.min(...VIAS.map((via) => openings.get(via)! - 1));
  const met = new Map(VIAS.map((via) => [via, new Set<string>()]));
  let kills = 0;
  let published = 0;
  let stopped = false;

  const publishBatch = (): Promise<boolean> =>
    server.publish(published + 1, published + BATCH, EVERY_MS).then(
      () => true,
      () => false,
    );
  const publish = async (): Promise<void> => {
    for (; !stopped; published += BATCH) {
      // A killed server may have published some of them: publish the same numbers again, until its successor confirms
      // them.
      for (let tries = 1; !(await publishBatch()); tries += 1) {
        if (tries === 400) throw new Error('The server ended, and the test did not kill it.');
        await pause(50);
      }
      while (!stopped && published - (await leastSeen(engine)) > MAX_AHEAD) await pause(200);
    }
  };

  try {
    await engine.open(proxy.origin);
    proxy.set((url) => {
      const via = VIAS.find((each) => url.includes(`via=${each}`))!;
      if (performance.now() < resetUntil.get(via)!) return { type: 'reset' };
      const fault = decks.get(via)!();
      if (fault.type === 'reset') resetUntil.set(via, performance.now() + RESET_MS);
      openings.set(via, openings.get(via)! + 1);
      met.get(via)!.add(fault.type);
      return fault;
    });
    await engine.evaluate(`${JSON.stringify(VIAS)}.forEach(window.linefeed.start)`);
    await settled(engine, ({ ready }) => ready);
    const publishing = publish();
    const leastKills = Math.floor(faults / KILL_EVERY);
    const deadline = performance.now() + 60_000 + faults * 2_500;
    while ((lost() < faults || kills < leastKills) && performance.now() < deadline) {
      await pause(20);
      if (lost() < (kills + 1) * KILL_EVERY) continue;
      kills += 1;
      await server.kill();
      server = await startServer({ ...options, port });
    }
    stopped = true;
    await publishing;
    proxy.set({ type: 'none' });
    // The watchdog detects half-open connections; trickling ones are reset at their end.
    const reports = await settled(
      engine,
      ({ notice, room }) => notice.last === published && room.last === published,
    );
    return VIAS.flatMap((via, index) =>
      judge(`chaos, ${via}`, reports[index]!, {
        published,
        faults,
        lost: openings.get(via)! - 1,
        met: met.get(via)!,
        kills,
      }),
    );
  } finally {
    stopped = true;
    await proxy.close();
    await server.kill();
  }
}

async function leastSeen(engine: Engine): Promise<number> {
  const reports = await engine.evaluate<ChaosReport[]>('window.linefeed.report()');
  return Math.min(...reports.flatMap(({ notice, room }) => [notice.last, room.last]));
}

/** The page's counts, as soon as every client meets the condition, or after the time limit. */
async function settled(engine: Engine, isThere: (report: ChaosReport) => boolean): Promise<ChaosReport[]> {
  for (let tries = 1; ; tries += 1) {
    const reports = await engine.evaluate<ChaosReport[]>('window.linefeed.report()');
    if (reports.every(isThere) || tries === 600) return reports;
    await pause(200);
  }
}

function judge(
  name: string,
  { notice, room, steps, trouble, connections }: ChaosReport,
  truth: {
    readonly published: number;
    readonly faults: number;
    readonly lost: number;
    readonly met: ReadonlySet<string>;
    readonly kills: number;
  },
): Verdict[] {
  const { published, faults, lost, met, kills } = truth;
  const verdict = (what: string, ok: boolean, seen: string): Verdict => ({
    name: `${name}: ${what}`,
    fault: ok ? undefined : seen,
    deviates: false,
  });
  return [
    ...Object.entries({ notice, room }).map(([address, { last, wrong }]) =>
      verdict(
        `${address} has all of ${published} events once, in order`,
        last === published && wrong.length === 0,
        `last ${last} of ${published}; ${wrong.join(', ')}`,
      ),
    ),
    verdict(
      'the stream resumes after its last step',
      steps.last > 0 && steps.wrong.length === 0,
      `last ${steps.last}; ${steps.wrong.join(', ')}`,
    ),
    verdict('no gap and no error', trouble.length === 0, trouble.join('; ')),
    verdict(
      `${faults} connections are lost, by every kind of fault and ${kills} kills of the server`,
      lost >= faults &&
        (met.size === KINDS.size || faults < DECK) &&
        kills >= Math.floor(faults / KILL_EVERY),
      `${lost} lost of ${connections} that worked, ${kills} kills, by ${[...met].join(', ')}`,
    ),
  ];
}

/** Draws each fault once before any is repeated: each silence costs a timeout. */
function deck(random: () => number): () => Fault {
  const some = (least: number, most: number) => () => least + Math.floor(random() * (most - least));
  const any = some(1, 6_000);
  const faults: readonly Fault[] = [
    { type: 'cut', bytes: any },
    { type: 'cut', bytes: some(1, 1_500) },
    { type: 'cut', bytes: some(600, 12_000) },
    { type: 'truncate', bytes: any },
    { type: 'truncate', bytes: some(400, 1_500) },
    { type: 'truncate', bytes: some(600, 12_000) },
    { type: 'silence', bytes: any },
    { type: 'trickle', bytes: some(400, 3_000), everyMs: 4 },
    { type: 'trickle', bytes: some(400, 3_000), everyMs: 1 },
    { type: 'buffer', bytes: any, holdBytes: 2_000, holdMs: 150 },
    { type: 'buffer', bytes: any, holdBytes: 500, holdMs: 400 },
    { type: 'bad-gateway' },
    { type: 'reset' },
  ];
  for (const { type } of faults) KINDS.add(type);
  let left: Fault[] = [];
  return () => {
    if (left.length === 0) left = [...faults];
    return left.splice(Math.floor(random() * left.length), 1)[0]!;
  };
}

/** The kinds of fault, and the number of connections that meet all of them. */
const KINDS = new Set<string>();
const DECK = 13;

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
