/** The drawing of a report: one bar for each day, and a line where it continued after a break. */
import type { Step } from '../lib/report.ts';

const dayMinutes = 24 * 60;
const height = 96;
const barWidth = 2;

export function Days({ steps, of }: { readonly steps: readonly Step[]; readonly of: number }) {
  return (
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
      <path className="days-lit" d={toSilhouette(steps)} />
      {steps.map((step, i) => {
        const isTakenUp = step.attempt > (steps[i - 1]?.attempt ?? 1);
        if (!isTakenUp && !step.resumed) return null;
        return (
          <rect
            key={step.run + step.n}
            className={isTakenUp ? 'days-taken-up' : 'days-resumed'}
            x={(step.step - 1) * barWidth}
            width={barWidth}
            height={height}
          />
        );
      })}
    </svg>
  );
}

function toY(minutes: number): number {
  return height - (minutes / dayMinutes) * height;
}

/** One outline for all days: 366 separate bars would show seams. */
function toSilhouette(steps: readonly Step[]): string {
  const first = steps[0];
  const last = steps.at(-1);
  if (first === undefined || last === undefined) return '';
  const tops = steps.map(
    ({ step, daylightMinutes }) => `V${toY(daylightMinutes).toFixed(2)}H${step * barWidth}`,
  );
  return `M${(first.step - 1) * barWidth} ${height}${tops.join('')}V${height}Z`;
}
