/** The feed of the control room and everything that is published to it, numbered so that a reader can check it. */
import { randomBytes } from 'node:crypto';
import { createFeed } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';
import { board } from '../channel.ts';
import { job } from './job.ts';
import { createReadings } from './readings.ts';

export interface ControlRoom {
  readonly feed: ReturnType<typeof createBoardFeed>;
  notice(text: string, level?: 'info' | 'warn'): void;
  say(room: string, author: string, text: string): Promise<void>;
  start(): void;
  stop(): void;
}

/** Short, so that the page notices "go silent" while its visitor still watches. */
const pingMs = 2_000;
const timeoutMs = 6_000;
/** A page that opens is shown this much of the past. */
const rememberedMs = 15 * 60_000;

function createBoardFeed(logPath: string) {
  return createFeed(board, {
    path: '/events',
    pingMs,
    timeoutMs,
    log: sqliteLog({ path: logPath, maxAgeMs: rememberedMs }),
    streams: { job },
  });
}

/** `logPath`: a file that outlives this process, so that a restart loses nothing. */
export function createControlRoom(logPath: string): ControlRoom {
  const feed = createBoardFeed(logPath);
  const run = randomBytes(3).toString('hex');
  const numbers = new Map<string, number>();
  const read = createReadings();
  let timer: NodeJS.Timeout | undefined;

  function stamp(address: string): { run: string; n: number; at: number } {
    const n = (numbers.get(address) ?? 0) + 1;
    numbers.set(address, n);
    return { run, n, at: Date.now() };
  }

  function report(error: unknown): void {
    console.error('A publish failed:', error);
  }

  function notice(text: string, level: 'info' | 'warn' = 'info'): void {
    feed.publish('notice', { ...stamp('notice'), text, level }).catch(report);
  }

  return {
    feed,
    notice,
    async say(name, author, text) {
      await feed.publish('room', { name }, { ...stamp(`room?name=${name}`), author, text });
    },
    start() {
      notice(`The server started. This run is called ${run}.`);
      timer = setInterval(() => feed.publish('host', { ...stamp('host'), ...read() }).catch(report), 1_000);
    },
    stop() {
      clearInterval(timer);
    },
  };
}
