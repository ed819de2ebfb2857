/** The feed of the control room and every event it publishes, numbered so that a reader can check for losses. */
import { randomBytes } from 'node:crypto';
import { createFeed, type Log, type RunStore } from '@linefeed/server';
import { board } from '../channel.ts';
import { symbols } from '../symbols.ts';
import { createQuotes, type Symbol } from './quotes.ts';
import { createReadings } from './readings.ts';

export interface ControlRoom {
  readonly feed: ReturnType<typeof createBoardFeed>;
  notice(text: string, level?: 'info' | 'warn'): void;
  say(room: string, author: string, text: string): Promise<void>;
  start(): void;
  stop(): void;
}

/** Shorter than the second between two readings, so that some pings are sent. */
const pingMs = 750;
/** Short, so that the page notices "go silent" while its visitor still watches. */
const timeoutMs = 6_000;
/** At most one notice about another client in this time. */
const noticeMs = 1_000;
/** A page that opens gets this much history. */
export const rememberedMs: number = 15 * 60_000;

function createBoardFeed({ log, runs }: Stores, onOtherClient: (address: string) => void) {
  return createFeed(board, {
    path: '/events',
    // Everything here is public.
    authorize: () => true,
    pingMs,
    timeoutMs,
    log,
    runs,
    context: (request) => ({ isPage: new URL(request.url).searchParams.has('visitor') }),
    onSubscribe({ context }, address) {
      if (!context.isPage) onOtherClient(address);
    },
  });
}

/** The newest bid of each symbol that was ever quoted: the log keeps it for later subscribers. */
async function readLastBids(log: Log): Promise<ReadonlyArray<[Symbol, number]>> {
  const addresses = new Map(symbols.map((symbol) => [toAddress(symbol), '0'] as const));
  const { events } = await log.read({ after: '0', addresses, limit: symbols.length, maxBytes: 65_536 });
  return symbols.flatMap((symbol): Array<[Symbol, number]> => {
    const data = events.findLast(({ address }) => address === toAddress(symbol))?.data;
    return data === undefined ? [] : [[symbol, (JSON.parse(data) as { bid: number }).bid]];
  });
}

function toAddress(symbol: Symbol): string {
  return `price?symbol=${symbol}`;
}

/** Both outlive this process, so that a restart loses nothing. */
interface Stores {
  readonly log: Log;
  readonly runs: RunStore;
}

export async function createControlRoom(stores: Stores): Promise<ControlRoom> {
  const feed = createBoardFeed(stores, (address) => {
    const since = Date.now() - noticedAt;
    if (since < noticeMs) return;
    noticedAt = Date.now();
    // A curl of the notices gets one event at once.
    notice(`Another client reads ${address}.`);
  });
  let noticedAt = 0;
  const run = randomBytes(3).toString('hex');
  const numbers = new Map<string, number>();
  const read = createReadings();
  const readQuotes = createQuotes(await readLastBids(stores.log));
  let timer: NodeJS.Timeout | undefined;

  function stamp(address: string): { run: string; n: number; at: number } {
    const n = (numbers.get(address) ?? 0) + 1;
    numbers.set(address, n);
    return { run, n, at: Date.now() };
  }

  function reportFailure(error: unknown): void {
    console.error('A publish failed:', error);
  }

  function notice(text: string, level: 'info' | 'warn' = 'info'): void {
    feed.publish('notice', { ...stamp('notice'), text, level }).catch(reportFailure);
  }

  function publishQuotes(): void {
    for (const { symbol, ...quote } of readQuotes()) {
      feed.publish('price', { symbol }, { ...stamp(toAddress(symbol)), ...quote }).catch(reportFailure);
    }
  }

  function tick(): void {
    feed.publish('host', { ...stamp('host'), ...read() }).catch(reportFailure);
    publishQuotes();
  }

  return {
    feed,
    notice,
    async say(name, author, text) {
      await feed.publish('room', { name }, { ...stamp(`room?name=${name}`), author, text });
    },
    start() {
      notice(`The server started. This run is called ${run}.`);
      timer = setInterval(tick, 1_000);
      publishQuotes();
    },
    stop() {
      clearInterval(timer);
    },
  };
}
