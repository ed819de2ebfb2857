/** What the logged addresses of a connection are delivered to: what is written, what is counted, who is told. */
import { FRAME, type Gap } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import type { Hub } from './hub.ts';
import type { FoundGap } from './track.ts';

/** What a delivery writes to, and whom it tells. */
export interface DeliveryPort {
  readonly closed: boolean;
  /** Ends it where its authority or its time is over. Returns whether it is closed. `now` is the clock's. */
  endIfOver(now: number): boolean;
  /** Bytes that wait for the reader, and whether it takes more. */
  readonly bufferedBytes: number;
  readonly writable: boolean;
  /** Resolves when it does, or is gone. */
  drained(): Promise<void>;
  write(bytes: Uint8Array, now?: number): void;
  /** Writes a control frame, behind what is pending. */
  control(event: string, payload: object, id?: string): void;
  onGap(gap: Gap): void;
  /** The log cannot be read. */
  onFailure(error: unknown): void;
}

export interface DeliveryCounters {
  framesOut: number;
  /** Times a reader fell behind its bound. */
  fallbacks: number;
  gaps: number;
  replayed: number;
  /** Replays that reached the tail, of one event or more. */
  replays: number;
  largestReplay: number;
}

export interface DeliveryOptions {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly counters: DeliveryCounters;
  readonly limits: { readonly maxBufferedBytes: number };
}

/** Says what is lost, with the cursors of the log as it is numbered now. */
export function announceGaps(
  gaps: readonly FoundGap[],
  port: DeliveryPort,
  { hub, counters }: DeliveryOptions,
): void {
  for (const { address, from, to, reason } of gaps) {
    // The frame before may have ended it.
    if (port.closed) return;
    const start = 'cursor' in from ? from.cursor : hub.cursorAt(from.position);
    const gap: Gap = { address, from: start, to: hub.cursorAt(to), reason };
    counters.gaps += 1;
    port.control(FRAME.gap, gap);
    port.onGap(gap);
  }
}
