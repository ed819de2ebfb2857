/** Subscriptions that do not come over the wire: they end with their session and with the feed, as connections do. */
import type { Expiry } from './expiry.ts';
import type { Beating, Heartbeat } from './heartbeat.ts';
import type { Identified } from './visitor.ts';

export interface Guest extends Identified {
  readonly expiry: Expiry;
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
