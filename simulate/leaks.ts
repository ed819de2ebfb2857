/** Counts the server's objects for its connections. After their end, none may be left. */
import { ConnectionSlots } from '../packages/server/src/lib/request/connection-slots.ts';
import type { WorldFeed } from './board.ts';
import { coreOf } from '../packages/server/src/lib/feed/feed.ts';

/** Connection slots in use in this world. */
let taken = new Set<object>();

const { take } = ConnectionSlots.prototype;
ConnectionSlots.prototype.take = function (principal) {
  const slot = take.call(this, principal);
  if (slot === undefined) return undefined;
  const slots = taken.add(slot);
  return {
    release() {
      slots.delete(slot);
      slot.release();
    },
  };
};

/** Resets the count of another world. */
export function startCounting(): void {
  taken = new Set();
}

/** Describes the objects in use; `undefined`: none. */
export function leftovers(feeds: readonly WorldFeed[]): string | undefined {
  const hubs = feeds.map((feed) => coreOf(feed).hub);
  const subscribers = hubs.reduce((sum, { subscriberCount }) => sum + subscriberCount, 0);
  const routes = hubs.reduce((sum, { routeCount }) => sum + routeCount, 0);
  if (subscribers + routes + taken.size === 0) return undefined;
  return `${subscribers} subscribers of the hub, ${routes} routes, ${taken.size} connection slots`;
}
