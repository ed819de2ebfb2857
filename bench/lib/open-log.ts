/** Opens a log in a process of the bench. */
import { join } from 'node:path';
import { memoryLog, type Log } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';
import type { LogName, Places } from './logs.ts';

/** At most so many events are held in every log. */
const MAX_EVENTS = 10_000;

export async function openLog(name: LogName, { folder }: Places, key: string): Promise<Log> {
  switch (name) {
    case 'memory':
      return memoryLog({ maxEvents: MAX_EVENTS });
    case 'sqlite':
      return sqliteLog({ path: join(folder, `${key}.db`), maxEvents: MAX_EVENTS });
    case 'redis':
    case 'postgres':
    case 'nats':
      return await Promise.reject(new Error(`There is no log on ${name} yet.`));
  }
}
