/**
 * Chooses the cases of a contract for one client library. A log or store has one library that runs every case in the
 * usual test run. The others run a part of them there, and every case in the long test run.
 */
import type { ContractCase } from '../../src/lib/testing/contract.ts';

/** The promises of a log that depend on how a library sends calls, and how it treats broken connections. */
export const LOG_PART: readonly string[] = [
  'concurrent appends take effect in the order of their calls',
  'payloads and addresses are read back unchanged',
  'a page of 1000 addresses has the events of each past a position of its own',
  'every handle receives every append, in one order',
  'a tail that lags by 3,000 events receives all of them in order',
  'every event that is published until it succeeds reaches every tail once if the server restarts',
  'an append without a key happens at most once, and in call order, if the connections are reset',
  'an append without a key happens at most once, and in call order, if answers are lost',
  'every event that is published until it succeeds reaches every tail once if the connections become half-open',
  'an append on a half-open connection is settled in time',
  'a tail is told once that the server is away, and continues when it is back',
];

/** The same for a store of runs. */
export const RUNS_PART: readonly string[] = [
  'a new record has its state, count, lease and a positive version on every handle',
  'commits at once of many keys are performed, and a refused one among them changes no other',
  'keys are compared by their exact text',
  'events and states are read back unchanged',
  'a commit happens once or not at all, and its answer is true, if the connections are reset',
  'a commit happens once or not at all, and its answer is true, if answers are lost',
  'changes of two handles that are tried again until they succeed happen once if the connections become half-open',
  'each call to a server that answers nothing is rejected in time, with a retryable runs_failed',
];

/** Cases of a store of runs that are left to the long test run: others of the usual one need the same code. */
const LONG_ONLY: readonly string[] = [
  'changes of two handles that are tried again until they succeed happen once if the server restarts',
  'changes of two handles that are tried again until they succeed happen once if the server pauses',
  'changes of two handles that are tried again until they succeed happen once if the connections are reset',
  'changes of two handles that are tried again until they succeed happen once if answers are lost',
  'a commit happens once or not at all, and its answer is true, if the connections become half-open',
  'a list has each of 1,500 keys once',
  'one call returns the versions of 1,000 keys',
  'a run of 10,000 events is read whole in pages',
];

/**
 * Returns the cases that run now: those of the part; almost all for the first library; all in the long test run.
 *
 * @throws if a case of the part does not exist: a renamed case would be left out without notice.
 */
export function casesOf(
  contract: readonly ContractCase[],
  { isFirst, part }: { readonly isFirst: boolean; readonly part: readonly string[] },
): readonly ContractCase[] {
  const all = [...part, ...(part === RUNS_PART ? LONG_ONLY : [])];
  const unknown = all.find((name) => !contract.some((one) => one.name === name));
  if (unknown !== undefined) throw new Error(`The contract has no case "${unknown}"; correct its part.`);
  if (process.env['LINEFEED_CONTRACT'] === 'full') return contract;
  return contract.filter(({ name }) => (isFirst ? !LONG_ONLY.includes(name) : part.includes(name)));
}
