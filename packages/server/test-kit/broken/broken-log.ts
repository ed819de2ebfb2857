/** A log that breaks one promise: the cases of the log contract that are about it must refuse it. */
import type { Log } from '../../src/lib/log/log.ts';
import type { CreateLogUnderTest, LogSetup } from '../../src/lib/testing/log-under-test.ts';
import { remoteUnderTest } from '../remote-under-test.ts';

export interface BrokenLog {
  /** Completes `a log that …`. */
  readonly what: string;
  /** The cases that must refuse it. */
  readonly red: readonly string[];
  readonly create: CreateLogUnderTest;
}

/** Replaces methods of a handle. `index` counts the handles of a case. */
export type Change = (log: Log, index: number, setup: LogSetup) => Partial<Log>;

/** A remote log with some of the methods of its handles replaced. */
export function changed(setup: LogSetup, change: Change): ReturnType<typeof remoteUnderTest> {
  const subject = remoteUnderTest(setup);
  let index = 0;
  const wrap = (log: Log): Log => {
    index += 1;
    return handleWith(log, change(log, index, setup));
  };
  return {
    ...subject,
    open: async () => wrap(await subject.open()),
    openWithClock: async (clock) => wrap(await subject.openWithClock(clock)),
  };
}

function handleWith(log: Log, replaced: Partial<Log>): Log {
  const handle: Log = {
    epoch: '',
    append: (entries, options) => log.append(entries, options),
    read: (query) => log.read(query),
    newest: () => log.newest(),
    contains: (position) => log.contains!(position),
    tail: (listener) => log.tail(listener),
    close: () => log.close?.(),
    ...replaced,
  };
  const { epoch } = replaced;
  return Object.defineProperty(handle, 'epoch', { get: () => epoch ?? log.epoch });
}

export function broken(what: string, red: readonly string[], change: Change): BrokenLog {
  return { what, red, create: (setup) => changed(setup, change) };
}
