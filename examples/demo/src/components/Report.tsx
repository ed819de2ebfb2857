/** The long job: a run that every page sees, that continues without any page, and that any page can stop. */
import { useEffect, useRef, useState } from 'react';
import { daysOf, readDay } from '../../daylight.ts';
import { toClock, toCount, toDuration } from '../lib/format.ts';
import { useNow } from '../lib/hooks.ts';
import { post, readYear, toName, writeYear } from '../lib/link.ts';
import { useReport, type Progress, type Step } from '../lib/report.ts';
import { Days } from './Days.tsx';
import { Panel } from './Panel.tsx';

const years = { first: 1900, last: 2100 };
/** Steps come every 90 ms. */
const pauseMs = 1_500;

export function Report({ author }: { readonly author: string }) {
  const [year, setYear] = useState(readYear);
  const isYear = Number.isInteger(year) && year >= years.first && year <= years.last;
  const progress = useReport(isYear ? year : undefined);
  const { run, steps, end } = progress;
  const running = run !== undefined && end === undefined;
  const { request, isPending, error } = useRequest();
  /** Kept until the server has answered, so that a repeated request does not start another run. */
  const key = useRef<string>(undefined);

  useEffect(() => {
    if (isYear) writeYear(year);
  }, [year, isYear]);

  async function start(): Promise<void> {
    key.current ??= toName() + toName();
    await post('/report', { year, key: key.current });
    key.current = undefined;
  }

  const last = steps.at(-1);
  const of = last?.of ?? daysOf(isYear ? year : 2026);
  const done = last?.step ?? 0;
  const minutes = steps.reduce((sum, step) => sum + step.daylightMinutes, 0);

  return (
    <Panel
      name="report"
      title="A long report"
      aside={
        <form
          className="report-ask"
          onSubmit={(event) => {
            event.preventDefault();
            request(start);
          }}
        >
          <label>
            Year{' '}
            <input
              type="number"
              min={years.first}
              max={years.last}
              required
              value={Number.isNaN(year) ? '' : year}
              onChange={(event) => setYear(event.target.valueAsNumber)}
            />
          </label>
          <button type="submit" className="primary" disabled={running || isPending}>
            Start
          </button>
          <button
            type="button"
            disabled={!running || isPending}
            onClick={() => request(() => post('/report/stop', { year, run: run?.run, by: author }))}
          >
            Stop
          </button>
        </form>
      }
    >
      <p>
        The daylight of a year in London, reckoned on the server, a day per step. All pages see the same run.
      </p>
      <div
        className="days"
        role="progressbar"
        aria-label="Days reported"
        aria-valuemin={0}
        aria-valuemax={of}
        aria-valuenow={done}
        aria-valuetext={`${done} of ${of} days`}
      >
        <Days steps={steps} of={of} />
      </div>
      <div className="days-axis" aria-hidden="true">
        {['Jan', 'Apr', 'Jul', 'Oct', 'Dec'].map((month) => (
          <span key={month}>{month}</span>
        ))}
      </div>
      <dl className="report-figures">
        <Figure name="State" value={run === undefined ? 'idle' : (end?.outcome ?? 'running')} />
        <Figure name="Days" value={done} unit={`of ${of}`} />
        <Figure name="Daylight so far" value={toCount(Math.round(minutes / 60))} unit="hours" />
        <Figure name="Attempt" value={run?.attempt ?? '–'} />
        <Figure name="Resumed" value={steps.filter(({ resumed }) => resumed).length} unit="times" />
      </dl>
      <p className="report-verdict" role="status">
        {error === undefined ? (
          <Verdict progress={progress} year={year} />
        ) : (
          <span className="error">{error}</span>
        )}
      </p>
      <p className="report-run">
        {run === undefined ? (
          'It has no run yet.'
        ) : (
          <>
            Run <code>{run.run}</code>, started at {toClock(run.startedAt)}.
            {running && <Pause last={last} startedAt={run.startedAt} />}
          </>
        )}
      </p>
    </Panel>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string | number;
  readonly unit?: string;
}

function Figure({ name, value, unit }: FigureProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value} {unit !== undefined && <small>{unit}</small>}
      </dd>
    </div>
  );
}

/** One request to the server at a time, and the message of the last one that failed. */
function useRequest() {
  const [isPending, setPending] = useState(false);
  const [error, setError] = useState<string>();

  function request(send: () => Promise<void>): void {
    setPending(true);
    setError(undefined);
    send()
      .catch((cause: Error) => setError(cause.message))
      .finally(() => setPending(false));
  }

  return { request, isPending, error };
}

/** Explains a run without steps: its producer may have died with the server. */
function Pause({ last, startedAt }: { readonly last: Step | undefined; readonly startedAt: number }) {
  const pausedMs = useNow(500) - (last?.arrivedAt ?? startedAt);
  if (pausedMs < pauseMs) return null;
  return <> No step for {toDuration(pausedMs)}: after a restart, the next attempt begins within 12 s.</>;
}

function Verdict({ progress, year }: { readonly progress: Progress; readonly year: number }) {
  const { run, steps, end, error } = progress;
  if (error !== undefined) return <span className="error">{error}</span>;
  if (run === undefined)
    return 'Start it. Then open a second tab, reload, or restart the server: it continues.';
  if (end === undefined)
    return 'Running. A line stands where it continued: on this page after a break, or in the next attempt.';
  const days = steps.length === 1 ? '1 day' : `${steps.length} days`;
  if (end.outcome === 'done') return <Sum steps={steps} year={year} minutes={end.result.daylightMinutes} />;
  if (end.outcome === 'stopped') return `Stopped by ${end.reason ?? 'the server'} after ${days}.`;
  if (end.outcome === 'failed')
    return (
      <span className="error">
        Failed after {days}: {end.error.message}
      </span>
    );
  return end.outcome === 'lost'
    ? `Lost after ${days}: its server ended, and none continued it in time.`
    : `It was deleted before this page had its end. ${days} came.`;
}

interface SumProps {
  readonly steps: readonly Step[];
  readonly year: number;
  /** The result of the run. */
  readonly minutes: number;
}

/** A lost, duplicated or misplaced day would differ from this page's own calculation. */
function Sum({ steps, year, minutes }: SumProps) {
  const expected = Array.from({ length: daysOf(year) }, (_, i) => readDay(year, i + 1));
  const wrong = expected.findIndex(
    ({ date, daylightMinutes }, i) =>
      steps[i]?.date !== date || steps[i]?.daylightMinutes !== daylightMinutes,
  );
  const total = expected.reduce((sum, day) => sum + day.daylightMinutes, 0);
  return wrong === -1 && steps.length === expected.length && total === minutes ? (
    <b className="is-kept">
      ✓ All {expected.length} days, each once and in order. This page reckoned the same.
    </b>
  ) : (
    <b className="is-broken">
      ✗ {steps.length} days came, of {expected.length}; {expected[wrong]?.date ?? 'the sum'} is wrong.
    </b>
  );
}
