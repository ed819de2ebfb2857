/** What the panels share: the client, the account, and from where to go on when the transport is changed. */
import { createContext, useContext, type Dispatch } from 'react';
import type { Gap } from '@linefeed/client';
import type { Entry } from './account.ts';
import type { BoardClient } from './link.ts';

export interface Desk {
  readonly client: BoardClient;
  /** When the server last sent a ping, by this page's clock. */
  readonly lastPingAt: () => number | undefined;
  readonly book: Dispatch<Entry>;
  /** By address, the id of the last event handled: a new client goes on behind it. */
  readonly resume: Map<string, string>;
}

/** What every subscription of this page does about a gap: books it, and goes on behind it. */
export function passGap({ book, resume }: Desk, address: string): (gap: Gap) => void {
  return ({ to }) => {
    book({ kind: 'gap', address });
    resume.set(address, to);
  };
}

export const DeskContext = createContext<Desk | undefined>(undefined);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === undefined) throw new Error('useDesk needs a DeskContext above it.');
  return desk;
}
