/** The contract of a log as a list of cases that any test runner can run. */
import { appendCases } from './log-append-cases.ts';
import { LogBench, type LogCaseBody } from './log-bench.ts';
import { boundCases } from './log-bound-cases.ts';
import { faultCases } from './log-fault-cases.ts';
import { lossCases } from './log-loss-cases.ts';
import { readCases } from './log-read-cases.ts';
import { tailCases } from './log-tail-cases.ts';
import { writerCases } from './log-writer-cases.ts';
import { FAULTS, type CreateLogUnderTest, type LogNeed, type LogTraits } from './log-under-test.ts';

/** One case. `run` rejects with an AssertionError if the log breaks the contract. */
export interface LogCase {
  /** The title of the test. It states the promise. */
  readonly name: string;
  /** Runs the case on a new log. */
  run(): Promise<void>;
}

/** A case that does not run, because the log lacks something that it needs. Its promise is not proved. */
export interface SkippedLogCase {
  /** The title of the test. It states the promise. */
  readonly name: string;
  /** For example `needs the faults halfOpen, rollBack`. */
  readonly reason: string;
}

/** The cases that run, and the ones that do not. */
export interface LogContract extends ReadonlyArray<LogCase> {
  /** The cases that were left out. Report them, for example as skipped tests: they are the promises not proved. */
  readonly skipped: readonly SkippedLogCase[];
}

const BODIES: readonly LogCaseBody[] = [
  ...appendCases,
  ...readCases,
  ...boundCases,
  ...tailCases,
  ...writerCases,
  ...lossCases,
  ...faultCases,
];

/**
 * Everything that a log must do for Linefeed's promises to hold. Give each case to a test runner.
 *
 * @example
 *   import { memoryLog } from '@linefeed/server';
 *   import { logContract } from '@linefeed/server/testing';
 *   import { test } from 'node:test';
 *
 *   const contract = logContract(({ maxEvents, maxBytes, maxAgeMs }) => {
 *     const log = memoryLog({ maxEvents, maxBytes, maxAgeMs });
 *     return { open: () => log };
 *   });
 *   for (const { name, run } of contract) test(name, run);
 *   for (const { name, reason } of contract.skipped) test(name, { skip: reason });
 *
 * @param create Makes a new, empty log for each case
 * @param traits The optional abilities and the possible faults of the log. `skipped` has the cases of the others.
 */
export function logContract(create: CreateLogUnderTest, traits: LogTraits = {}): LogContract {
  const cases: LogCase[] = [];
  const skipped: SkippedLogCase[] = [];
  for (const body of BODIES) {
    const missing = (body.needs ?? []).filter((need) => !isMet(need, traits));
    if (missing.length > 0)
      skipped.push({ name: body.name, reason: `needs ${missing.map(toText).join(', ')}` });
    else cases.push({ name: body.name, run: () => runCase(body, create, traits) });
  }
  return Object.assign(cases, { skipped });
}

function isFault(need: LogNeed): need is (typeof FAULTS)[number] {
  return (FAULTS as readonly string[]).includes(need);
}

function isMet(need: LogNeed, traits: LogTraits): boolean {
  return isFault(need) ? (traits.faults ?? []).includes(need) : traits[need] === true;
}

function toText(need: LogNeed): string {
  return `the ${isFault(need) ? 'fault' : 'trait'} ${need}`;
}

async function runCase(body: LogCaseBody, create: CreateLogUnderTest, traits: LogTraits): Promise<void> {
  const bench = await LogBench.create(create, body.bounds, traits);
  try {
    await body.run(bench);
    bench.checkTails();
  } finally {
    await bench.dispose();
  }
}
