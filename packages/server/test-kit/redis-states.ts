/** Earlier states of a log on Redis: a test returns to one, like a failover to a replica that lags. */
import { Redis } from 'ioredis';
import { comparePositions, type Position } from '@linefeed/shared/wire';
import { keysOf } from '../src/lib/log/redis/scripts.ts';
import type { Log } from '../src/lib/log/log.ts';

/** Only the first events of a log are tracked: a case that rolls back appends few. */
const TRACKED_APPENDS = 12;

export interface RedisStates {
  /** Notes the state of the log after each of the first appends. */
  watch(log: Log): Log;
  rollBack(to: Position): Promise<void>;
  delete(): Promise<void>;
  /** Deletes a key that the log needs. */
  evict(): Promise<void>;
  close(): Promise<void>;
}

export async function trackStates(server: { readonly port: number }, key: string): Promise<RedisStates> {
  const admin = new Redis({ port: server.port, lazyConnect: true });
  admin.on('error', () => undefined);
  await admin.connect();
  const keys = Object.values(keysOf(key));
  const states: { position: Position; dumps: (Buffer | null)[] }[] = [];
  let noting: Promise<unknown> = Promise.resolve();

  const note = async (position: Position): Promise<void> => {
    const multi = keys.reduce((commands, name) => commands.dumpBuffer(name), admin.multi());
    const replies = (await multi.exec()) as [Error | null, Buffer | null][];
    states.push({ position, dumps: replies.map(([, dump]) => dump) });
  };
  return {
    watch(log) {
      let appends = 0;
      const { append } = log;
      log.append = async (entries, options) => {
        const appended = await append.call(log, entries, options);
        if (++appends <= TRACKED_APPENDS) await (noting = note(appended.position));
        return appended;
      };
      return log;
    },
    async rollBack(to) {
      await noting;
      const state = states.find(({ position }) => comparePositions(position, to) === 0)!;
      let multi = admin.multi().del(...keys);
      for (const [index, dump] of state.dumps.entries()) {
        if (dump !== null) multi = multi.restore(keys[index], 0, dump);
      }
      await multi.exec();
    },
    async delete() {
      await noting;
      await admin.del(...keys);
    },
    async evict() {
      await noting;
      await admin.del(keys[0]);
    },
    async close() {
      await noting.catch(() => undefined);
      await admin.del(...keys).catch(() => undefined);
      admin.disconnect();
    },
  };
}
