/** Reads pages: from the recent events if they suffice, otherwise from the server, some at a time. */
import { comparePositions } from '@linefeed/shared/wire';
import type { ReadPage, ReadQuery } from '../log.ts';
import type { Limiter } from './limiter.ts';
import type { Numbering } from './numbering.ts';
import type { RecentEvents } from './recent-events.ts';
import type { RemoteStore } from './remote-store.ts';
import type { ServerCalls } from './server-calls.ts';

export interface PageReaderOptions {
  readonly store: RemoteStore;
  readonly calls: ServerCalls;
  readonly limiter: Limiter;
  readonly numbering: Numbering;
  readonly recent: RecentEvents;
}

export class PageReader {
  readonly #options: PageReaderOptions;
  /** Reads that have not been answered, by query and known position. */
  readonly #reads = new Map<string, Promise<ReadPage>>();

  constructor(options: PageReaderOptions) {
    this.#options = options;
  }

  read(query: ReadQuery): ReadPage | Promise<ReadPage> {
    const { numbering, recent } = this.#options;
    const { epoch, position } = numbering.newest;
    // An event past the recent ones is known: the page must include it.
    const isCurrent = numbering.isFollowed && comparePositions(position, recent.end) <= 0;
    const page = isCurrent ? recent.read(query, epoch) : undefined;
    return page ?? this.#share(query, `${epoch}.${position}`);
  }

  /** Equal queries share one read. A read that began before a newer position was known is not shared. */
  #share(query: ReadQuery, known: string): Promise<ReadPage> {
    const { after, addresses, limit, maxBytes } = query;
    const key = [known, after, limit, maxBytes, ...addresses].join('\n');
    const shared = this.#reads.get(key);
    if (shared !== undefined) return shared;
    const read = this.#readFromServer(query).finally(() => this.#reads.delete(key));
    this.#reads.set(key, read);
    return read;
  }

  #readFromServer(query: ReadQuery): Promise<ReadPage> {
    const { store, calls, limiter } = this.#options;
    // Connections stay open while the server is away: their pages wait until it is back.
    return limiter.run(() =>
      calls.repeat(Infinity, (ms) =>
        calls.call(
          { ms },
          (context) => store.read(query, context),
          ({ head }) => ({ head }),
        ),
      ),
    );
  }
}
