/** The run of a report as this page has received it, and the subscription that follows it. */
import { useEffect, useState } from 'react';
import type { RunEnd } from '@linefeed/client';
import type { Payload, RunResult } from '@linefeed/shared';
import type { Board } from '../../channel.ts';
import { useDesk } from './desk.ts';

export type Step = Payload<Board, 'report'> & {
  /** The first one after this page was without a connection. */
  readonly resumed: boolean;
  /** By the clock of this page. */
  readonly arrivedAt: number;
};

export interface Progress {
  /** `undefined`: nothing has run. */
  readonly run: { readonly run: string; readonly attempt: number; readonly startedAt: number } | undefined;
  readonly steps: readonly Step[];
  /** `undefined`: it is running. */
  readonly end: RunEnd<RunResult<Board, 'report'>> | undefined;
  /** Why the subscription failed. */
  readonly error: string | undefined;
}

const idle: Progress = { run: undefined, steps: [], end: undefined, error: undefined };

/** Follows the report on a year from its start. `undefined`: no year is chosen. */
export function useReport(year: number | undefined): Progress {
  const { client, book, places } = useDesk();
  const [progress, show] = useState(idle);

  useEffect(() => {
    if (year === undefined) {
      show(idle);
      return undefined;
    }
    const address = `report?year=${year}`;
    let { from = 'start', state } = places.get(address) ?? { state: idle };
    let current = state as Progress;
    let wasDown = false;

    function set(next: Progress, id = from): void {
      from = id;
      current = next;
      places.set(address, { from, state: current });
    }

    show(current);
    const stopWatching = client.connection.subscribe(() => {
      const { state, hasEverConnected } = client.connection.getSnapshot();
      if (hasEverConnected && state !== 'connected') wasDown = true;
    });
    const stop = client.subscribe(
      'report',
      { year },
      (step, { id, replayed }) => {
        const resumed = wasDown && current.steps.length > 0;
        wasDown = false;
        book({ kind: 'event', address, run: step.run, n: step.n });
        set({ ...current, steps: [...current.steps, { ...step, resumed, arrivedAt: Date.now() }] }, id);
        // A replay is drawn once, when it is complete.
        if (!replayed) show(current);
      },
      {
        from,
        onRun(run) {
          // The next attempt, or another connection, continues the same run.
          set(run.run === current.run?.run ? { ...current, run, error: undefined } : { ...idle, run });
          show(current);
        },
        onEnd(end) {
          // Another client asks from the last event on, and gets the known end again.
          if (current.end === undefined || current.end.run !== end.run) set({ ...current, end });
          show(current);
        },
        onCaughtUp: () => show(current),
        onError(error) {
          set({ ...current, error: error.message });
          show(current);
        },
      },
    );
    return () => {
      stopWatching();
      stop();
    };
  }, [client, book, places, year]);

  return progress;
}
