/** Follows an address on the server as an async iterable, with the same replay and gaps as a connection. */
import {
  BEGINNING,
  comparePositions,
  formatCursor,
  invalidOption,
  LinefeedError,
  type Gap,
  type Position,
} from '@linefeed/shared/wire';
import type { Hub, Subscriber } from './hub.ts';
import { PAGE_BYTES, type ReadPage } from '../log/log.ts';
import { readReach, resolveCursor } from './start-position.ts';
import { laterOf } from '../base/position.ts';
import { ReplayTrack, type FoundGap, type PendingGap } from './replay-track.ts';

const PAGE_EVENTS = 100;

/** An event of `feed.subscribe`. */
export interface FeedEvent<T> {
  /** The payload. */
  readonly data: T;
  /** The cursor of this event. Subscribing `from` it starts with the next event. */
  readonly cursor: string;
  /** Topic and params as one string. */
  readonly address: string;
}

export interface FollowOptions {
  readonly from?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onGap?: ((gap: Gap) => void) | undefined;
}

interface Followed extends FollowOptions {
  /** `keep: 'latest'`: a subscription from `now` gets the newest value first. */
  readonly isLatest: boolean;
}

/** Set when the consumer calls `return`: a generator suspended in an await handles `return` only when it continues. */
interface Exit {
  left: boolean;
  wake(): void;
}

/**
 * Events of one address from a cursor on, until the feed is closed. No events are queued: a slow reader reads them from
 * the log later.
 *
 * @throws LinefeedError `invalid_option`
 */
export function followLog(
  hub: Hub,
  address: string | Promise<string>,
  { from = 'now', ...options }: Followed,
): AsyncGenerator<FeedEvent<unknown>, void, undefined> {
  if (typeof from !== 'string') {
    throw new LinefeedError(
      'invalid_option',
      `from must be "now", "earliest" or a cursor, all strings, not ${String(from)}.`,
    );
  }
  // The first `next` reports the rejection. Until then it must not count as unhandled.
  if (address instanceof Promise) address.catch(() => undefined);
  // `now` is the time of this call, not of the first `next`.
  const now = options.isLatest ? 'earliest' : hub.cursor;
  const exit: Exit = { left: false, wake: () => undefined };
  const events = follow(hub, address, from === 'now' ? now : from, options, exit);
  const leave = events.return.bind(events);
  events.return = (value) => {
    exit.left = true;
    exit.wake();
    return leave(value);
  };
  return events;
}

async function* follow(
  hub: Hub,
  resolvedAddress: string | Promise<string>,
  from: string,
  { signal, onGap, isLatest }: Omit<Followed, 'from'>,
  exit: Exit,
): AsyncGenerator<FeedEvent<unknown>, void, undefined> {
  const address = await resolvedAddress;
  let wake: () => void = () => undefined;
  let resetReason: 'rollback' | 'epoch' | undefined;
  const subscriber: Subscriber = {
    deliver: () => wake(),
    reset(reason) {
      resetReason = reason;
      wake();
    },
    fallBehind: () => wake(),
    close: () => wake(),
  };
  const onAbort = (): void => wake();
  exit.wake = () => wake();
  signal?.addEventListener('abort', onAbort, { once: true });
  hub.add(subscriber);
  hub.join(address, subscriber);
  try {
    let { track, epoch } = await openTrack();
    while (!isOver()) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (resetReason !== undefined) {
        const floor = isLatest || resetReason === 'epoch' ? BEGINNING : hub.position;
        const from = track.pendingGapOf(address)?.from ?? formatCursor(epoch, track.positionOf(address));
        const gap = { from, reason: resetReason };
        ({ track, epoch } = startTrack(floor, gap));
        resetReason = undefined;
      }
      const page = await readPage(track);
      if (page === undefined) return;
      if (resetReason !== undefined) continue;
      if (page.epoch !== epoch) {
        // The log has a new numbering already. The tail will report the reset; wait for it.
        await Promise.race([woken, hub.changed()]);
        continue;
      }
      for (const gap of track.takeGaps(page)) announce(gap, epoch);
      if (isOver()) return;
      for (const event of page.events) {
        track.position = event.position;
        yield { data: JSON.parse(event.data), cursor: formatCursor(epoch, event.position), address };
        // The reader may have waited long: a rollback may have removed the rest of this page.
        if (isOver() || hasReset()) break;
      }
      if (isOver() || hasReset()) continue;
      const hasMoved = page.events.length > 0 || comparePositions(page.through, track.position) > 0;
      track.position = laterOf(page.through, track.position);
      if (comparePositions(track.position, hub.position) >= 0) await woken;
      // The page is older than the tail, as on a lagging replica. Wait for the tail instead of polling in a loop.
      else if (!hasMoved) await Promise.race([woken, hub.changed()]);
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    hub.leave(address, subscriber);
    hub.remove(subscriber);
  }

  // Functions, because other code may change these variables between two reads, and TypeScript would narrow them.
  function isOver(): boolean {
    return hub.closed || exit.left || signal?.aborted === true;
  }

  function hasReset(): boolean {
    return resetReason !== undefined;
  }

  /** `undefined`: the iteration is over, and the log may be closed too. */
  async function readPage({ position, addresses }: ReplayTrack): Promise<ReadPage | undefined> {
    try {
      const query = { after: position, addresses, limit: PAGE_EVENTS, maxBytes: PAGE_BYTES };
      const page = await hub.log.read(query);
      return isOver() ? undefined : page;
    } catch (error) {
      if (isOver()) return undefined;
      throw error;
    }
  }

  async function openTrack(): Promise<{ track: ReplayTrack; epoch: string }> {
    if (from === 'earliest') return startTrack(BEGINNING, undefined);
    const reach = await readReach(hub, [from]);
    // The cursor below is resolved after any reset so far, so an earlier reset needs no handling.
    resetReason = undefined;
    const { position, gap } = resolveCursor(hub, from, reach);
    return startTrack(position === 'now' ? (isLatest ? BEGINNING : hub.position) : position, gap);
  }

  function startTrack(
    position: Position,
    gap: PendingGap | undefined,
  ): { track: ReplayTrack; epoch: string } {
    const track = new ReplayTrack(position);
    track.add(address, position, gap);
    return { track, epoch: hub.epoch };
  }

  function announce({ from: asked, to, reason }: FoundGap, epoch: string): void {
    const start = 'cursor' in asked ? asked.cursor : formatCursor(epoch, asked.position);
    const gap: Gap = { address, from: start, to: formatCursor(epoch, to), reason };
    if (onGap !== undefined) return onGap(gap);
    if (reason === 'unknown') {
      throw invalidOption(
        `from: ${JSON.stringify(from)} is no cursor; did you mean "now" (the default) or "earliest"? With onGap it is a gap.`,
      );
    }
    refuseGap(gap);
  }
}

/** @throws LinefeedError `hole` */
export function refuseGap({ address, from, to, reason }: Gap): never {
  throw new LinefeedError(
    'hole',
    `Events of ${address} between ${from} and ${to} are no longer held (${reason}).`,
    { address },
  );
}
