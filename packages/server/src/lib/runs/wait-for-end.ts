/** Waits for the recorded end of a run. */
import { refusal } from '@linefeed/shared/wire';
import type { RunView } from './record-state.ts';
import type { RunRecords } from './run-records.ts';

export interface EndWait {
  readonly address: string;
  readonly run: string;
  readonly timeoutMs: number;
  /** Aborts when this process ends. */
  readonly signal: AbortSignal;
}

/**
 * `undefined`: the run is no longer kept.
 *
 * @throws LinefeedError (as a rejection) `timeout`; `draining` when the signal aborts
 */
export function waitForEnd(
  records: RunRecords,
  { address, run, timeoutMs, signal }: EndWait,
): Promise<RunView | undefined> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      unfollow();
      timer.clear();
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      leave();
      reject(refusal('draining', `This feed closes, and the run ${run} has not ended.`, { address }));
    };
    const onTimeout = (): void => {
      leave();
      reject(refusal('timeout', `The run ${run} has not ended within ${timeoutMs} ms.`, { address }));
    };
    const timer = records.clock.after(timeoutMs, onTimeout, { keepsAlive: true });
    const unfollow = records.follow(address, ({ views }) => {
      const view = views.find((kept) => kept.run === run);
      if (view !== undefined && view.end === undefined) return;
      leave();
      resolve(view);
    });
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}
