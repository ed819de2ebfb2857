/** Stops a run by a request of its own, which needs no connection. */
import type { AnyChannel, ParamsInput, RunName } from '@linefeed/shared';
import { encodeAddress, type RunOutcome, type StopResponse } from '@linefeed/shared/wire';
import { send, toError, toRequestError } from '../transport/request.ts';
import type { RequestOptions } from '../transport/transport.ts';
import { checkOptions } from './options.ts';

/** The options of `stop`. */
export interface StopOptions {
  /**
   * Id of the run to stop. If that run is over, nothing is stopped.
   *
   * @default the run that is running
   */
  readonly run?: string | undefined;
  /**
   * Why it is stopped. Its readers get it.
   *
   * @default none
   */
  readonly reason?: string | undefined;
  /**
   * Aborts the request. The server may stop the run nevertheless.
   *
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
}

/** A run that is over. */
export interface StoppedRun {
  /** The id of the run. */
  readonly run: string;
  /** How it ended: `done` if it was faster than the request to stop it. */
  readonly outcome: RunOutcome;
}

/** The arguments of `stop` after the topic. `params` is `undefined` if the topic has none. */
export type StopArguments<C extends AnyChannel, K extends RunName<C>> =
  {} extends ParamsInput<C, K>
    ? [params?: ParamsInput<C, K>, options?: StopOptions]
    : ParamsInput<C, K> extends undefined
      ? [params?: undefined, options?: StopOptions]
      : [params: ParamsInput<C, K>, options?: StopOptions];

export async function stopRun(
  request: RequestOptions,
  topic: string,
  params: unknown,
  options: StopOptions = {},
): Promise<StoppedRun | undefined> {
  checkOptions('stop', options, 'run reason signal');
  const { run, reason, signal } = options;
  const body = { stop: { address: encodeAddress(topic, params as object | undefined), run, reason } };
  try {
    const response = await send(request, request.url, body, signal ?? null);
    const { status, headers } = response;
    if (status !== 200 || !/^application\/json/i.test(headers.get('content-type')!))
      throw await toError(response);
    const answer = (await response.json()) as StopResponse;
    return answer.run === null ? undefined : (answer as StoppedRun);
  } catch (cause) {
    if (signal?.aborted) throw signal.reason as unknown;
    throw toRequestError(cause);
  }
}
