/** Reads the statistics of a feed. */
import type { FeedCore } from './feed.ts';
import type { FeedStats } from './types.ts';

export function readStats(core: FeedCore): FeedStats {
  const subscriptions = new Map<string, number>();
  for (const connection of core.connections.values()) {
    for (const name of connection.eventNames()) {
      const topic = name.split(/[?~]/, 1)[0]!;
      subscriptions.set(topic, (subscriptions.get(topic) ?? 0) + 1);
    }
  }
  const { framesOut, bytesOut, replayed, replays, largestReplay, bufferedHighWater } = core.counters;
  const { fallbacks, stalled, gaps } = core.counters;
  return {
    connections: core.connections.size,
    connectionsHighWater: core.connectionsHighWater,
    subscriptions: Object.fromEntries(subscriptions),
    eventsIn: core.hub.eventsIn,
    eventsOut: framesOut,
    bytesOut,
    replayed,
    replays,
    largestReplay,
    bufferedHighWaterBytes: bufferedHighWater,
    fallbacks,
    stalled,
    gaps,
    logAvailable: core.hub.log.available ?? true,
  };
}
