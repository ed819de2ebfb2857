/** What every log has to do when its server is away, and when it has lost events. */
import { expect, vi } from 'vitest';
import { startRelay } from '../../../packages/server/test-kit/brokers/relay.ts';
import type { Counts } from './count.ts';
import { TIMEOUT_MS } from './log-spec.ts';
import type { Scene } from './scene.ts';

/** A busy machine runs a timer late. */
const LATE_MS = 3_000;

export interface Outage {
  /** Text that distinguishes the runs of one scene. */
  readonly name: string;
  away(): Promise<void> | void;
  back(): Promise<void> | void;
  /** Rejections to wait for in each process before the server is back. Default: 1. */
  readonly rejections?: number;
  /** The readers may lose events, with a gap. Default: they lose nothing. */
  readonly losesEvents?: boolean;
}

/**
 * Publishes in both processes while the server is away and back. Expects that each rejection is in time and retryable,
 * that the readers keep their connections, and that publishing and reading continue by themselves.
 */
export async function expectOutage(scene: Scene, outage: Outage): Promise<Record<string, Counts>> {
  const { name, rejections = 1, losesEvents = false } = outage;
  const connections = scene.readers.map((reader) => reader.connections);
  const runs = scene.feeds.map((_, index) => scene.publish(index, `${name} ${index}`));
  // Numbers that are published once, without waiting for each other.
  const once = scene.publish(0, `${name} once`, { mode: 'once', everyMs: 20 });
  for (const run of runs) await scene.progress(run, 20);
  await outage.away();
  const rejected = (run: (typeof runs)[number]) => run.outcomes.filter(({ error }) => error !== undefined);
  await vi.waitFor(() => {
    for (const run of runs) expect(rejected(run).length, name).toBeGreaterThanOrEqual(rejections);
  }, 60_000);
  expect(scene.readers.map(({ isConnected }) => isConnected)).toEqual(connections.map(() => true));
  await outage.back();
  for (const run of runs) await scene.progress(run, 20);
  const counts = await scene.settle();
  for (const { ms, error } of [...runs, once].flatMap(rejected)) {
    expect(error).toMatchObject({ code: 'log_failed', retryable: true });
    expect(ms, error?.message).toBeLessThan(TIMEOUT_MS + LATE_MS);
  }
  // One connection for each reader, through all of it.
  expect(scene.readers.map((reader) => reader.connections)).toEqual(connections);
  if (!losesEvents) expect(missingOf(counts)).toEqual(scene.readers.map(() => 0));
  return counts;
}

export interface Loss {
  readonly name: string;
  /** Makes the server lose events that it has acknowledged, the newest 30 at least. */
  lose(): Promise<void> | void;
  /** Runs before events are published that are lost. */
  before?(): Promise<void> | void;
  /** `trimmed`: the server forgot old events, and readers that have them need no gap. Default: `epoch`. */
  readonly reason?: 'epoch' | 'trimmed';
}

/**
 * Publishes in both processes while the server loses events. Expects that a reader that was away meanwhile gets a gap
 * in their place, and that publishing and reading continue by themselves.
 */
export async function expectAnnouncedLoss(
  scene: Scene,
  { name, lose, before, reason = 'epoch' }: Loss,
): Promise<void> {
  const link = await startRelay(scene.feeds[0]!.port);
  const returning = await scene.read(`returning ${name}`, `http://127.0.0.1:${link.port}`);
  try {
    const starts = new Map(scene.readers.map((reader) => [reader, reader.seen.length]));
    const runs = scene.feeds.map((_, index) => scene.publish(index, `${name} ${index}`));
    for (const run of runs) await scene.progress(run, 20);
    await vi.waitFor(() => expect(returning.seen.length).toBeGreaterThan(20), 60_000);
    link.refuse();
    await before?.();
    for (const run of runs) await scene.progress(run, 30);
    await lose();
    const later = scene.feeds.map((_, index) => scene.publish(index, `${name} later ${index}`));
    for (const run of later) await scene.progress(run, 20);
    link.pass();
    const counts = await scene.settle();
    expect(counts[returning.name]!.missingAnnounced, scene.describe()).toBeGreaterThan(0);
    for (const reader of reason === 'epoch' ? scene.readers : [returning]) {
      const seen = reader.seen.slice(starts.get(reader));
      const gaps = seen.flatMap((each) => ('gap' in each ? [each.gap] : []));
      // An open connection is told `rollback` if only the newest events are lost.
      expect(
        gaps.some((gap) => gap === reason || gap === 'rollback'),
        scene.describe(),
      ).toBe(true);
    }
  } finally {
    scene.leave(returning);
    await link.close();
  }
}

export function missingOf(counts: Record<string, Counts>): number[] {
  return Object.values(counts).map(({ missingAnnounced }) => missingAnnounced);
}
