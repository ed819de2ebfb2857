/** Shared by the panels: the present link, the account, and the start position for the next link. */
import { createContext, useContext, useMemo, type Dispatch } from 'react';
import type { Gap } from '@linefeed/client';
import type { Entry } from './account.ts';
import type { Link } from './link.ts';

export interface Desk extends Link {
  readonly book: Dispatch<Entry>;
  /** By address. */
  readonly places: Map<string, Place>;
}

/** Position of an address: where the next link starts, and the reduced state up to there. */
interface Place {
  readonly from: string | undefined;
  readonly state: unknown;
}

export const DeskContext = createContext<Desk | undefined>(undefined);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === undefined) throw new Error('useDesk needs a DeskContext above it.');
  return desk;
}

interface Following<S> {
  /** Options of `useTopic`: another client continues after the last event, with the same state. */
  readonly start: {
    readonly from: string | undefined;
    readonly initial: S;
    readonly onGap: (gap: Gap) => void;
  };
  /** For its `reduce`: records an event and the resulting state. */
  readonly pass: (
    numbered: { readonly run: string; readonly n: number },
    event: { readonly cursor?: string | undefined },
    state: S,
    skips?: boolean,
  ) => S;
}

/** Common to every panel that follows a topic: it records events and gaps, and keeps its position. */
export function useFollowing<S>(address: string, empty: S, from?: 'earliest'): Following<S> {
  const { client, book, places } = useDesk();
  return useMemo(() => {
    const place = places.get(address);
    const initial = place === undefined ? empty : (place.state as S);
    const following: Following<S> = {
      start: {
        from: place?.from ?? from,
        initial,
        onGap({ to }) {
          book({ kind: 'gap', address });
          places.set(address, { from: to, state: places.get(address)?.state ?? initial });
        },
      },
      pass({ run, n }, { cursor }, state, skips = false) {
        book({ kind: 'event', address, run, n, skips });
        places.set(address, { from: cursor ?? places.get(address)?.from, state });
        return state;
      },
    };
    return following;
    // `empty` may be a new object at each render; only the first one counts. A client is one life of a position.
  }, [client, address, book, places, from]);
}
