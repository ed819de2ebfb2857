/** The control room: owns the client and the records, and lays out the panels. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { Account } from './components/Account.tsx';
import { Connection } from './components/Connection.tsx';
import { Faults } from './components/Faults.tsx';
import { Footer } from './components/Footer.tsx';
import { Header } from './components/Header.tsx';
import { Job } from './components/Job.tsx';
import { Notices } from './components/Notices.tsx';
import { Recorder } from './components/Recorder.tsx';
import { Rooms } from './components/Rooms.tsx';
import { book, emptyAccount } from './lib/account.ts';
import { DeskContext } from './lib/desk.ts';
import { addSpan, type Mark, type Span } from './lib/line.ts';
import { openClient, readTransport, writeTransport, type BoardClient, type TransportName } from './lib/link.ts';
import { toWhy } from './lib/words.ts';

export function App() {
  const [transport, setTransport] = useState<TransportName>(readTransport);
  const [client, setClient] = useState<BoardClient>();
  const [account, bookEntry] = useReducer(book, emptyAccount);
  const [spans, setSpans] = useState<readonly Span[]>([]);
  const [marks, setMarks] = useState<readonly Mark[]>([]);
  const resume = useRef(new Map<string, string>()).current;

  useEffect(() => {
    const opened = openClient(transport);
    const record = () => {
      const snapshot = opened.connection.getSnapshot();
      const span = { at: Date.now(), state: snapshot.state, why: toWhy(snapshot) };
      setSpans((before) => addSpan(before, span));
    };
    const stop = opened.connection.subscribe(record);
    record();
    setClient(opened);
    return () => {
      stop();
      opened.close();
    };
  }, [transport]);

  const desk = useMemo(() => client && { client, book: bookEntry, resume }, [client, resume]);
  const mark = useCallback((name: string) => setMarks((before) => [...before.slice(-50), { at: Date.now(), name }]), []);
  const choose = useCallback((chosen: TransportName) => {
    writeTransport(chosen);
    setTransport(chosen);
  }, []);

  if (desk === undefined) return null;
  return (
    <DeskContext value={desk}>
      <Header account={account} />
      <main className="desk">
        <Recorder spans={spans} marks={marks} />
        <div className="desk-side">
          <Connection spans={spans} marks={marks} transport={transport} onTransport={choose} />
          <Account account={account} />
        </div>
        <Faults marks={marks} spans={spans} account={account} onMark={mark} />
        <Rooms />
        <Job />
        <Notices />
      </main>
      <Footer />
    </DeskContext>
  );
}
