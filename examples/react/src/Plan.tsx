/** A stream: made for each subscriber, and resumed after a break, because its steps have ids. */
import { useState } from 'react';
import type { Payload } from '@linefeed/shared';
import type { board } from '../channel.ts';
import { useTopic } from './live.ts';

type Step = Payload<typeof board, 'plan'>;
const nothing: readonly Step[] = [];

export function Plan() {
  const [run, setRun] = useState(0);
  return (
    <section className="plan">
      <div className="head">
        <h2>Plan for tomorrow</h2>
        <button type="button" onClick={() => setRun(run + 1)}>
          {run === 0 ? 'Make a plan' : 'Again'}
        </button>
      </div>
      {run === 0 && <p className="quiet">From the orders that are still open.</p>}
      {run > 0 && <Steps key={run} />}
    </section>
  );
}

/** One run: its key makes the next one start anew. */
function Steps() {
  const { data, status, error } = useTopic('plan', {
    initial: nothing,
    reduce: (before, step) => [...before, step],
  });
  return (
    <>
      <ol>
        {data.map(({ time, text }) => (
          <li key={time}>
            <time>{time}</time> {text}
          </li>
        ))}
      </ol>
      <p className="quiet" role="status">
        {status === 'ended' ? 'That is all.' : error ? error.message : 'Thinking…'}
      </p>
    </>
  );
}
