/** What the panels share: the link of the moment, the account, and from where to go on when that link is another one. */
import { createContext, useContext, useMemo, type Dispatch } from 'react';
import type { Gap } from '@linefeed/client';
import type { Entry } from './account.ts';
import type { Link } from './link.ts';

export interface Desk extends Link {
  readonly book: Dispatch<Entry>;
  /** By address. */
  readonly places: Map<string, Place>;
}

/** Where an address stands: the id of the last event handled, and what was made of all of them. */
interface Place {
  readonly id: string | undefined;
  readonly state: unknown;
}

export const DeskContext = createContext<Desk | undefined>(undefined);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === undefined) throw new Error('useDesk needs a DeskContext above it.');
  return desk;
}

interface Following<S> {
  /** Options of `useTopic`: another client goes on behind the last event, with what there was. */
  readonly start: {
    readonly from: string | undefined;
    readonly initial: S;
    readonly onGap: (gap: Gap) => void;
  };
  /** For its `reduce`: books an event, and gives the state that it led to. */
  readonly pass: (
    numbered: { readonly run: string; readonly n: number },
    event: { readonly id?: string | undefined },
    state: S,
    skips?: boolean,
  ) => S;
}

/** What every panel that follows a topic does: booking its events and gaps, and keeping its place. */
export function useFollowing<S>(address: string, empty: S, from?: 'earliest'): Following<S> {
  const { client, book, places } = useDesk();
  return useMemo(() => {
    const place = places.get(address);
    const initial = place === undefined ? empty : (place.state as S);
    const following: Following<S> = {
      start: {
        from: place?.id ?? from,
        initial,
        onGap({ to }) {
          book({ kind: 'gap', address });
          places.set(address, { id: to, state: places.get(address)?.state ?? initial });
        },
      },
      pass({ run, n }, { id }, state, skips = false) {
        book({ kind: 'event', address, run, n, skips });
        places.set(address, { id: id ?? places.get(address)?.id, state });
        return state;
      },
    };
    return following;
    // `empty` may be written anew at each render; it counts once, and a client is one life of a place.
  }, [client, address, book, places, from]);
}
