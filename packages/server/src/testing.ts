/** For tests: the contract suites for logs and for stores of runs, and a manual clock. Needs Node. */
export { logContract } from './lib/testing/log-suite.ts';
export type { Contract, ContractCase, SkippedCase } from './lib/testing/contract.ts';
export type {
  CreateLogUnderTest,
  LogFault,
  LogFaults,
  LogSetup,
  LogTraits,
  LogUnderTest,
} from './lib/testing/log-under-test.ts';
export { runStoreContract } from './lib/testing/run-store-suite.ts';
export type {
  CreateRunStoreUnderTest,
  RunStoreFault,
  RunStoreFaults,
  RunStoreSetup,
  RunStoreTraits,
  RunStoreUnderTest,
} from './lib/testing/run-store-under-test.ts';
export type { EndFault, ServerFault, ServerFaults, TimeTraits } from './lib/testing/server-faults.ts';
export { createManualClock } from '@linefeed/shared/testing';
export type { ManualClock, ManualTimer } from '@linefeed/shared/testing';
export type { AfterOptions, Clock, Timer } from './lib/base/clock.ts';
