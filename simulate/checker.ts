/** Checks the events of a handler, and reports each broken promise. */
import type { GapReason } from '@linefeed/server';
import type { Place, Published, WorldLog } from './world-log.ts';

export interface CheckerOptions {
  readonly log: WorldLog;
  readonly address: string;
  readonly keep: 'all' | 'latest';
  /** `exact`: each event once, in order. `atLeast`: a plain EventSource may receive some again. */
  readonly rule: 'exact' | 'atLeast';
  /** The requested start of the subscription: `earliest` or a cursor. Another start needs a gap. */
  readonly from?: string | undefined;
  readonly fail: (what: string) => void;
}

/** Follows one subscription to a logged address. */
export interface Checker {
  /** Delivery starts after this cursor: no later event may be missing. */
  start(cursor: string): void;
  /** Delivery has started: no event that is appended from here on may be missing. */
  startNow(): void;
  event(id: string | undefined, data: string): void;
  gap(gap: { readonly from: string; readonly to: string; readonly reason: GapReason }): void;
  /** Whether the newest event of the address has arrived. */
  isCurrent(): boolean;
  readonly count: number;
}

export function createChecker({ log, address, keep, rule, from, fail }: CheckerOptions): Checker {
  let at: Place | undefined;
  const asked = from === undefined ? undefined : toPlace(from);
  /** Before the first event: events after this position may not be missing, events up to it may arrive. */
  let owedAfter: Place | undefined;
  /** Set by `startNow`: the number of events that the address had by then, those of lost histories included. */
  let countAtStart: number | undefined;
  let count = 0;
  const seen = new Set<string>();

  const historyOf = (epoch: string): readonly Published[] => log.history.get(epoch)?.get(address) ?? [];
  const say = (what: string): void => fail(`${address}: ${what}`);

  // The tail of a node may be past the log on a server: the log was rolled back, and that node still writes events of
  // the lost history. So the position of the log does not tell which events are owed. `now` owes those appended later.
  const countFrom = (index: number, place: Place): number =>
    historyOf(place.epoch)
      .slice(index)
      .filter(({ position }) => position <= place.position)
      .filter(({ position }) => log.isContinued({ ...place, position }, place)).length;

  return {
    get count() {
      return count;
    },
    start(cursor) {
      owedAfter ??= toPlace(cursor);
    },
    startNow() {
      owedAfter = toPlace(`${log.epoch}.${log.tip()}`);
      countAtStart = historyOf(log.epoch).length;
    },
    event(id, data) {
      count += 1;
      const place = id === undefined ? undefined : toPlace(id);
      if (place === undefined) return say(`an event without a cursor: ${data}`);
      const history = historyOf(place.epoch);
      const published = history.find(({ position }) => position === place.position);
      if (published === undefined || published.data !== data) {
        return say(`${id} brought ${data}, which was never published there`);
      }
      if (at !== undefined && at.epoch !== place.epoch) {
        say(`${id} is of another epoch than ${toText(at)} before it, without a gap`);
      } else if (at !== undefined && place.position <= at.position) {
        if (rule === 'exact')
          say(`${id} came after ${toText(at)}: ${seen.has(id!) ? 'twice' : 'out of order'}`);
        return;
      } else if (at === undefined && asked !== undefined && asked.epoch !== place.epoch) {
        say(`${id} is of another epoch than ${from}, where it was to start, without a gap`);
      } else if (at === undefined && asked !== undefined && place.position <= asked.position) {
        say(`${id} is not past ${from}, where it was to start, and no gap came`);
      } else if (!log.isContinued(at ?? asked ?? place, place)) {
        say(`${id} is of another history than ${toText(at ?? asked!)}, without a gap`);
      } else if (keep === 'all') {
        const beginning = from === 'earliest' ? { ...place, position: 0 } : place;
        const isFirst = at === undefined && asked === undefined && owedAfter?.epoch === place.epoch;
        const known = at ?? asked ?? (isFirst ? owedAfter! : beginning);
        // Without this event itself.
        const owed =
          isFirst && countAtStart !== undefined
            ? countFrom(countAtStart, place)
            : log.countUpTo(address, known, place);
        const missing = owed - 1;
        if (missing > 0) {
          say(`${missing} missing between ${toText(known)} and ${id}, unannounced`);
        }
      }
      seen.add(id!);
      at = place;
    },
    gap({ to, reason }) {
      const place = toPlace(to);
      if (place === undefined) return say(`a gap to ${to}, which is not a cursor`);
      // A gap that ends before the own start of a subscription moves nothing. A start past the log is not one.
      const isStart = asked?.epoch === log.epoch && asked.position <= parseInt(log.tip(), 36);
      const known = at ?? (isStart ? asked : undefined);
      // A client drops a gap that moves it back, except after a loss: that of any start at this address.
      const isForward = known === undefined || known.epoch !== place.epoch || known.position < place.position;
      if (isForward || reason === 'rollback') at = place;
    },
    isCurrent() {
      const newest = log.newestOf(address);
      return newest === 0 || (at?.epoch === log.epoch && at.position >= newest && !log.isLost(at));
    },
  };
}

/** Follows one response whose addresses share one cursor: their events must arrive in the order of the log. */
export interface OrderChecker {
  event(address: string, id: string): void;
}

export function createOrderChecker(fail: (what: string) => void): OrderChecker {
  let last: (Place & { readonly address: string }) | undefined;
  return {
    event(address, id) {
      const place = toPlace(id);
      if (place === undefined) return;
      if (last?.epoch === place.epoch && place.position <= last.position)
        fail(`${address}: ${id} came after ${toText(last)} of ${last.address} on one connection`);
      last = { ...place, address };
    },
  };
}

export function toPlace(cursor: string): Place | undefined {
  const [epoch, position] = cursor.split('~')[0]!.split('.');
  return epoch === undefined || position === undefined
    ? undefined
    : { epoch, position: parseInt(position, 36) };
}

export function toText({ epoch, position }: Place): string {
  return `${epoch}.${position.toString(36)}`;
}
