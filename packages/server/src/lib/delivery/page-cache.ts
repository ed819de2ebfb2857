/**
 * Cache of replay pages. Clients that reconnect together need the same page. It is read and encoded once for all of
 * them.
 */
import { comparePositions, type Position } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { PAGE_BYTES, type Log, type LogEvent, type ReadPage } from '../log/log.ts';
import { isThenable } from '../base/promise.ts';

/** Maximum number of events in one page. */
const PAGE_EVENTS = 500;

const encoder = new TextEncoder();

export interface PagesOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** Encodes an event as the text of its frame. */
  readonly encode: (event: LogEvent) => string;
}

export class PageCache {
  readonly #options: PagesOptions;
  #read: { readonly key: string; readonly page: ReadPage | PromiseLike<ReadPage> } | undefined;
  #encoded: { readonly events: readonly LogEvent[]; readonly bytes: Uint8Array } | undefined;
  /** Whether a page was requested in this tick. */
  #isWanted = false;
  #isWatching = false;

  constructor(options: PagesOptions) {
    this.#options = options;
  }

  /** A page of events past `after` at these addresses, each only past its own position. */
  read(after: Position, addresses: ReadonlyMap<string, Position>): ReadPage | PromiseLike<ReadPage> {
    const key = `${after}\n${[...addresses].join('\n')}`;
    this.#keep();
    if (this.#read?.key === key) return this.#read.page;
    // Copied: the log may read the map later, and the first caller may have changed it by then.
    const asked = new Map(addresses);
    const page = this.#options.log.read({
      after,
      addresses: asked,
      limit: PAGE_EVENTS,
      maxBytes: PAGE_BYTES,
    });
    const read = (this.#read = { key, page });
    const drop = (): void => {
      if (this.#read === read) this.#read = undefined;
    };
    // Do not cache a page that makes no progress: its reader would read the same page in a loop.
    const check = ({ through }: ReadPage): void => {
      if (comparePositions(through, after) <= 0) drop();
    };
    if (isThenable(page)) page.then(check, drop);
    else check(page);
    return page;
  }

  /** The events of a page as bytes. Equal events return the same array. */
  encode(events: readonly LogEvent[]): Uint8Array {
    const last = this.#encoded;
    if (last !== undefined && isSame(events, last.events)) return last.bytes;
    // Encoded in one call: one call per event costs five times as much.
    const bytes = encoder.encode(events.map((event) => this.#options.encode(event)).join(''));
    this.#encoded = { events, bytes };
    this.#keep();
    return bytes;
  }

  /** Must be called after the log has changed, so that the next read includes the new events. */
  forget(): void {
    this.#read = undefined;
    this.#encoded = undefined;
  }

  #keep(): void {
    this.#isWanted = true;
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#options.clock.defer(() => this.#watch());
  }

  /** Runs once per tick. Drops the cache after a tick without a request. */
  #watch(): void {
    if (this.#isWanted) {
      this.#isWanted = false;
      this.#options.clock.defer(() => this.#watch());
    } else {
      this.#isWatching = false;
      this.forget();
    }
  }
}

function isSame(events: readonly LogEvent[], others: readonly LogEvent[]): boolean {
  if (events === others) return true;
  return events.length === others.length && events.every((event, index) => event === others[index]);
}
