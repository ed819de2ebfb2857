/** The long job: a stream whose steps bear ids, so that its bar keeps its place through a reconnect. */
import { useRef, useState } from 'react';
import type { Payload } from '@linefeed/shared';
import type { Board } from '../../channel.ts';
import { useDesk } from '../lib/desk.ts';
import { toCount } from '../lib/format.ts';
import { useSubscription } from '../lib/hooks.ts';
import { Panel } from './Panel.tsx';

type Step = Payload<Board, 'job'> & { readonly resumed: boolean };
type Phase = 'ready' | 'running' | 'done' | 'failed';

const steps = 100;
/** How many primes there are below ten million. A step lost or counted twice would miss it. */
const primesBelowTenMillion = 664_579;
/** A step of 100,000 numbers holds fewer primes than this. */
const mostPerStep = 10_000;

export function Job() {
  const { client, book, resume } = useDesk();
  const [phase, setPhase] = useState<Phase>('ready');
  const [attempt, setAttempt] = useState(0);
  const [done, setDone] = useState<readonly Step[]>([]);
  const [error, setError] = useState<string>();
  const running = phase === 'running';
  const found = done.reduce((sum, step) => sum + step.found, 0);
  const last = done.at(-1)?.n ?? 0;
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
        'job',
        { steps },
        (step, event) => {
          const resumed = wasDown.current;
          wasDown.current = false;
          book({ kind: 'event', address: 'job', run: step.run, n: step.n });
          if (event.id !== undefined) resume.set('job', event.id);
          setDone((before) => [...before, { ...step, resumed }]);
        },
        {
          from: resume.get('job'),
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
    resume.delete('job');
    wasDown.current = false;
    setDone([]);
    setError(undefined);
    setAttempt((before) => before + 1);
    setPhase('running');
  }

  return (
    <Panel
      name="job"
      title="A long job"
      aside={
        running ? (
          <button type="button" onClick={() => setPhase('ready')}>
            Stop
          </button>
        ) : (
          <button type="button" className="primary" onClick={start}>
            {done.length === 0 ? 'Start' : 'Start again'}
          </button>
        )
      }
    >
      <p>Counts the primes below ten million, on the server, a hundred thousand numbers per step.</p>
      <div
        className="bars"
        role="progressbar"
        aria-label="Steps done"
        aria-valuemin={0}
        aria-valuemax={steps}
        aria-valuenow={last}
      >
        <svg viewBox={`0 0 ${steps * 4} 72`} preserveAspectRatio="none" aria-hidden="true">
          {Array.from({ length: steps }, (_, i) => (
            <rect key={i} className="bar-empty" x={i * 4 + 0.5} width="3" y="69" height="3" />
          ))}
          {done.map(({ n, found: primes, resumed, run }) => {
            const tall = (primes / mostPerStep) * 64;
            return (
              <g key={run + n} className={resumed ? 'bar is-resumed' : 'bar'}>
                {resumed && <rect x={(n - 1) * 4 + 1.25} width="1.5" y="0" height={68 - tall} />}
                <rect x={(n - 1) * 4 + 0.5} width="3" y={72 - tall} height={tall} />
              </g>
            );
          })}
        </svg>
      </div>
      <dl className="job-figures">
        <div>
          <dt>Steps</dt>
          <dd>
            {last} <small>of {steps}</small>
          </dd>
        </div>
        <div>
          <dt>Primes found</dt>
          <dd>{toCount(found)}</dd>
        </div>
        <div>
          <dt>Resumed</dt>
          <dd>
            {done.filter(({ resumed }) => resumed).length} <small>times</small>
          </dd>
        </div>
      </dl>
      <p className="job-verdict" role="status">
        {phase === 'ready' &&
          done.length === 0 &&
          'Start it, then hurt the connection: it goes on where it was.'}
        {phase === 'ready' && done.length > 0 && 'Stopped.'}
        {running &&
          'A bar is a step, as tall as its primes are many; a thin line stands where it went on after a break.'}
        {phase === 'failed' && <span className="error">{error}</span>}
        {phase === 'done' &&
          (found === primesBelowTenMillion ? (
            <b className="is-kept">✓ {toCount(found)}, which is exact.</b>
          ) : (
            <b className="is-broken">
              ✗ {toCount(found)}; it should be {toCount(primesBelowTenMillion)}.
            </b>
          ))}
      </p>
    </Panel>
  );
}
