/** The last minutes of the line as a drawing: one segment per state, each with its own height and pattern. */
import { toClock, toDuration } from '../lib/format.ts';
import { toStretches, type Mark, type Span } from '../lib/line.ts';
import { stateWords } from '../lib/words.ts';

const windowMs = 5 * 60_000;

interface TimelineProps {
  readonly spans: readonly Span[];
  readonly marks: readonly Mark[];
  readonly now: number;
}

export function Timeline({ spans, marks, now }: TimelineProps) {
  const from = now - windowMs;
  const toPart = (time: number) => `${(((time - from) / windowMs) * 100).toFixed(3)}%`;
  const stretches = toStretches(spans, from, now);
  const downMs = stretches
    .filter(({ state }) => state !== 'connected')
    .reduce((sum, { at, until }) => sum + until - at, 0);

  return (
    <figure className="timeline">
      <svg
        width="100%"
        height="34"
        role="img"
        aria-label={`The last 5 minutes: ${toDuration(downMs)} without a connection`}
      >
        <defs>
          <pattern
            id="hatch"
            width="5"
            height="5"
            patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)"
          >
            <rect width="2.5" height="5" className="hatch" />
          </pattern>
        </defs>
        <line className="grid" x1="0" x2="100%" y1="33.5" y2="33.5" />
        {[1, 2, 3, 4].map((minute) => (
          <line key={minute} className="grid" x1={`${minute * 20}%`} x2={`${minute * 20}%`} y1="28" y2="34" />
        ))}
        {stretches.map(({ at, until, state, why }) => (
          <rect
            key={at + state}
            className={`stretch is-${state}`}
            x={toPart(at)}
            width={`${Math.max(0.35, ((until - at) / windowMs) * 100).toFixed(3)}%`}
            y={state === 'connected' ? 20 : 10}
            height={state === 'connected' ? 10 : 20}
          >
            <title>{`${stateWords[state]}, ${toClock(at)}, ${toDuration(until - at)}. ${why}`}</title>
          </rect>
        ))}
        {marks
          .filter(({ at }) => at >= from)
          .map(({ at, name }) => (
            <circle key={at} className="pressed" cx={toPart(at)} cy="5" r="3">
              <title>{`${name}, ${toClock(at)}`}</title>
            </circle>
          ))}
      </svg>
      <figcaption>
        <span>5 min ago</span>
        <span className="timeline-key">
          <i className="is-connected" aria-hidden="true" /> connected
          <i className="is-reconnecting" aria-hidden="true" /> not
          <i className="is-pressed" aria-hidden="true" /> button
        </span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
