/** Pages of replays: read once and encoded once for all who want the same one, tick after tick, as those do who come back together. */
import { comparePositions, type Position } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import { PAGE_BYTES, type Log, type LogEvent, type ReadPage } from './log.ts';
import { isThenable } from './source.ts';

/** Most events of one page. */
const PAGE_EVENTS = 500;

const encoder = new TextEncoder();

export interface PagesOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** An event as the text of its frame. */
  readonly encode: (event: LogEvent) => string;
}

export class Pages {
  readonly #options: PagesOptions;
  #read: { readonly key: string; readonly page: ReadPage | PromiseLike<ReadPage> } | undefined;
  #encoded: { readonly events: readonly LogEvent[]; readonly bytes: Uint8Array } | undefined;
  /** Somebody has wanted one in this tick. */
  #isWanted = false;
  #isWatching = false;

  constructor(options: PagesOptions) {
    this.#options = options;
  }

  /** What is behind `after` of these addresses, each only behind its own position. */
  read(after: Position, addresses: ReadonlyMap<string, Position>): ReadPage | PromiseLike<ReadPage> {
    const key = `${after}\n${[...addresses].join('\n')}`;
    this.#keep();
    if (this.#read?.key === key) return this.#read.page;
    // A log may take time before it looks at them, and by then who asked first may want something else.
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
    // Of a page that leads nowhere only another one can tell what has come since: its reader would ask for ever.
    const check = ({ through }: ReadPage): void => {
      if (comparePositions(through, after) <= 0) drop();
    };
    if (isThenable(page)) page.then(check, drop);
    else check(page);
    return page;
  }

  /** Events of a page as bytes: for the same events the same ones. */
  encode(events: readonly LogEvent[]): Uint8Array {
    const last = this.#encoded;
    if (last !== undefined && isSame(events, last.events)) return last.bytes;
    // In one piece: a frame of its own for each event costs five times as much.
    const bytes = encoder.encode(events.map((event) => this.#options.encode(event)).join(''));
    this.#encoded = { events, bytes };
    this.#keep();
    return bytes;
  }

  /** To be called when the log has moved on: who reads now is to get what is new in the same page. */
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

  /** Once a tick, for as long as each tick wants something. */
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
