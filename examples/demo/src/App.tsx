/** Owns what outlives a change of transport: the client of the moment, the account, the history of the line. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { ControlRoom } from './components/ControlRoom.tsx';
import { book, emptyAccount } from './lib/account.ts';
import { DeskContext } from './lib/desk.ts';
import { addSpan, type Span } from './lib/line.ts';
import {
  openClient,
  readTransport,
  writeTransport,
  type BoardClient,
  type TransportName,
} from './lib/link.ts';
import { toWhy } from './lib/words.ts';

export function App() {
  const [transport, setTransport] = useState<TransportName>(readTransport);
  const [client, setClient] = useState<BoardClient>();
  const [account, bookEntry] = useReducer(book, emptyAccount);
  const [spans, setSpans] = useState<readonly Span[]>([]);
  const resume = useRef(new Map<string, string>()).current;

  useEffect(() => {
    const opened = openClient(transport);
    const stop = opened.connection.subscribe(() => {
      const snapshot = opened.connection.getSnapshot();
      const span = { at: Date.now(), state: snapshot.state, why: toWhy(snapshot) };
      setSpans((before) => addSpan(before, span));
    });
    setClient(opened);
    return () => {
      stop();
      opened.close();
    };
  }, [transport]);

  const desk = useMemo(() => client && { client, book: bookEntry, resume }, [client, resume]);
  const choose = useCallback((chosen: TransportName) => {
    writeTransport(chosen);
    setTransport(chosen);
  }, []);

  if (desk === undefined) return null;
  return (
    <DeskContext value={desk}>
      <ControlRoom account={account} spans={spans} transport={transport} onTransport={choose} />
    </DeskContext>
  );
}
