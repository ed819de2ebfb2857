/** The strip chart: four pens on one paper that moves with time, and the times at which the line was down. */
import { useState } from 'react';
import { useNow } from '../lib/hooks.ts';
import { toStretches, type Mark, type Span } from '../lib/line.ts';
import { niceCeiling, type Reading } from '../lib/series.ts';
import { Choice } from './Choice.tsx';
import { Panel } from './Panel.tsx';
import { TimeAxis } from './TimeAxis.tsx';
import { Trace, type Pen, type Sheet } from './Trace.tsx';

const gibibyte = 1024 ** 3;

/** The paper ends a little in the past, so that a reading arrives before its place becomes visible. */
const lagMs = 1_200;

const windows = { '60': '1 min', '300': '5 min' } as const;
type Window = keyof typeof windows;

const pens: readonly Pen[] = [
  {
    name: 'cpu',
    title: 'Processor',
    unit: '%',
    digits: 1,
    read: (reading) => reading.cpuPercent,
    ceiling: () => 100,
    note: () => 'of all cores',
  },
  {
    name: 'memory',
    title: 'Memory in use',
    unit: 'GiB',
    digits: 2,
    read: (reading) => reading.memoryUsedBytes / gibibyte,
    ceiling: (max, reading) => Math.min(reading.memoryTotalBytes / gibibyte, niceCeiling(max * 1.25, 0.5)),
    note: (reading) => `of ${(reading.memoryTotalBytes / gibibyte).toFixed(1)}`,
  },
  {
    name: 'load',
    title: 'Load, 1 min',
    unit: 'runnable',
    digits: 2,
    read: (reading) => reading.load,
    ceiling: (max, reading) => niceCeiling(max, reading.cores),
    level: (reading) => reading.cores,
    note: (reading) => `${reading.cores} cores`,
  },
  {
    name: 'loop',
    title: 'Event-loop delay',
    unit: 'ms',
    digits: 2,
    read: (reading) => reading.loopDelayMs,
    ceiling: (max) => niceCeiling(max, 2),
    note: () => 'longest of the second',
  },
];

const toEdge = (now: number) => now - lagMs;

interface RecorderProps {
  readonly readings: readonly Reading[];
  readonly spans: readonly Span[];
  readonly marks: readonly Mark[];
}

export function Recorder({ readings, spans, marks }: RecorderProps) {
  const [window, setWindow] = useState<Window>('60');
  const windowMs = Number(window) * 1_000;
  const now = useNow(1_000);

  const shown = readings.filter(({ time }) => time >= toEdge(now) - windowMs - 2_000);
  // Before the first hello the line does not count as down.
  const since = spans.findIndex(({ state }) => state === 'connected');
  const outages = toStretches(
    since === -1 ? [] : spans.slice(since),
    toEdge(now) - windowMs,
    now + 1_500,
  ).filter(({ state }) => state !== 'connected');
  const sheet: Sheet = {
    readings: shown,
    outages,
    marks: marks.filter(({ at }) => at >= toEdge(now) - windowMs),
    windowMs,
    origin: Math.floor(now / windowMs) * windowMs,
    toEdge,
  };

  return (
    <Panel
      name="recorder"
      title="This host, every second"
      aside={
        <Choice
          label="Length of the paper"
          value={window}
          options={Object.entries(windows).map(([value, text]) => ({ value: value as Window, text }))}
          onChoose={setWindow}
        />
      }
    >
      <div className="paper">
        {pens.map((pen, i) => (
          <Trace key={pen.name} pen={pen} sheet={sheet} first={i === 0} />
        ))}
        <TimeAxis sheet={sheet} />
        {readings.length === 0 && (
          <p className="paper-empty">
            <span>
              {spans.at(-1)?.state === 'failed'
                ? 'No readings: the connection failed.'
                : 'Waiting for the first reading…'}
            </span>
          </p>
        )}
      </div>
      <ul className="key">
        <li>
          <i className="key-live" aria-hidden="true" /> live
        </li>
        <li>
          <i className="key-replayed" aria-hidden="true" /> replayed: published while we were away, delivered
          after
        </li>
        <li>
          <i className="key-down" aria-hidden="true" /> line down
        </li>
      </ul>
    </Panel>
  );
}
