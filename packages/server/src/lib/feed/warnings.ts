/** Warnings to the developer about feeds that are probably mistakes. */
import type { AnyChannel } from '@linefeed/shared';
import { nodeEnv, warn } from '../base/report.ts';
import { laterWorker } from '../base/worker.ts';
import type { Log } from '../log/log.ts';
import { isMemoryLog } from '../log/memory-log.ts';
import { isMemoryRuns } from '../runs/memory-runs.ts';
import type { RunStore } from '../runs/run-store.ts';

/** Number of open feeds per channel. Two in one process are usually caused by a dev server's reload. */
const openFeeds = new WeakMap<AnyChannel, number>();

/** Warns if another feed of the channel is open. */
export function noteOpened(channel: AnyChannel): void {
  const open = openFeeds.get(channel) ?? 0;
  openFeeds.set(channel, open + 1);
  if (open === 0) return;
  warn(
    'a second feed of the same channel is open in this process. Without a shared log, a subscriber of one does not get the events of the other; keep one feed on globalThis across reloads, and give it the new sources by feed.setStreams.',
  );
}

/** Paths already warned about, by channel. A dev server's reload creates a new feed and must not repeat the warning. */
const warnedPaths = new WeakMap<AnyChannel, Set<string>>();

export function warnIfPublic(channel: AnyChannel, path: string): void {
  if (nodeEnv() === 'test') return;
  const paths = warnedPaths.get(channel) ?? new Set();
  if (paths.has(path)) return;
  warnedPaths.set(channel, paths.add(path));
  warn(
    `the feed at ${path} has no \`authorize\`: each client that reaches it may subscribe to every topic of its channel. If that is intended, set authorize: () => true.`,
  );
}

export function noteClosed(channel: AnyChannel): void {
  openFeeds.set(channel, (openFeeds.get(channel) ?? 1) - 1);
}

let warnedWorker = false;

/** Warns once if this process is one of several, and keeps its events or runs to itself. */
export function warnIfNotShared(channel: AnyChannel, log: Log, runs: RunStore): void {
  if (warnedWorker) return;
  const kinds = new Set([...channel.topics.values()].map(({ kind }) => kind));
  const keepsEvents = isMemoryLog(log) && kinds.has('logged');
  const keepsRuns = isMemoryRuns(runs) && kinds.has('run');
  if (!keepsEvents && !keepsRuns) return;
  const worker = laterWorker();
  if (worker === undefined) return;
  warnedWorker = true;
  warn(
    keepsEvents
      ? `this process is ${worker}, and its feed uses memoryLog: clients of the other processes do not get its events. Use a log that all processes share: redisLog, postgresLog or natsLog, or sqliteLog on one machine.`
      : `this process is ${worker}, and its feed uses memoryRuns: clients of the other processes do not get its runs. Use a store that all processes share: redisRuns or postgresRuns, or sqliteRuns on one machine.`,
  );
}
