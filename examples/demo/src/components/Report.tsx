/** The long job: a stream whose steps have ids, so that its drawing continues after a reconnect. */
import { useRef, useState } from 'react';
import type { Payload } from '@linefeed/shared';
import type { Board } from '../../channel.ts';
import { daysOf, readDay } from '../../daylight.ts';
import { useDesk } from '../lib/desk.ts';
import { toCount } from '../lib/format.ts';
import { useSubscription } from '../lib/hooks.ts';
import { Panel } from './Panel.tsx';

type Step = Payload<Board, 'report'> & { readonly resumed: boolean };
type Phase = 'ready' | 'running' | 'done' | 'failed';

const years = { first: 1900, last: 2100 };
const dayMinutes = 24 * 60;
const height = 96;
const barWidth = 2;

export function Report() {
  const { client, book, places } = useDesk();
  const [phase, setPhase] = useState<Phase>('ready');
  const [year, setYear] = useState(2026);
  const [attempt, setAttempt] = useState(0);
  const [done, setDone] = useState<readonly Step[]>([]);
  const [error, setError] = useState<string>();
  const running = phase === 'running';
  const key = running ? `run ${attempt}` : '';
  const wasDown = useRef(false);

  useSubscription(
    client,
    (on) => {
      if (!running) return () => undefined;
      const stopWatching = on.connection.subscribe(() => {
        if (on.connection.getSnapshot().state !== 'connected') wasDown.current = true;
      });
      const stop = on.subscribe(
        'report',
        { year },
        (step, event) => {
          const resumed = wasDown.current;
          wasDown.current = false;
          book({ kind: 'event', address: 'report', run: step.run, n: step.n });
          places.set('report', { from: event.id, state: undefined });
          setDone((before) => [...before, { ...step, resumed }]);
        },
        {
          from: places.get('report')?.from,
          onEnd: () => setPhase('done'),
          onError: (cause) => {
            setError(cause.message);
            setPhase('failed');
          },
        },
      );
      return () => {
        stopWatching();
        stop();
      };
    },
    key,
  );

  function start(): void {
    places.delete('report');
    wasDown.current = false;
    setDone([]);
    setError(undefined);
    setAttempt((before) => before + 1);
    setPhase('running');
  }

  const last = done.at(-1);
  const of = last?.of ?? daysOf(year);
  const minutes = done.reduce((sum, step) => sum + step.daylightMinutes, 0);

  return (
    <Panel
      name="report"
      title="A long report"
      aside={
        <form
          className="report-ask"
          onSubmit={(event) => {
            event.preventDefault();
            if (running) setPhase('ready');
            else start();
          }}
        >
          <label>
            Year{' '}
            <input
              type="number"
              min={years.first}
              max={years.last}
              required
              disabled={running}
              value={Number.isNaN(year) ? '' : year}
              onChange={(event) => setYear(event.target.valueAsNumber)}
            />
          </label>
          <button type="submit" className={running ? undefined : 'primary'}>
            {running ? 'Stop' : done.length === 0 ? 'Start' : 'Start again'}
          </button>
        </form>
      }
    >
      <p>The daylight of a year in London, reckoned on the server, a day per step.</p>
      <div
        className="days"
        role="progressbar"
        aria-label="Days reported"
        aria-valuemin={0}
        aria-valuemax={of}
        aria-valuenow={last?.step ?? 0}
      >
        <svg viewBox={`0 0 ${of * barWidth} ${height}`} preserveAspectRatio="none" aria-hidden="true">
          {[6, 12, 18].map((hours) => (
            <line
              key={hours}
              className="grid"
              x1="0"
              x2={of * barWidth}
              y1={toY(hours * 60)}
              y2={toY(hours * 60)}
            />
          ))}
          <path className="days-lit" d={toSilhouette(done)} />
          {done
            .filter(({ resumed }) => resumed)
            .map(({ run, step }) => (
              <rect
                key={run + step}
                className="days-resumed"
                x={(step - 1) * barWidth}
                width={barWidth}
                height={height}
              />
            ))}
        </svg>
      </div>
      <div className="days-axis" aria-hidden="true">
        {['Jan', 'Apr', 'Jul', 'Oct', 'Dec'].map((month) => (
          <span key={month}>{month}</span>
        ))}
      </div>
      <dl className="report-figures">
        <div>
          <dt>Days</dt>
          <dd>
            {last?.step ?? 0} <small>of {of}</small>
          </dd>
        </div>
        <div>
          <dt>Daylight so far</dt>
          <dd>
            {toCount(Math.round(minutes / 60))} <small>hours</small>
          </dd>
        </div>
        <div>
          <dt>Resumed</dt>
          <dd>
            {done.filter(({ resumed }) => resumed).length} <small>times</small>
          </dd>
        </div>
      </dl>
      <p className="report-verdict" role="status">
        {phase === 'ready' &&
          done.length === 0 &&
          'Start it, then break the connection: it resumes where it was.'}
        {phase === 'ready' && done.length > 0 && 'Stopped.'}
        {running &&
          `Working${last === undefined ? '' : ` on ${last.date}`}. A line stands where it went on after a break.`}
        {phase === 'failed' && <span className="error">{error}</span>}
        {phase === 'done' && <Verdict done={done} year={Number(last?.date.slice(0, 4) ?? year)} />}
      </p>
    </Panel>
  );
}

/** A lost, duplicated or misplaced day would differ from this page's own calculation. */
function Verdict({ done, year }: { readonly done: readonly Step[]; readonly year: number }) {
  const expected = Array.from({ length: daysOf(year) }, (_, i) => readDay(year, i + 1));
  const wrong = expected.findIndex(
    ({ date, daylightMinutes }, i) => done[i]?.date !== date || done[i]?.daylightMinutes !== daylightMinutes,
  );
  return wrong === -1 && done.length === expected.length ? (
    <b className="is-kept">
      ✓ All {expected.length} days, each once and in order. This page reckoned the same.
    </b>
  ) : (
    <b className="is-broken">
      ✗ {done.length} days came, of {expected.length}; {expected[wrong]?.date ?? 'the last one'} is wrong.
    </b>
  );
}

function toY(minutes: number): number {
  return height - (minutes / dayMinutes) * height;
}

/** One outline for all days: 366 separate bars would show seams. */
function toSilhouette(done: readonly Step[]): string {
  const first = done[0];
  const last = done.at(-1);
  if (first === undefined || last === undefined) return '';
  const tops = done.map(
    ({ step, daylightMinutes }) => `V${toY(daylightMinutes).toFixed(2)}H${step * barWidth}`,
  );
  return `M${(first.step - 1) * barWidth} ${height}${tops.join('')}V${height}Z`;
}
