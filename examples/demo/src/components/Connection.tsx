/** The connection: its state and cause, its transport, its position, and its history over the last minutes. */
import { useDesk } from '../lib/desk.ts';
import { toClock, toDuration } from '../lib/format.ts';
import { useNow } from '../lib/hooks.ts';
import type { Mark, Span } from '../lib/line.ts';
import { useConnectionState, type Carrier } from '../lib/link.ts';
import { median, type Reading } from '../lib/series.ts';
import { stateWords, toWhy } from '../lib/words.ts';
import { Choice } from './Choice.tsx';
import { Panel } from './Panel.tsx';
import { StateMark } from './StateMark.tsx';
import { Timeline } from './Timeline.tsx';

interface ConnectionProps {
  readonly readings: readonly Reading[];
  readonly spans: readonly Span[];
  readonly marks: readonly Mark[];
  readonly onCarrier: (carrier: Carrier) => void;
}

export function Connection({ readings, spans, marks, onCarrier }: ConnectionProps) {
  const { client, carrier, lastPingAt, holdsConnection } = useDesk();
  const snapshot = useConnectionState();
  const latency = toLatency(readings);
  const heardAt = client.lastEventAt;
  const pingAt = lastPingAt();
  const cursor = client.cursor;
  const now = useNow(500);
  const span = spans.at(-1);
  const { state } = snapshot;
  const leads = holdsConnection();
  const ended = state === 'failed' || state === 'closed';

  return (
    <Panel
      name="connection"
      title="Connection"
      aside={
        <Choice
          label="Carried by"
          value={carrier}
          options={[
            { value: 'fetch', text: 'fetch' },
            { value: 'eventsource', text: 'EventSource' },
            { value: 'shared', text: 'one for all tabs' },
          ]}
          onChoose={onCarrier}
        />
      }
    >
      <div className={`state is-${state}`}>
        <StateMark state={state} size={34} />
        <div>
          <p className="state-word">
            <span role="status">{stateWords[state]}</span>
            {span && <small>{toDuration(Math.max(0, now - span.at))}</small>}
          </p>
          <p className="state-why">{toWhy(snapshot, carrier)}</p>
        </div>
        {ended && (
          <button type="button" onClick={() => client.reconnect()}>
            Try again
          </button>
        )}
      </div>
      <dl className="facts">
        {carrier === 'shared' && (
          <div>
            <dt>The one connection</dt>
            <dd title="One tab holds the connection and forwards its frames to the other tabs">
              {leads ? 'is open in this tab' : state === 'connected' ? 'is open in another tab' : '–'}
            </dd>
          </div>
        )}
        <div>
          <dt>Cursor</dt>
          <dd className="mono" title="Where this page would resume after a break">
            {cursor ?? '–'}
          </dd>
        </div>
        <div>
          <dt>Last ping</dt>
          <dd title="Sent only into silence: an event is a sign of life, too">
            {toPing(pingAt, now, carrier === 'shared' && !leads)}
          </dd>
        </div>
        <div>
          <dt>Last sign of life</dt>
          <dd>{toAgo(heardAt, now)}</dd>
        </div>
        <div>
          <dt>Latency, publish to handler</dt>
          <dd>
            {latency === undefined ? '–' : `${latency.nowMs} ms`}
            {latency !== undefined && <small> median {latency.medianMs} ms</small>}
          </dd>
        </div>
      </dl>
      <Timeline spans={spans} marks={marks} now={now} />
      <ol className="transitions" aria-label="Newest changes of state">
        {spans
          .slice(-4)
          .toReversed()
          .map(({ at, state: entered, why }) => (
            <li key={at + entered + why}>
              <time>{toClock(at)}</time>
              <StateMark state={entered} size={12} />
              <span>{why}</span>
            </li>
          ))}
      </ol>
    </Panel>
  );
}

function toAgo(time: number | undefined, now: number): string {
  return time === undefined ? '–' : `${toDuration(Math.max(0, now - time))} ago`;
}

function toPing(pingAt: number | undefined, now: number, isFollower: boolean): string {
  if (isFollower) return 'seen by the tab that leads';
  return pingAt === undefined ? 'none was needed yet' : toAgo(pingAt, now);
}

interface Latency {
  readonly nowMs: number;
  readonly medianMs: number;
}

/** From publish on the server to the handler here, over the last minute. */
function toLatency(readings: readonly Reading[]): Latency | undefined {
  const live = readings.filter(({ replayed }) => !replayed).slice(-60);
  const newest = live.at(-1);
  if (newest === undefined) return undefined;
  return { nowMs: newest.delayMs, medianMs: median(live.map(({ delayMs }) => delayMs)) ?? newest.delayMs };
}
