/** The options of `useTopic` and the type of its data. */
import type { AnyChannel, ParamsInput, Payload, RunName, TopicName } from '@linefeed/shared';
import type { EventInfo, Gap, RunEventInfo } from '../subscriptions/types.ts';

/**
 * The type of the data: with `reduce` its state `S`, otherwise the payload. `Given` has the names of the given options.
 * It detects `reduce` at any place in the object literal.
 */
export type Kept<C extends AnyChannel, K extends TopicName<C>, S, Given> = 'reduce' extends Given
  ? S
  : Payload<C, K> | Extract<S, null | undefined>;

/** The options of `useTopic` besides `params`. */
export interface TopicOptions<C extends AnyChannel, K extends TopicName<C>, S, R, Given> {
  /**
   * The data before the first event, and during server rendering.
   *
   * @default `undefined`
   */
  readonly initial?: S | undefined;
  /**
   * Returns the new state from the old one and an event. Called once per event.
   *
   * @default the payload is the state
   */
  readonly reduce?:
    | ((state: S, data: Payload<C, K>, event: EventInfo<K, ParamsInput<C, K>>) => NoInfer<S>)
    | undefined;
  /**
   * Selects the part of the state that the component needs. It renders only if that part changes (`Object.is`). Not
   * called while the state is `undefined`.
   */
  readonly select?: ((state: Exclude<Kept<C, K, NoInfer<S>, Given>, undefined>) => R) | undefined;
  /**
   * `false` unsubscribes and keeps the data. `true` resumes after the last event, or at the first start position.
   *
   * @default `true`
   */
  readonly enabled?: boolean | undefined;
  /**
   * Start position: `now`, `earliest`, a cursor, or for a stream the id of its last event. A changed value restarts
   * from `initial`.
   *
   * @default `now`, or the position that `persist` has stored
   */
  readonly from?: string | undefined;
  /**
   * Runs a stream without ids again after a disconnect.
   *
   * @default it ends with `not_resumable`
   */
  readonly restart?: boolean | undefined;
  /**
   * Called when events are lost. Later events wait until its promise settles.
   *
   * @default `onGap` of the client
   */
  readonly onGap?: ((gap: Gap) => unknown) | undefined;
}

/** The option `params`: absent if the topic has none, optional if all of them are optional. */
export type ParamsOption<P> = P extends undefined
  ? { readonly params?: undefined }
  : {} extends P
    ? { readonly params?: P | undefined }
    : { readonly params: P };

/** With `reduce`, `initial` is required unless `S` includes `undefined`. Without `reduce`, `initial` is a payload. */
export type InitialOption<C extends AnyChannel, K extends TopicName<C>, S, Given> = 'reduce' extends Given
  ? undefined extends S
    ? unknown
    : { readonly initial: S }
  : { readonly initial?: Payload<C, K> | null | undefined };

/** The arguments of `useTopic` after the topic. The options are optional if the params are. */
export type TopicArguments<C extends AnyChannel, K extends TopicName<C>, S, R, Given extends string> =
  {} extends ParamsOption<ParamsInput<C, K>>
    ? [options?: TopicOptionsOf<C, K, S, R, Given>]
    : [options: TopicOptionsOf<C, K, S, R, Given>];

/** All options of `useTopic` for one topic. */
export type TopicOptionsOf<
  C extends AnyChannel,
  K extends TopicName<C>,
  S,
  R,
  Given extends string,
> = ParamsOption<ParamsInput<C, K>> &
  TopicOptions<C, K, S, R, Given> &
  InitialOption<C, K, S, Given> & { readonly [N in Given]?: unknown };

/** The names of all options. */
export type TopicOptionName = 'params' | keyof TopicOptions<AnyChannel, string, unknown, unknown, never>;

/** The options of `useRun` besides `params`. */
export interface RunOptions {
  /**
   * `false` unsubscribes and keeps the data. `true` resumes after the last event.
   *
   * @default `true`
   */
  readonly enabled?: boolean | undefined;
  /**
   * Start position: `start` (the first event of the newest run), `now`, or the `id` of an event. A changed value restarts
   * from nothing.
   *
   * @default `start`
   */
  readonly from?: string | undefined;
}

/** The options of `useRun` with a `reduce`. */
export type RunReduceOptions<C extends AnyChannel, K extends RunName<C>, S> = ParamsOption<
  ParamsInput<C, K>
> &
  RunOptions & {
    /** The data before the first event of each run, and during server rendering. */
    readonly initial: S;
    /** Returns the new state from the old one and an event. Called once per event. */
    readonly reduce: (state: S, data: Payload<C, K>, event: RunEventInfo<K, ParamsInput<C, K>>) => NoInfer<S>;
  };

/** The arguments of `useRun` after the topic, without a `reduce`. The options are optional if the params are. */
export type RunArguments<C extends AnyChannel, K extends RunName<C>> =
  {} extends ParamsOption<ParamsInput<C, K>>
    ? [options?: ParamsOption<ParamsInput<C, K>> & RunOptions]
    : [options: ParamsOption<ParamsInput<C, K>> & RunOptions];
