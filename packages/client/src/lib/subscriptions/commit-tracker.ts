/** Tracks the committed cursor: it and all that arrived before it are acknowledged. Pure. */
import type { Cursor } from '@linefeed/shared/wire';
import { toText } from '../base/cursor.ts';

/** A frame that is being handled. */
export interface InFlight {
  /**
   * The cursor to commit with this frame: its own, or the newest one of acknowledged frames directly after it.
   * `undefined` if it does not move the connection's cursor.
   */
  cursor: Cursor | undefined;
  /**
   * Called once this and all earlier frames are acknowledged. Includes the callbacks of acknowledged frames directly
   * after it.
   */
  onCommit: (() => void) | undefined;
  /** Number of outstanding acknowledgements. */
  pending: number;
  /** Its neighbours in the list of frames in flight. */
  previous: InFlight;
  next: InFlight;
}

export interface CommitTracker {
  readonly committed: () => string | undefined;
  /** Registers a frame with one pending acknowledgement, which the caller gives. */
  readonly track: (cursor?: Cursor, onCommit?: () => void) => InFlight;
  readonly ack: (inFlight: InFlight) => void;
  /** Called each time that the committed cursor moves. */
  onCommit: (() => void) | undefined;
}

export function createCommitTracker(): CommitTracker {
  // A circular list of the frames in flight. An acknowledged frame passes its cursor to its predecessor, the oldest
  // one to `start`.
  const start = { pending: 0 } as InFlight;
  start.previous = start.next = start;
  const tracker: CommitTracker = {
    onCommit: undefined,
    committed: () => toText(start.cursor),
    track(cursor, onCommit) {
      const { previous } = start;
      return (start.previous = previous.next = { cursor, onCommit, pending: 1, previous, next: start });
    },
    ack(inFlight) {
      inFlight.pending -= 1;
      if (inFlight.pending > 0) return;
      const { cursor, onCommit: callback, previous, next } = inFlight;
      previous.next = next;
      next.previous = previous;
      // Unlink: an acknowledged frame that is still referenced would keep all later ones in memory.
      inFlight.previous = inFlight.next = start;
      previous.cursor = cursor ?? previous.cursor;
      if (previous === start) {
        callback?.();
        if (cursor) tracker.onCommit?.();
      } else if (callback) {
        const before = previous.onCommit;
        previous.onCommit = () => {
          before?.();
          callback();
        };
      }
    },
  };
  return tracker;
}
