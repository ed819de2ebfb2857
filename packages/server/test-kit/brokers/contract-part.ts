/**
 * Chooses the cases of the log contract for one client library. A log has one library that runs every case in the
 * usual test run. The others run a part of them there, and every case in the long test run.
 */
import type { ContractCase } from '../../src/lib/testing/contract.ts';

/** The promises that depend on how a library sends calls, and how it treats broken connections. */
const PART: readonly string[] = [
  'an empty log has position 0',
  'concurrent appends take effect in the order of their calls',
  'payloads and addresses are read back unchanged',
  'a repeated idempotency key appends nothing and returns the first position',
  'an idempotency key with another payload is a conflict and appends nothing',
  'a restarted log has the same epoch, position, events, watermarks and idempotency keys',
  'pages are limited by bytes, and each has at least one event',
  'a page of 1000 addresses has the events of each past a position of its own',
  'keep: latest holds only the newest value and reports no gap',
  'the oldest events are evicted first, and the watermark covers them',
  'every handle receives every append, in one order',
  'a tail that lags by 3,000 events receives all of them in order',
  'a closed tail receives no more events, but other tails do',
  'a rollback resets every tail with a new epoch, so an old cursor never means a new event',
  'an append that is the first to detect a deletion of the log succeeds, in a new epoch',
  'contains() is false for a lost event, and true for one that was kept',
  'every event that is published until it succeeds reaches every tail once if the server restarts',
  'an append without a key happens at most once, and in call order, if the connections are reset',
  'an append without a key happens at most once, and in call order, if answers are lost',
  'every event that is published until it succeeds reaches every tail once if the connections become half-open',
  'an append on a half-open connection is settled in time',
  'a tail is told once that the server is away, and continues when it is back',
];

/**
 * Returns the cases that run now: all of the log's first library, and all in the long test run.
 *
 * @throws if a case of the part does not exist: a renamed case would be left out without notice.
 */
export function casesOf(
  contract: readonly ContractCase[],
  { isFirst }: { isFirst: boolean },
): readonly ContractCase[] {
  if (isFirst || process.env['LINEFEED_CONTRACT'] === 'full') return contract;
  return PART.map((name) => {
    const found = contract.find((one) => one.name === name);
    if (found === undefined) throw new Error(`The log contract has no case "${name}"; correct PART.`);
    return found;
  });
}
