/** For tests: the contract suite for logs, and a manual clock. Needs Node. */
export { logContract } from './lib/testing/log-suite.ts';
export type { LogCase, LogContract, SkippedLogCase } from './lib/testing/log-suite.ts';
export type {
  CreateLogUnderTest,
  EndFault,
  LogFault,
  LogFaults,
  LogSetup,
  LogTraits,
  LogUnderTest,
} from './lib/testing/log-under-test.ts';
export { createManualClock } from '@linefeed/shared/testing';
export type { ManualClock, ManualTimer } from '@linefeed/shared/testing';
export type { AfterOptions, Clock, Timer } from './lib/base/clock.ts';
