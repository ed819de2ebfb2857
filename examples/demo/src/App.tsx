/** Owns the state that outlives a change of transport: the present client, the account, the history of the line. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { ControlRoom } from './components/ControlRoom.tsx';
import { book, emptyAccount } from './lib/account.ts';
import { DeskContext, type Desk } from './lib/desk.ts';
import { addSpan, type Span } from './lib/line.ts';
import { openClient, Provider, readCarrier, writeCarrier, type Carrier, type Link } from './lib/link.ts';
import { toWhy } from './lib/words.ts';

export function App() {
  const [carrier, setCarrier] = useState<Carrier>(readCarrier);
  const [link, setLink] = useState<Link>();
  const [account, bookEntry] = useReducer(book, emptyAccount);
  const [spans, setSpans] = useState<readonly Span[]>([]);
  const places = useRef<Desk['places']>(new Map()).current;

  useEffect(() => {
    const opened = openClient(carrier);
    const { client } = opened;
    const stop = client.connection.subscribe(() => {
      const snapshot = client.connection.getSnapshot();
      const span = { at: Date.now(), state: snapshot.state, why: toWhy(snapshot, carrier) };
      setSpans((before) => addSpan(before, span));
    });
    setLink(opened);
    return () => {
      stop();
      client.close();
    };
  }, [carrier]);

  const desk = useMemo(() => link && { ...link, book: bookEntry, places }, [link, places]);
  const choose = useCallback((chosen: Carrier) => {
    writeCarrier(chosen);
    setCarrier(chosen);
  }, []);

  if (desk === undefined) return null;
  return (
    <Provider client={desk.client}>
      <DeskContext value={desk}>
        <ControlRoom account={account} spans={spans} onCarrier={choose} />
      </DeskContext>
    </Provider>
  );
}
