/**
 * Subscriptions without a connection of their own (tRPC). Like connections, they end with their session and with the
 * feed.
 */
import type { Expiry } from '../base/expiry.ts';
import type { Beating, Heartbeat } from './heartbeat.ts';
import type { Identified } from '../request/identify.ts';

export interface Guest extends Identified {
  readonly expiry: Expiry;
  /** Ends the subscription. Its client may reconnect and is identified again. */
  end(): void;
}

export class Guests {
  readonly #heartbeat: Heartbeat;
  readonly #guests = new Set<Guest>();
  #isClosed = false;

  constructor(heartbeat: Heartbeat) {
    this.#heartbeat = heartbeat;
  }

  /**
   * Registers a guest until the returned function is called. Ends it immediately if it has expired or the feed is
   * closed.
   */
  receive(guest: Guest): () => void {
    const { expiry } = guest;
    if (this.#isClosed || expiry.isOver) guest.end();
    const beating: Beating = {
      beat() {
        if (expiry.isOver) guest.end();
      },
      dueAt: (now) => expiry.dueAt(now),
    };
    this.#guests.add(guest);
    if (expiry.dueAt(0) < Infinity) this.#heartbeat.add(beating);
    return () => {
      this.#guests.delete(guest);
      this.#heartbeat.remove(beating);
    };
  }

  /** Ends later guests when they register. Registered ones continue until `end`. */
  close(): void {
    this.#isClosed = true;
  }

  /** @returns how many it ended. */
  end(predicate: (guest: Identified) => boolean): number {
    const named = [...this.#guests].filter(predicate);
    for (const guest of named) guest.end();
    return named.length;
  }
}
