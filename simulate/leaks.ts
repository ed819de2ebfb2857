/** Counts what the server holds for its connections. After they are gone, nothing may be left. */
import { Places } from '../packages/server/src/lib/places.ts';
import type { WorldFeed } from './board.ts';

/** Connection slots that are taken in this world. */
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

/** Forgets what another world left. */
export function startCounting(): void {
  taken = new Set();
}

/** What is held now, in words; `undefined`: nothing. */
export function leftovers(feeds: readonly WorldFeed[]): string | undefined {
  const hubs = feeds.map((feed) => feed['~core'].hub);
  const members = hubs.reduce((sum, { memberCount }) => sum + memberCount, 0);
  const routes = hubs.reduce((sum, { routeCount }) => sum + routeCount, 0);
  if (members + routes + taken.size === 0) return undefined;
  return `${members} members of the hub, ${routes} routes, ${taken.size} connection slots`;
}
