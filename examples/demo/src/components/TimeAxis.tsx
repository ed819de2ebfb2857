/** The clock times along the bottom of the paper. */
import { useRef } from 'react';
import { toClock, toShortClock } from '../lib/format.ts';
import { useFrame, useSize } from '../lib/hooks.ts';
import type { Sheet } from './Trace.tsx';

export function TimeAxis({ sheet: { windowMs, origin, toEdge } }: { readonly sheet: Sheet }) {
  const plot = useRef<HTMLDivElement>(null);
  const strip = useRef<SVGGElement>(null);
  const { width } = useSize(plot);
  const toX = (time: number) => ((time - origin) * width) / windowMs;

  useFrame((now) => {
    strip.current?.setAttribute('transform', `translate(${(width - toX(toEdge(now))).toFixed(2)} 0)`);
  });

  const long = windowMs > 60_000;
  const stepMs = (long ? 60_000 : 15_000) * (width < 420 ? 2 : 1);
  const last = Math.ceil(origin / stepMs) * stepMs + windowMs;
  return (
    <div className="lane lane-time" aria-hidden="true">
      <div className="lane-plot" ref={plot}>
        <svg width={width} height="20">
          <g ref={strip}>
            {Array.from({ length: (2 * windowMs) / stepMs + 2 }, (_, i) => {
              const time = last - i * stepMs;
              return (
                <text key={time} x={toX(time)} y="14" textAnchor="middle">
                  {long ? toShortClock(time) : toClock(time)}
                </text>
              );
            })}
          </g>
        </svg>
      </div>
    </div>
  );
}
