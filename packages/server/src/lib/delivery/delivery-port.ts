/** The interface that logged delivery writes to: frames, counters and callbacks. */
import { FRAME, type Gap } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import type { Hub } from './hub.ts';
import type { FoundGap } from './replay-track.ts';

/** The connection as logged delivery sees it. */
export interface DeliveryPort {
  readonly closed: boolean;
  /**
   * Ends the connection if its context has expired or its maximum duration is over. Returns whether it is closed.
   * `now`: time of the feed's clock.
   */
  endIfOver(now: number): boolean;
  /** Bytes written that the reader has not taken. `writable`: whether the sink has room for more. */
  readonly bufferedBytes: number;
  readonly writable: boolean;
  /** Resolves when the sink has room or is closed. */
  drained(): Promise<void>;
  write(bytes: Uint8Array, now?: number): void;
  /** Writes a control frame after all pending frames. */
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
  readonly limits: { readonly maxBufferedBytes: number };
}

/** Writes gap frames. Positions become cursors of the log's current numbering. */
export function announceGaps(
  gaps: readonly FoundGap[],
  port: DeliveryPort,
  { hub, counters }: DeliveryOptions,
): void {
  for (const { address, from, to, reason } of gaps) {
    // Writing the previous frame may have ended the connection.
    if (port.closed) return;
    const start = 'cursor' in from ? from.cursor : hub.cursorAt(from.position);
    const gap: Gap = { address, from: start, to: hub.cursorAt(to), reason };
    counters.gaps += 1;
    port.control(FRAME.gap, gap);
    port.onGap(gap);
  }
}
