/** The fault buttons, and the line's recovery after the last one. */
import { useState } from 'react';
import type { Account } from '../lib/account.ts';
import { useDesk } from '../lib/desk.ts';
import { toDuration } from '../lib/format.ts';
import { toDrill, type Mark, type Span } from '../lib/line.ts';
import { post } from '../lib/link.ts';
import { Panel } from './Panel.tsx';

const faults = [
  {
    path: 'cut',
    name: 'cut',
    title: 'Cut my connection',
    text: 'The server destroys the socket in the middle of whatever it was sending.',
  },
  {
    path: '502',
    name: '502',
    title: 'Answer 502 for 5 s',
    text: 'Cuts the connection. Every reconnect is refused for five seconds.',
  },
  {
    path: 'silence',
    name: 'silence',
    title: 'Go silent',
    text: 'The socket stays open and sends no bytes. The client notices after 6 s.',
  },
  {
    path: 'restart',
    name: 'restart',
    title: 'Restart the server',
    text: 'Killed and started again. Its log and its runs outlive it, so nothing is lost.',
  },
] as const;

interface FaultsProps {
  readonly marks: readonly Mark[];
  readonly spans: readonly Span[];
  readonly account: Account;
  /** Records that a fault was requested; the returned function removes the record. */
  readonly onMark: (name: string) => () => void;
}

export function Faults({ marks, spans, account, onMark }: FaultsProps) {
  const { visitor } = useDesk();
  const [error, setError] = useState<{ readonly at: number; readonly text: string }>();

  async function press({ path, name }: (typeof faults)[number]): Promise<void> {
    setError(undefined);
    const takeBack = onMark(name);
    await post(`/faults/${path}`, { visitor }).catch((cause: Error) => {
      takeBack();
      setError({ at: Date.now(), text: cause.message });
    });
  }

  const outdated = error && spans.some(({ at, state }) => at > error.at && state === 'connected');

  return (
    <Panel name="faults" title="Buttons that hurt">
      <ul className="fault-buttons">
        {faults.map((fault) => (
          <li key={fault.path}>
            <button type="button" aria-describedby={`about-${fault.path}`} onClick={() => void press(fault)}>
              {fault.title}
            </button>
            <p id={`about-${fault.path}`}>{fault.text}</p>
          </li>
        ))}
      </ul>
      <p className="drill" role="status">
        {error === undefined || outdated ? (
          <Outcome marks={marks} spans={spans} account={account} />
        ) : (
          <span className="error">{error.text}</span>
        )}
      </p>
    </Panel>
  );
}

function Outcome({ marks, spans, account }: Omit<FaultsProps, 'onMark'>) {
  const drill = toDrill(marks, spans);
  if (drill === undefined) return <>Press one and watch the account: its last two figures stay 0.</>;
  const { name, noticedAfterMs, backAfterMs } = drill;
  const wrong = account.missingUnannounced + account.doubled;
  return (
    <>
      <b>{name}</b>{' '}
      {noticedAfterMs === undefined
        ? 'asked for; not noticed yet.'
        : `noticed after ${toDuration(noticedAfterMs)}, ${
            backAfterMs === undefined ? 'coming back…' : `back after ${toDuration(backAfterMs)}.`
          }`}{' '}
      {backAfterMs !== undefined &&
        (wrong === 0 ? 'Nothing lost in silence, nothing twice.' : `${wrong} events wrong.`)}
    </>
  );
}
