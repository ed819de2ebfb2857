/** For tests: the contract suite for logs, and a manual clock. Needs Node. */
export { logContract } from './lib/testing/log-suite.ts';
export type { LogCase } from './lib/testing/log-suite.ts';
export type { CreateLogUnderTest, LogSetup, LogTraits, LogUnderTest } from './lib/testing/log-bench.ts';
export { createManualClock } from '@linefeed/shared/testing';
export type { ManualClock, ManualTimer } from '@linefeed/shared/testing';
export type { AfterOptions, Clock, Timer } from './lib/base/clock.ts';
