/** Follows an address on the server as an async iterable, with the same replay and gaps as a connection. */
import {
  BEGINNING,
  comparePositions,
  formatCursor,
  invalidOption,
  LinefeedError,
  type Gap,
} from '@linefeed/shared/wire';
import type { Hub, LiveReceiver, Subscriber } from './hub.ts';
import { PAGE_BYTES, type LogCursor, type ReadPage } from '../log/log.ts';
import { readReach, resolveCursor, type Reach, type SharedStart } from './start-position.ts';
import { laterOf } from '../base/position.ts';
import { untilAborted } from '../base/promise.ts';
import { ReplayTrack, toGap, trackAfterReset, type FoundGap } from './replay-track.ts';
import { readNextPage, waitForProgress, type TrackReader } from './track-reader.ts';

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

type Events = AsyncGenerator<FeedEvent<unknown>, void, undefined>;

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
): Events {
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
  const follower = new Follower(hub, from === 'now' ? now : from, options);
  const events = follower.events(address);
  const leave = events.return.bind(events);
  // A generator that waits handles `return` only when it continues.
  events.return = (value) => {
    follower.leave();
    return leave(value);
  };
  return events;
}

class Follower implements LiveReceiver, Subscriber, TrackReader {
  readonly hub: Hub;
  readonly #from: string;
  readonly #options: Omit<Followed, 'from'>;
  #address = '';
  /** `undefined` until the start is known. A reset replaces it. */
  #track: ReplayTrack | undefined;
  /** Ends the wait for a log that does not answer. */
  readonly #leaving = new AbortController();
  #wake: () => void = () => undefined;
  #woken: Promise<void> = Promise.resolve();

  constructor(hub: Hub, from: string, options: Omit<Followed, 'from'>) {
    this.hub = hub;
    this.#from = from;
    this.#options = options;
  }

  async *events(address: string | Promise<string>): Events {
    this.#address = await address;
    const { signal } = this.#options;
    const onAbort = (): void => this.leave();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.hub.add(this);
    this.hub.join(this.#address, this);
    try {
      const reach = this.#from === 'earliest' ? undefined : await this.#readReach();
      if (this.#isOver) return;
      // No await between the start and `#track`: a reset in between would not replace the track.
      this.#track = this.#openTrack(reach);
      while (!this.#isOver) {
        this.#woken = new Promise((resolve) => (this.#wake = resolve));
        const track = this.#track;
        const before = track.position;
        const page = await readNextPage(this, track);
        if (page === undefined) continue;
        for (const { position, data } of page.events) {
          track.position = position;
          yield {
            data: JSON.parse(data),
            cursor: formatCursor(page.epoch, position),
            address: this.#address,
          };
          // The reader may have waited long: a rollback may have removed the rest of this page.
          if (!this.isReading(track)) break;
        }
        if (!this.isReading(track)) continue;
        track.position = laterOf(page.through, track.position);
        if (comparePositions(track.position, this.hub.position) >= 0) await this.#woken;
        else await waitForProgress(this, track, before);
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.hub.leave(this.#address, this);
      this.hub.remove(this);
    }
  }

  async #readReach(): Promise<Reach | undefined> {
    try {
      return await untilAborted(this.#leaving.signal, readReach(this.hub, [this.#from]));
    } catch (error) {
      if (this.#isOver) return undefined;
      throw error;
    }
  }

  #openTrack(reach: Reach | undefined): ReplayTrack {
    const start: Pick<SharedStart, 'position' | 'gap'> =
      this.#from === 'earliest' ? { position: BEGINNING } : resolveCursor(this.hub, this.#from, reach);
    const now = this.#options.isLatest ? BEGINNING : this.hub.position;
    const position = start.position === 'now' ? now : start.position;
    const track = new ReplayTrack(position);
    track.add(this.#address, position, start.gap);
    return track;
  }

  /** The consumer has called `return`, or its signal has aborted. */
  leave(): void {
    this.#leaving.abort();
    this.#wake();
  }

  get #isOver(): boolean {
    return this.hub.closed || this.#leaving.signal.aborted || this.#options.signal?.aborted === true;
  }

  // LiveReceiver, Subscriber ------------------------------------------------------------------------------------------

  deliver(): void {
    this.#wake();
  }

  reset(reason: 'rollback' | 'epoch', last: LogCursor): void {
    const track = this.#track;
    if (track !== undefined) {
      const address = this.#address;
      const from = track.cursorOf(address, last.epoch);
      const { isLatest } = this.#options;
      this.#track = trackAfterReset(reason, this.hub.position, [{ address, from, isLatest }]);
    }
    this.#wake();
  }

  readFromLog(): void {
    this.#wake();
  }

  close(): void {
    this.leave();
  }

  // TrackReader -------------------------------------------------------------------------------------------------------

  isReading(track: ReplayTrack): boolean {
    return !this.#isOver && track === this.#track;
  }

  async readPage(track: ReplayTrack): Promise<ReadPage | undefined> {
    try {
      const page = this.hub.log.read({
        after: track.position,
        addresses: track.ask(),
        limit: PAGE_EVENTS,
        maxBytes: PAGE_BYTES,
      });
      return page instanceof Promise ? await untilAborted(this.#leaving.signal, page) : page;
    } catch (error) {
      // The reader has left, or the log is closed too.
      if (this.#isOver) return undefined;
      throw error;
    }
  }

  announceGaps(gaps: readonly FoundGap[]): void {
    const { onGap } = this.#options;
    for (const found of gaps) {
      const gap = toGap(found, this.hub.epoch);
      if (onGap !== undefined) onGap(gap);
      else if (gap.reason === 'unknown') {
        throw invalidOption(
          `from: ${JSON.stringify(this.#from)} is not a cursor; did you mean "now" (the default) or "earliest"? With onGap it is a gap.`,
        );
      } else refuseGap(gap);
    }
  }

  changed(): Promise<void> {
    return Promise.race([this.#woken, this.hub.changed()]);
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
