/**
 * The states of the logged addresses of one connection. `LoggedDelivery` has one method for each transition:
 *
 *   opened ──▶ replaying ──#goLive: the main track has reached the tail──▶ live
 *                 ▲  ▲                                                     │ │
 *                 │  └──#stopLive: the reader or the tail is too slow──────┘ │
 *                 └─────reset: the log has another numbering─────────────────┘
 *   close: from every state to closed
 *
 * Rewinds are addresses that start before the main track. They are read beside it, and join it when they reach it.
 */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { laterOf } from '../base/position.ts';
import type { ReplayTrack } from './replay-track.ts';

export type DeliveryState =
  | {
      /** Pages are read from the main track's position on. */
      readonly state: 'replaying';
      /**
       * Set from a reset of the log until its gaps are announced: the cursor that the client had. A cursor of the new
       * numbering must not reach the client before the gaps: a resume from it would skip them.
       */
      readonly cursorBeforeReset: string | undefined;
    }
  | {
      readonly state: 'live';
      /** Live events up to this position were already replayed, because the log was ahead of this process's tail. */
      readonly skipThrough: Position | undefined;
    }
  | { readonly state: 'closed' };

export const REPLAYING: DeliveryState = { state: 'replaying', cursorBeforeReset: undefined };
export const LIVE: DeliveryState = { state: 'live', skipThrough: undefined };
export const CLOSED: DeliveryState = { state: 'closed' };

/** All events up to this position are written or queued. `tail`: the hub has delivered everything up to it. */
export function positionIn(place: DeliveryState, main: ReplayTrack, tail: Position): Position {
  if (place.state !== 'live') return main.position;
  return laterOf(tail, /* seam: live-position-from-tail */ place.skipThrough ?? BEGINNING);
}
