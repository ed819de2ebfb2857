/** What the server has to say, newest first. */
import { useReducer } from 'react';
import type { Payload } from '@linefeed/shared';
import type { Board } from '../../channel.ts';
import { passGap, useDesk } from '../lib/desk.ts';
import { toClock } from '../lib/format.ts';
import { useSubscription } from '../lib/hooks.ts';
import { Panel } from './Panel.tsx';

type Notice = Payload<Board, 'notice'>;

const keptNotices = 40;

export function Notices() {
  const desk = useDesk();
  const { client, book, resume } = desk;
  const [notices, add] = useReducer(
    (before: readonly Notice[], notice: Notice) => [notice, ...before].slice(0, keptNotices),
    [],
  );

  useSubscription(client, (on) =>
    on.subscribe(
      'notice',
      (notice, event) => {
        book({ kind: 'event', address: 'notice', run: notice.run, n: notice.n });
        if (event.id !== undefined) resume.set('notice', event.id);
        add(notice);
      },
      { from: resume.get('notice') ?? 'earliest', onGap: passGap(desk, 'notice') },
    ),
  );

  return (
    <Panel name="notices" title="Notices">
      {notices.length === 0 ? (
        <p className="empty">Nothing to report yet.</p>
      ) : (
        <ol aria-label="Notices, newest first" tabIndex={0}>
          {notices.map(({ run, n, at, level, text }) => (
            <li key={`${run}${n}`} className={`is-${level}`}>
              <time>{toClock(at)}</time>
              <span>
                {level === 'warn' && <b>Warning: </b>}
                {text}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
