/** Reads the kept runs of the run entries of a request, before its response is opened. */
import type { RunView } from '../runs/record-state.ts';
import type { RunTails } from '../runs/run-tail.ts';
import type { Authorized } from './resolve.ts';

/** The kept runs by address, oldest first. */
export type KeptRuns = ReadonlyMap<string, readonly RunView[]>;

/** @throws LinefeedError (as a rejection) `runs_failed` */
export async function readKeptRuns(
  runs: Pick<RunTails, 'view'>,
  entries: readonly Authorized[],
): Promise<KeptRuns> {
  const wanted = entries.filter(({ definition }) => definition.kind === 'run');
  const addresses = [...new Set(wanted.map(({ address }) => address))];
  return new Map(
    await Promise.all(addresses.map(async (address) => [address, await runs.view(address)] as const)),
  );
}
