/** The parts of the connection and the feed that logged delivery uses. */
import type { Gap, Position } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import type { Hub, LiveReceiver } from './hub.ts';

/**
 * The outbox of the connection. It writes everything in the order in which it was queued. If too many bytes would wait
 * for the reader, it refuses a live event, and delivery falls back.
 */
export interface DeliveryQueue extends LiveReceiver {
  /** Position of the last id of a logged event or bookmark in the response or the queue. Live frames set it. */
  lastId: Position | undefined;
  /** Whether the sink has room for more than what is queued. */
  readonly writable: boolean;
  /** Resolves when the sink has room or is closed. */
  drained(): Promise<void>;
  /** Writes bytes at once, after everything that is queued. */
  write(bytes: Uint8Array): void;
}

/** The connection as logged delivery sees it. */
export interface DeliveryPort {
  readonly closed: boolean;
  /**
   * Ends the connection if its context has expired or its maximum duration is over. Returns whether it is closed.
   * `now`: time of the feed's clock.
   */
  endIfOver(now: number): boolean;
  readonly outbox: DeliveryQueue;
  /** Queues a control frame. */
  control(event: string, payload: object, id?: string): void;
  onGap(gap: Gap): void;
  /** Called when the log cannot be read. */
  onFailure(error: unknown): void;
}

export interface DeliveryCounters {
  framesOut: number;
  /** Times a reader exceeded its buffer bound and returned to replay. */
  fallbacks: number;
  gaps: number;
  replayed: number;
  /** Replays of at least one event that reached the tail. */
  replays: number;
  largestReplay: number;
}

export interface DeliveryOptions {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly counters: DeliveryCounters;
}
