/** One pen of the recorder: its axis, its trace, the nib at the edge of the paper, and its figures. */
import { useRef } from 'react';
import { toCurve } from '../lib/curve.ts';
import { useFrame, useSize } from '../lib/hooks.ts';
import type { Mark, Stretch } from '../lib/line.ts';
import { toFigures, toPieces, valueAt, type Reading } from '../lib/series.ts';

export interface Pen {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  readonly read: (reading: Reading) => number;
  /** The top of the axis, from the highest value shown and the newest reading. */
  readonly ceiling: (max: number, reading: Reading) => number;
  /** A level that gets its own line. */
  readonly level?: (reading: Reading) => number;
  /** An explanation of the figure. */
  readonly note: (reading: Reading) => string;
}

export interface Sheet {
  readonly readings: readonly Reading[];
  readonly outages: readonly Stretch[];
  readonly marks: readonly Mark[];
  readonly windowMs: number;
  /** The time at x = 0 of a strip. */
  readonly origin: number;
  /** The time at the right edge of the paper. */
  readonly toEdge: (now: number) => number;
}

interface TraceProps {
  readonly pen: Pen;
  readonly sheet: Sheet;
  readonly first: boolean;
}

/** Room above the top of the axis and below its bottom, px. */
const margin = 8;
const divisions = [0, 0.25, 0.5, 0.75, 1];

export function Trace({ pen, sheet, first }: TraceProps) {
  const { readings, outages, marks, windowMs, origin, toEdge } = sheet;
  const plot = useRef<HTMLDivElement>(null);
  const strip = useRef<SVGGElement>(null);
  const nib = useRef<SVGPathElement>(null);
  const { width, height } = useSize(plot);

  const newest = readings.at(-1);
  const figures = toFigures(readings.map(pen.read));
  const ceiling = newest && figures ? pen.ceiling(figures.max, newest) : 1;
  const foot = height - margin;
  const perMs = width / windowMs;
  const toX = (time: number) => (time - origin) * perMs;
  const toY = (value: number) => foot - (Math.min(value, ceiling) / ceiling) * (foot - margin);

  useFrame((now) => {
    const edge = toEdge(now);
    strip.current?.setAttribute('transform', `translate(${(width - toX(edge)).toFixed(2)} 0)`);
    const value = valueAt(readings, pen.read, edge);
    nib.current?.setAttribute('transform', `translate(${width} ${toY(value ?? 0).toFixed(1)})`);
    nib.current?.classList.toggle('is-lifted', value === undefined);
  });

  // Before the first layout the paper has no width, and a curve no slope.
  const pieces = (width > 0 ? toPieces(readings) : []).map((piece) =>
    piece.map((reading) => ({ x: toX(reading.time), y: toY(pen.read(reading)) })),
  );
  const curves = pieces.map((piece) => ({
    line: toCurve(piece),
    from: piece[0]?.x ?? 0,
    to: piece.at(-1)?.x ?? 0,
  }));
  const level = newest && pen.level?.(newest);
  const digits = ceiling <= 1 ? 2 : ceiling < 10 && ceiling % 2 !== 0 ? 1 : 0;

  return (
    <div className={`lane pen-${pen.name}`}>
      <div className="lane-axis" aria-hidden="true">
        {newest &&
          [1, 0.5, 0].map((part) => (
            <span key={part}>{(ceiling * part).toFixed(part === 0 ? 0 : digits)}</span>
          ))}
      </div>
      <div className="lane-plot" ref={plot}>
        <svg width={width} height={height} role="img" aria-label={describe(pen, figures, windowMs)}>
          <defs>
            <pattern
              id={`down-${pen.name}`}
              width="7"
              height="7"
              patternUnits="userSpaceOnUse"
              patternTransform="rotate(45)"
            >
              <rect width="7" height="7" className="down-ground" />
              <rect width="2" height="7" className="down-line" />
            </pattern>
          </defs>
          {divisions.map((part) => (
            <line
              key={part}
              className={part % 0.5 === 0 ? 'grid' : 'grid is-fine'}
              x2={width}
              y1={toY(part * ceiling)}
              y2={toY(part * ceiling)}
            />
          ))}
          <svg width={width} height={height}>
            <g ref={strip}>
              <Uprights windowMs={windowMs} origin={origin} toX={toX} height={height} />
              {outages.map(({ at, until }) => (
                <rect
                  key={at}
                  x={toX(at)}
                  width={Math.max(2, toX(until) - toX(at))}
                  height={height}
                  fill={`url(#down-${pen.name})`}
                />
              ))}
              {curves.map(({ line, from, to }) => (
                <path
                  key={`area ${from}`}
                  className="area"
                  d={`${line}L${to.toFixed(1)} ${foot}L${from.toFixed(1)} ${foot}Z`}
                />
              ))}
              {curves.map(({ line, from }) => (
                <path key={from} className="trace" d={line} />
              ))}
              {readings
                .filter(({ recovered }) => recovered)
                .map((reading) => (
                  <circle
                    key={reading.run + reading.n}
                    className="replayed"
                    cx={toX(reading.time)}
                    cy={toY(pen.read(reading))}
                    r="2.25"
                  />
                ))}
              {marks.map((mark) => (
                <g key={mark.at} className="mark" transform={`translate(${toX(mark.at)} 0)`}>
                  <line y2={height} />
                  {first && (
                    <text x="4" y={height - margin - 4}>
                      {mark.name}
                    </text>
                  )}
                </g>
              ))}
            </g>
          </svg>
          {level !== undefined && level <= ceiling && (
            <line className="level" x2={width} y1={toY(level)} y2={toY(level)} />
          )}
          <path ref={nib} className="nib" d="M0 0l9-5v10z" />
        </svg>
      </div>
      <dl className="lane-figures">
        <div className="lane-now">
          <dt>{pen.title}</dt>
          <dd>
            {figures ? figures.now.toFixed(pen.digits) : '–'} <small>{pen.unit}</small>
            <small className="lane-note">{newest && pen.note(newest)}</small>
          </dd>
        </div>
        <div>
          <dt>min</dt>
          <dd>{figures ? figures.min.toFixed(pen.digits) : '–'}</dd>
        </div>
        <div>
          <dt>max</dt>
          <dd>{figures ? figures.max.toFixed(pen.digits) : '–'}</dd>
        </div>
      </dl>
    </div>
  );
}

interface UprightsProps extends Pick<Sheet, 'windowMs' | 'origin'> {
  readonly toX: (time: number) => number;
  readonly height: number;
}

/** The vertical lines of the paper; they move with it. */
function Uprights({ windowMs, origin, toX, height }: UprightsProps) {
  const stepMs = windowMs / 12;
  const end = Math.ceil(origin / stepMs) * stepMs + stepMs * 12;
  return Array.from({ length: 26 }, (_, i) => {
    const time = end - i * stepMs;
    const className = time % (stepMs * 3) === 0 ? 'grid' : 'grid is-fine';
    return <line key={time} className={className} x1={toX(time)} x2={toX(time)} y2={height} />;
  });
}

function describe(pen: Pen, figures: ReturnType<typeof toFigures>, windowMs: number): string {
  if (figures === undefined) return `${pen.title}: no reading yet`;
  const [now, min, max] = [figures.now, figures.min, figures.max].map((value) => value.toFixed(pen.digits));
  return `${pen.title}, last ${windowMs / 60_000} min: now ${now} ${pen.unit}, lowest ${min}, highest ${max}`;
}
