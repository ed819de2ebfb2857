/** What `useTopic` takes, and what it makes of the type of its data. */
import type { AnyChannel, ParamsInput, Payload, TopicName } from '@linefeed/shared';
import type { EventInfo, Gap } from '../subscription.ts';

/**
 * What is kept of a topic: with `reduce` the type of its state `S`, without it the payload. `Given` are the names of
 * the options that were given: they tell the two apart wherever `reduce` stands among them.
 */
export type Kept<C extends AnyChannel, K extends TopicName<C>, S, Given> = 'reduce' extends Given
  ? S
  : Payload<C, K> | Extract<S, null | undefined>;

export interface TopicOptions<C extends AnyChannel, K extends TopicName<C>, S, R, Given> {
  /** The data until the first event, and on the server. Default: `undefined`. */
  readonly initial?: S | undefined;
  /** Makes the new state of the old one and an event; called once for each event. Default: the payload is the state. */
  readonly reduce?:
    | ((state: S, payload: Payload<C, K>, event: EventInfo<K, ParamsInput<C, K>>) => NoInfer<S>)
    | undefined;
  /**
   * What of the state the component needs: it renders only when that changes, as `Object.is` sees it. Not called while
   * the state is `undefined`.
   */
  readonly select?: ((state: Exclude<Kept<C, K, NoInfer<S>, Given>, undefined>) => R) | undefined;
  /** `false` unsubscribes and keeps the data; `true` resumes after the last event, or where it was accepted. Default: `true`. */
  readonly enabled?: boolean | undefined;
  /**
   * Where to start: `now`, `earliest`, a cursor, or of a stream the id of its last event. Another value starts anew,
   * from `initial`. Default: `now`, or where `persist` left off.
   */
  readonly from?: string | undefined;
  /** Run a stream without ids again after a break. Default: it ends with `not_resumable`. */
  readonly restart?: boolean | undefined;
  /** Called where events are lost; later ones wait for its promise. Default: `onGap` of the client. */
  readonly onGap?: ((gap: Gap) => unknown) | undefined;
}

/** `params` as an option: missing where a topic has none, and it may be left out where all of them may. */
export type ParamsOption<P> = P extends undefined
  ? { readonly params?: undefined }
  : {} extends P
    ? { readonly params?: P | undefined }
    : { readonly params: P };

/** Where `reduce` is given, the state it starts from must be; where it is not, `initial` stands for a payload. */
type InitialOption<C extends AnyChannel, K extends TopicName<C>, S, Given> = 'reduce' extends Given
  ? undefined extends S
    ? unknown
    : { readonly initial: S }
  : { readonly initial?: Payload<C, K> | null | undefined };

/** What `useTopic` takes behind the topic: options, which may be left out where params may. */
export type TopicArguments<C extends AnyChannel, K extends TopicName<C>, S, R, Given extends string> =
  {} extends ParamsOption<ParamsInput<C, K>>
    ? [options?: TopicOptionsOf<C, K, S, R, Given>]
    : [options: TopicOptionsOf<C, K, S, R, Given>];

type TopicOptionsOf<C extends AnyChannel, K extends TopicName<C>, S, R, Given extends string> = ParamsOption<
  ParamsInput<C, K>
> &
  TopicOptions<C, K, S, R, Given> &
  InitialOption<C, K, S, Given> & { readonly [N in Given]?: unknown };

/** The names of all options. */
export type TopicOptionName = 'params' | keyof TopicOptions<AnyChannel, string, unknown, unknown, never>;
