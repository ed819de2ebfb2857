/** Counts the server's objects for its connections. After their end, none may be left. */
import { Places } from '../packages/server/src/lib/request/connection-slots.ts';
import type { WorldFeed } from './board.ts';

/** Connection slots in use in this world. */
let taken = new Set<object>();

const { take } = Places.prototype;
Places.prototype.take = function (principal) {
  const place = take.call(this, principal);
  if (place === undefined) return undefined;
  const slots = taken.add(place);
  return {
    leave() {
      slots.delete(place);
      place.leave();
    },
  };
};

/** Resets the count of another world. */
export function startCounting(): void {
  taken = new Set();
}

/** Describes the objects in use; `undefined`: none. */
export function leftovers(feeds: readonly WorldFeed[]): string | undefined {
  const hubs = feeds.map((feed) => feed['~core'].hub);
  const members = hubs.reduce((sum, { memberCount }) => sum + memberCount, 0);
  const routes = hubs.reduce((sum, { routeCount }) => sum + routeCount, 0);
  if (members + routes + taken.size === 0) return undefined;
  return `${members} members of the hub, ${routes} routes, ${taken.size} connection slots`;
}
