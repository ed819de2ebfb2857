/** The form of a decision on a record. */
import type { PresentRecord } from './record-state.ts';
import type { RecordWrite } from './record-write.ts';

/** The result for the caller, and the new record if it differs. */
export interface Decision<T> {
  readonly result: T;
  readonly write?: RecordWrite | undefined;
}

/**
 * Decides on a record. It is called again after each lost race, and after a commit with an unknown outcome: it must
 * recognise its own change in the record.
 */
export type Decide<T> = (record: PresentRecord) => Decision<T>;
