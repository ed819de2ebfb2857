/** The mark of a state. Every state has its own shape, so that colour is never the only difference. */
import type { LineState } from '../lib/line.ts';

const shapes: Record<LineState, React.ReactNode> = {
  idle: <circle cx="8" cy="8" r="3" className="stroke" />,
  connecting: <path d="M8 2a6 6 0 1 1-6 6" className="stroke" />,
  connected: <circle cx="8" cy="8" r="6" className="fill" />,
  reconnecting: <path d="M13.6 6A6 6 0 1 0 14 8.5M14 2v4h-4" className="stroke" />,
  suspended: <path d="M5 3v10M11 3v10" className="stroke" />,
  closed: <rect x="3" y="3" width="10" height="10" className="fill" />,
  failed: <path d="M8 1.5 15 14H1zM8 6v4M8 11.6v.8" className="stroke" />,
};

export function StateMark({ state, size = 16 }: { readonly state: LineState; readonly size?: number }) {
  return (
    <svg
      className={`state-mark is-${state}`}
      viewBox="0 0 16 16"
      width={size}
      height={size}
      aria-hidden="true"
    >
      {shapes[state]}
    </svg>
  );
}
