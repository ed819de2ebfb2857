/** The public types of the runs of a feed. */
import type {
  AnyChannel,
  Params,
  ParamsInput,
  Payload,
  PayloadInput,
  RunName,
  RunResult,
  RunResultInput,
} from '@linefeed/shared';
import type { Awaitable, RunOutcome } from '@linefeed/shared/wire';
import type { RunStartOptions } from '../runs/start-options.ts';

/** The argument of the source of a run. */
export interface RunContext<C extends AnyChannel, K extends RunName<C>> {
  /** The schema's output. */
  readonly params: Params<C, K>;
  /**
   * Aborts when the run must end: after a stop, over a bound of the run, when another process has taken it over, or when
   * the feed closes.
   */
  readonly signal: AbortSignal;
  /** The payloads that earlier attempts recorded. Continue after them. */
  readonly stored: ReadonlyArray<Payload<C, K>>;
  /** Counts the producers of this run, from 1. */
  readonly attempt: number;
  /** The id of the run. */
  readonly run: string;
  /** The key of its start. */
  readonly key: string | undefined;
}

/** The return value of a source: the result, if the run has one; else anything. */
export type RunReturn<C extends AnyChannel, K extends RunName<C>> = [RunResultInput<C, K>] extends [void]
  ? unknown
  : RunResultInput<C, K>;

/** The return value of the source of a run: anything that can be iterated. A generator's return value is the result. */
export type RunContent<C extends AnyChannel, K extends RunName<C>> =
  | AsyncIterable<PayloadInput<C, K>, RunReturn<C, K>, undefined>
  | Iterable<PayloadInput<C, K>, RunReturn<C, K>, undefined>;

/**
 * The source of a run. Its values are validated like published payloads, and recorded before any reader gets them. An
 * error that it throws ends the run as `failed`. The readers get its code and message if it is a LinefeedError with a
 * status below 500, or has such a status and `expose: true`; else `source_failed`.
 */
export type RunSource<C extends AnyChannel, K extends RunName<C>> = (
  context: RunContext<C, K>,
) => Awaitable<RunContent<C, K>>;

/** The arguments of `start` after the topic: the params, if the topic has any; the source; the options. */
export type RunStartArguments<C extends AnyChannel, K extends RunName<C>> = [ParamsInput<C, K>] extends [
  undefined,
]
  ? [source: RunSource<C, K>, options?: RunStartOptions]
  : [params: ParamsInput<C, K>, source: RunSource<C, K>, options?: RunStartOptions];

/** The options of `stop`. */
export interface RunStopOptions {
  /**
   * Stops this run only.
   *
   * @default the run that is running
   */
  readonly run?: string | undefined;
  /**
   * Stops the run of this key only. If there is none, the stop is kept for `runKeepMs`, and the start of the key records
   * a run that has ended as `stopped`, without calling its source.
   *
   * @default the run that is running
   */
  readonly key?: string | undefined;
  /** For the readers of the run. */
  readonly reason?: string | undefined;
}

/** The arguments of `stop` after the topic: the params, if the topic has any; the options. */
export type RunStopArguments<C extends AnyChannel, K extends RunName<C>> = [ParamsInput<C, K>] extends [
  undefined,
]
  ? [options?: RunStopOptions]
  : [params: ParamsInput<C, K>, options?: RunStopOptions];

/** The arguments of `runs` after the topic: the params of one address. Absent: all addresses of the topic. */
export type RunListArguments<C extends AnyChannel, K extends RunName<C>> = [ParamsInput<C, K>] extends [
  undefined,
]
  ? []
  : [params?: ParamsInput<C, K>];

/** A run that is running, or is kept after its end. */
export interface RunInfo<C extends AnyChannel, K extends RunName<C>> {
  /** The id of the run. */
  readonly run: string;
  /** The key of its start. */
  readonly key: string | undefined;
  /** The params of its address. */
  readonly params: Params<C, K>;
  /** Counts the producers of this run, from 1. */
  readonly attempt: number;
  /** Clock of the store. Milliseconds since 1970. */
  readonly startedAt: number;
  /** Number of recorded events. */
  readonly events: number;
  /** `expired`: its producer is dead, and a start with its key may continue it. */
  readonly status: 'running' | 'expired' | 'ended';
  /** How it ended. */
  readonly outcome?: Exclude<RunOutcome, 'gone'> | undefined;
  /** The value that its source returned. */
  readonly result?: RunResult<C, K> | undefined;
  /** Why it failed. */
  readonly error?: { readonly code: string; readonly message: string } | undefined;
  /** Why it was stopped or lost. */
  readonly reason?: string | undefined;
  /** Clock of the store. Milliseconds since 1970. */
  readonly endedAt?: number | undefined;
}
