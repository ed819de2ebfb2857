/** Waits for the recorded end of a run. */
import { refusal } from '@linefeed/shared/wire';
import type { RunView } from './record-state.ts';
import type { RunRecords } from './run-records.ts';

/**
 * `undefined`: the run is no longer kept.
 *
 * @throws LinefeedError (as a rejection) `timeout`
 */
export function waitForEnd(
  records: RunRecords,
  address: string,
  run: string,
  timeoutMs: number,
): Promise<RunView | undefined> {
  return new Promise((resolve, reject) => {
    const timer = records.clock.after(
      timeoutMs,
      () => {
        unfollow();
        reject(refusal('timeout', `The run ${run} has not ended within ${timeoutMs} ms.`, { address }));
      },
      { keepsAlive: true },
    );
    const unfollow = records.follow(address, ({ views }) => {
      const view = views.find((kept) => kept.run === run);
      if (view !== undefined && view.end === undefined) return;
      unfollow();
      timer.clear();
      resolve(view);
    });
  });
}
