/** Counts what the server holds for its connections. After they are gone, nothing may be left. */
import { Hub } from '../packages/server/src/lib/hub.ts';
import { Places } from '../packages/server/src/lib/places.ts';

let held = { members: new Set<object>(), routes: new Map<object, Set<string>>(), slots: 0 };

const { add, remove, join, leave } = Hub.prototype;
Hub.prototype.add = function (member) {
  held.members.add(member);
  add.call(this, member);
};
Hub.prototype.remove = function (member) {
  held.members.delete(member);
  remove.call(this, member);
};
Hub.prototype.join = function (address, member) {
  const routes = held.routes.get(member);
  if (routes === undefined) held.routes.set(member, new Set([address]));
  else routes.add(address);
  join.call(this, address, member);
};
Hub.prototype.leave = function (address, member) {
  const routes = held.routes.get(member);
  if (routes?.delete(address) === true && routes.size === 0) held.routes.delete(member);
  leave.call(this, address, member);
};

const { take } = Places.prototype;
Places.prototype.take = function (principal) {
  const place = take.call(this, principal);
  if (place === undefined) return undefined;
  const world = held;
  world.slots += 1;
  let taken = true;
  return {
    leave() {
      if (taken) world.slots -= 1;
      taken = false;
      place.leave();
    },
  };
};

/** Forgets what another world left. */
export function startCounting(): void {
  held = { members: new Set(), routes: new Map(), slots: 0 };
}

/** What is held now, in words; `undefined`: nothing. */
export function leftovers(): string | undefined {
  const { members, routes, slots } = held;
  if (members.size + routes.size + slots === 0) return undefined;
  return `${members.size} members of the hub, routes of ${routes.size} members, ${slots} connection slots`;
}
