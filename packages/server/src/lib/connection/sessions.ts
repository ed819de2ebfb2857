/**
 * Subscriptions without a connection of their own (tRPC). Like connections, they end with their session and with the
 * feed.
 */
import type { Expiry } from '../base/expiry.ts';
import type { HeartbeatTarget, Heartbeat } from './heartbeat.ts';
import type { Identity } from '../request/identify.ts';

export interface Session extends Identity {
  readonly expiry: Expiry;
  /** Ends the subscription. Its client may reconnect and is identified again. */
  end(): void;
}

export class Sessions {
  readonly #heartbeat: Heartbeat;
  readonly #sessions = new Set<Session>();
  #isClosed = false;

  constructor(heartbeat: Heartbeat) {
    this.#heartbeat = heartbeat;
  }

  /**
   * Registers a session until the returned function is called. Ends it immediately if it has expired or the feed is
   * closed.
   */
  add(session: Session): () => void {
    const { expiry } = session;
    if (this.#isClosed || expiry.isOver) session.end();
    const target: HeartbeatTarget = {
      onTick() {
        if (expiry.isOver) session.end();
      },
      dueAt: (now) => expiry.dueAt(now),
    };
    this.#sessions.add(session);
    if (expiry.dueAt(0) < Infinity) this.#heartbeat.add(target);
    return () => {
      this.#sessions.delete(session);
      this.#heartbeat.remove(target);
    };
  }

  /** Ends later sessions when they are added. Earlier ones continue until `end`. */
  close(): void {
    this.#isClosed = true;
  }

  /** @returns how many it ended. */
  end(predicate: (session: Identity) => boolean): number {
    const named = [...this.#sessions].filter(predicate);
    for (const session of named) session.end();
    return named.length;
  }
}
