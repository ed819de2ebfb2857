/** Owns what outlives a change of transport: the client of the moment, the account, the history of the line. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { ControlRoom } from './components/ControlRoom.tsx';
import { book, emptyAccount } from './lib/account.ts';
import { DeskContext } from './lib/desk.ts';
import { addSpan, type Span } from './lib/line.ts';
import { openClient, readTransport, writeTransport, type Link, type TransportName } from './lib/link.ts';
import { toWhy } from './lib/words.ts';

export function App() {
  const [transport, setTransport] = useState<TransportName>(readTransport);
  const [link, setLink] = useState<Link>();
  const [account, bookEntry] = useReducer(book, emptyAccount);
  const [spans, setSpans] = useState<readonly Span[]>([]);
  const resume = useRef(new Map<string, string>()).current;

  useEffect(() => {
    const opened = openClient(transport);
    const { client } = opened;
    const stop = client.connection.subscribe(() => {
      const snapshot = client.connection.getSnapshot();
      const span = { at: Date.now(), state: snapshot.state, why: toWhy(snapshot) };
      setSpans((before) => addSpan(before, span));
    });
    setLink(opened);
    return () => {
      stop();
      client.close();
    };
  }, [transport]);

  const desk = useMemo(() => link && { ...link, book: bookEntry, resume }, [link, resume]);
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
