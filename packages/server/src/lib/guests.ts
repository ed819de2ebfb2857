/** Subscriptions that do not come over the wire: they end with their session and with the feed, as connections do. */
import type { Heartbeat } from './heartbeat.ts';
import type { Identified } from './visitor.ts';

export interface Guest extends Identified {
  /** As the feed's clock counts. */
  readonly expiresAt: number;
  /** Ends it; its client may come back, and is asked who it is. */
  end(): void;
}

export class Guests {
  readonly #heartbeat: Heartbeat;
  readonly #guests = new Set<Guest>();
  #isClosed = false;

  constructor(heartbeat: Heartbeat) {
    this.#heartbeat = heartbeat;
  }

  /** Looks after a guest until the returned function is called; ends one at once whose time is over, as is the feed's. */
  receive(guest: Guest, now: number): () => void {
    if (this.#isClosed || now >= guest.expiresAt) guest.end();
    const expiry = {
      beat(now: number): void {
        if (now >= guest.expiresAt) guest.end();
      },
    };
    this.#guests.add(guest);
    if (guest.expiresAt < Infinity) this.#heartbeat.add(expiry);
    return () => {
      this.#guests.delete(guest);
      this.#heartbeat.remove(expiry);
    };
  }

  /** Nobody is received any more; those who are here stay for now. */
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
