/** Answers a request to stop a run. */
import { refusal, type StopResponse } from '@linefeed/shared/wire';
import type { Authorizer } from './authorize.ts';
import type { StopRequest } from './subscribe-request.ts';

/** Stops the run of an address. Resolves after its end is recorded; with `undefined`, if no run was running. */
export type StopRunAt = (
  address: string,
  options: { readonly run: string | undefined; readonly reason: string | undefined },
) => Promise<Required<StopResponse> | undefined>;

export interface StopperOptions {
  /** The option `stopFromClients`. */
  readonly isAllowed: boolean;
  readonly authorizer: Authorizer;
  readonly stopRun: StopRunAt;
}

/**
 * Answers a stop request. `assertAuthority` is called after `authorize`, and throws if the caller's authority is over.
 *
 * @throws LinefeedError (as a rejection) `forbidden`, `bad_request`, `unknown_topic`, `invalid_params`,
 * `address_too_long`, `runs_failed`
 */
export type StopRun = (
  asked: StopRequest,
  context: unknown,
  assertAuthority: () => void,
) => Promise<StopResponse>;

export function createStopper({ isAllowed, authorizer, stopRun }: StopperOptions): StopRun {
  return async ({ stop: { entry, run, reason } }, context, assertAuthority) => {
    if (!isAllowed) throw refusal('forbidden', 'Clients may not stop runs of this feed (stopFromClients).');
    const { address } = await authorizer.authorizeStop(entry, context);
    assertAuthority();
    return (await stopRun(address, { run, reason })) ?? { run: null };
  };
}
