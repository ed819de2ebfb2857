/** A remote log on a manual clock, over a server in memory. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import type { Appended, Log, LogCursor, LogEvent, ReadPage } from '../src/lib/log/log.ts';
import { openRemoteLog, type RemoteLogOptions } from '../src/lib/log/remote/remote-log.ts';
import { MemoryServer, type MemoryServerOptions } from './memory-server.ts';
import { MemoryStore } from './memory-store.ts';

/** A handle of one process. */
export interface RemoteHandle {
  readonly store: MemoryStore;
  readonly log: Log;
}

export class RemoteBench {
  readonly clock: ManualClock = createManualClock();
  readonly server: MemoryServer;

  constructor(options: MemoryServerOptions = {}) {
    this.server = new MemoryServer({ random: this.clock.random, ...options });
  }

  async open(options: Partial<RemoteLogOptions> = {}): Promise<RemoteHandle> {
    const store = new MemoryStore(this.server, this.clock);
    return { store, log: await openRemoteLog(store, { clock: this.clock, ...options }) };
  }

  /** Appends one event, and lets the clock settle. */
  async append(log: Log, value: unknown, address = 'a'): Promise<Appended> {
    const appended = appendOne(log, value, address);
    await this.clock.settle();
    return await appended;
  }
}

export function appendOne(log: Log, value: unknown, address = 'a', key?: string): Promise<Appended> {
  const entry = { address, data: JSON.stringify(value), keep: 'all' } as const;
  return Promise.resolve(log.append([entry], { idempotencyKey: key }));
}

/** All that happens to a promise. */
export function watch<T>(promise: PromiseLike<T>): { value?: T; error?: unknown } {
  const seen: { value?: T; error?: unknown } = {};
  promise.then(
    (value) => (seen.value = value),
    (error: unknown) => (seen.error = error),
  );
  return seen;
}

export function read(log: Log, after: Position = BEGINNING, address = 'a'): ReadPage | PromiseLike<ReadPage> {
  return log.read({ after, addresses: new Map([[address, BEGINNING]]), limit: 1_000, maxBytes: 2 ** 20 });
}

export function valuesOf(events: readonly LogEvent[]): unknown[] {
  return events.map(({ data }) => JSON.parse(data) as unknown);
}

/** The calls of a tail listener, in order: the values of events, the reasons of resets, errors. */
export function follow(log: Log): { readonly told: unknown[]; close(): void; readonly start: LogCursor } {
  const told: unknown[] = [];
  const { start, close } = log.tail({
    onEvents: (events) => void told.push(...valuesOf(events)),
    onReset: (reason) => void told.push(reason),
    onError: (error) => void told.push(error),
  });
  return { told, start, close };
}

/** A promise that a test resolves. */
export function createGate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
