/** The server's notices, newest first. */
import type { Payload } from '@linefeed/shared';
import type { Board } from '../../channel.ts';
import { useFollowing } from '../lib/desk.ts';
import { toClock } from '../lib/format.ts';
import { useTopic } from '../lib/link.ts';
import { Panel } from './Panel.tsx';

type Notice = Payload<Board, 'notice'>;

const none: readonly Notice[] = [];
const keptNotices = 40;

export function Notices() {
  const { start, pass } = useFollowing('notice', none, 'earliest');
  const { data: notices } = useTopic('notice', {
    ...start,
    reduce: (before, notice, event) => pass(notice, event, [notice, ...before].slice(0, keptNotices)),
  });

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
