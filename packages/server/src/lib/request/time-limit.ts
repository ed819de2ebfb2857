/** Limits each wait of a request to `requestTimeoutMs`. */
import { refusal } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';

/** Limits one wait. @throws LinefeedError `timeout` (as a rejection) if it takes longer. */
export type TimeLimit = <T>(deciding: Promise<T>) => Promise<T>;

export function createTimeLimit(clock: Clock, requestTimeoutMs: number): TimeLimit {
  return <T>(deciding: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      const timer = clock.after(requestTimeoutMs, () =>
        reject(refusal('timeout', `Deciding on this request took longer than ${requestTimeoutMs} ms.`)),
      );
      deciding.then(
        (decided) => {
          timer.clear();
          resolve(decided);
        },
        (error: unknown) => {
          timer.clear();
          reject(error);
        },
      );
    });
}
