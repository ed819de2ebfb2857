/** A log in memory that a script can replace under open connections. */
import { memoryLog, type Log, type LogEntry, type TailListener } from '@linefeed/server';
import { createFixedClock } from './session.ts';

export interface ReplaceableLog extends Log {
  /** Continues with another log, which has these events. */
  replace(reason: 'epoch' | 'rollback', entries: readonly LogEntry[]): Promise<void>;
}

const SILENT: TailListener = {
  onEvents: () => undefined,
  onReset: () => undefined,
  onError: () => undefined,
};

export function createReplaceableLog(): ReplaceableLog {
  const listeners = new Set<TailListener>();
  let generation = 0;
  /** Each log has an epoch of its own, which is the same in each run. */
  const create = (): Log => {
    generation += 1;
    return memoryLog({ clock: createFixedClock(generation / 10) });
  };
  const follow = (inner: Log): void => {
    inner.tail({
      ...SILENT,
      onEvents: (events, through) => listeners.forEach((listener) => listener.onEvents(events, through)),
    });
  };
  let log = create();
  follow(log);
  return {
    get epoch() {
      return log.epoch;
    },
    append: (entries, options) => log.append(entries, options),
    read: (query) => log.read(query),
    newest: () => log.newest(),
    tail(listener) {
      listeners.add(listener);
      const { start, close } = log.tail(SILENT);
      close();
      return { start, close: () => void listeners.delete(listener) };
    },
    async replace(reason, entries) {
      const next = create();
      if (entries.length > 0) await next.append(entries);
      const newest = await next.newest();
      log = next;
      follow(next);
      for (const listener of listeners) listener.onReset(reason, newest);
    },
  };
}
