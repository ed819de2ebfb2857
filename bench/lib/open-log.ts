/** Opens a log in a process of the bench. A process loads the code and the client of its own log alone. */
import { join } from 'node:path';
import { memoryLog, type Log } from '@linefeed/server';
import { openNats, openPostgres, openRedis } from '../../packages/server/test-kit/brokers/bare-log.ts';
import type { LogName, Places } from './logs.ts';

/** At most so many events are held in every log. */
const MAX_EVENTS = 10_000;

type OpenLog = (options: object) => Log | Promise<Log>;

export async function openLog(name: LogName, { folder, urls }: Places, key: string): Promise<Log> {
  const open = async (options: object): Promise<Log> => {
    const entry = `@linefeed/server/${name}`;
    const logs = (await import(entry)) as Record<string, OpenLog>;
    return await logs[`${name}Log`]!({ ...options, maxEvents: MAX_EVENTS });
  };
  switch (name) {
    case 'memory':
      return memoryLog({ maxEvents: MAX_EVENTS });
    case 'sqlite':
      return await open({ path: join(folder, `${key}.db`) });
    case 'redis':
      return await open({ client: openRedis(urls.redis!), key });
    case 'postgres':
      return await open({ client: openPostgres(urls.postgres!), table: key.replaceAll('-', '_') });
    case 'nats':
      return await open({ connection: await openNats(urls.nats!), stream: key });
  }
}
