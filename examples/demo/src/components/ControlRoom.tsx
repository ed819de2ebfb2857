/** The layout of the panels, and the state that several of them show. */
import { useCallback, useState } from 'react';
import type { Account as Books } from '../lib/account.ts';
import { useAuthor } from '../lib/hooks.ts';
import type { Mark, Span } from '../lib/line.ts';
import type { Carrier } from '../lib/link.ts';
import { useReadings } from '../lib/readings.ts';
import { Account } from './Account.tsx';
import { Connection } from './Connection.tsx';
import { Faults } from './Faults.tsx';
import { Footer } from './Footer.tsx';
import { Header } from './Header.tsx';
import { Notices } from './Notices.tsx';
import { Quotes } from './Quotes.tsx';
import { Recorder } from './Recorder.tsx';
import { Report } from './Report.tsx';
import { Rooms } from './Rooms.tsx';

interface ControlRoomProps {
  readonly account: Books;
  readonly spans: readonly Span[];
  readonly onCarrier: (carrier: Carrier) => void;
}

const keptMarks = 50;

export function ControlRoom({ account, spans, onCarrier }: ControlRoomProps) {
  const readings = useReadings();
  const [author, setAuthor] = useAuthor();
  const [marks, setMarks] = useState<readonly Mark[]>([]);

  const mark = useCallback((name: string) => {
    const made = { at: Date.now(), name };
    setMarks((before) => [...before.slice(1 - keptMarks), made]);
    return () => setMarks((before) => before.filter((kept) => kept !== made));
  }, []);

  return (
    <>
      <Header account={account} />
      <main className="desk">
        <Recorder readings={readings} spans={spans} marks={marks} />
        <div className="desk-side">
          <Connection readings={readings} spans={spans} marks={marks} onCarrier={onCarrier} />
          <Account account={account} />
        </div>
        <Faults marks={marks} spans={spans} account={account} onMark={mark} />
        <Quotes />
        <Report author={author} />
        <Rooms author={author} onAuthor={setAuthor} />
        <Notices />
      </main>
      <Footer />
    </>
  );
}
