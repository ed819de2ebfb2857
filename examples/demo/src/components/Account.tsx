/** The account: received events, missing events (announced or not), and duplicates. */
import type { Account as Books } from '../lib/account.ts';
import { toCount } from '../lib/format.ts';
import { Panel } from './Panel.tsx';

export function Account({ account }: { readonly account: Books }) {
  const wrong = account.missingUnannounced + account.doubled;
  const lines = Object.entries(account.lines).filter(([, line]) => line.received > 0);
  return (
    <Panel name="account" title="Account">
      <dl className="figures">
        <Figure name="received" value={account.received} />
        <Figure
          name="missing, announced"
          value={account.missingAnnounced}
          note={account.gaps === 1 ? '1 gap announced' : `${account.gaps} gaps announced`}
        />
        <Figure name="missing, unannounced" value={account.missingUnannounced} mustBeZero />
        <Figure name="doubled" value={account.doubled} mustBeZero />
      </dl>
      {wrong > 0 && (
        <p className="error" role="alert">
          {wrong === 1 ? 'One event is' : `${toCount(wrong)} events are`} wrong: this should never happen.
        </p>
      )}
      <p className="account-note">
        Checked by the run and the number in the data of every event
        {lines.length > 0 && ': '}
        {lines.map(([address, line], i) => (
          <span key={address}>
            {i > 0 && ', '}
            <span className="mono">{address}</span> {toCount(line.received)}
          </span>
        ))}
        .
      </p>
    </Panel>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: number;
  readonly note?: string;
  readonly mustBeZero?: boolean;
}

function Figure({ name, value, note, mustBeZero = false }: FigureProps) {
  const verdict = mustBeZero ? (value === 0 ? 'is-kept' : 'is-broken') : '';
  return (
    <div className={`figure ${verdict}`}>
      <dt>{name}</dt>
      <dd>
        <b>{toCount(value)}</b>
        <small>{mustBeZero ? (value === 0 ? '✓ stays 0' : '✗ must be 0') : note}</small>
      </dd>
    </div>
  );
}
