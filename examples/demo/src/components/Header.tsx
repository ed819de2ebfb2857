/** The top of the desk: the name, and the facts that stay visible at every scroll position. */
import type { Account } from '../lib/account.ts';
import { toCount } from '../lib/format.ts';
import { useConnectionState } from '../lib/link.ts';
import { stateWords } from '../lib/words.ts';
import { StateMark } from './StateMark.tsx';

export function Header({ account }: { readonly account: Account }) {
  const { state } = useConnectionState();
  const bad = account.missingUnannounced + account.doubled;
  return (
    <header className="top">
      <div className="top-inner">
        <h1>
          <svg viewBox="0 0 32 20" aria-hidden="true">
            <path d="M1 13h7l4-11 6 16 4-10h9" />
          </svg>
          Linefeed <span>control room</span>
        </h1>
        <p className={`top-state is-${state}`}>
          <StateMark state={state} />
          {stateWords[state]}
        </p>
        <p className="top-count">
          <b>{toCount(account.received)}</b> received, <b className={bad > 0 ? 'is-bad' : ''}>{bad}</b> wrong
        </p>
      </div>
    </header>
  );
}
