/**
 * The manual clock of Linefeed's tests. Applications import it from `@linefeed/server/testing` or
 * `@linefeed/client/testing`.
 */
export { createManualClock, seededRandom } from './lib/testing/manual-clock.ts';
export type { ManualClock, ManualTimer } from './lib/testing/manual-clock.ts';
