/** The store of one `useTopic`: the state of its topic, and its subscription while a component listens. */
import { LinefeedError, type AnyChannel } from '@linefeed/shared';
import type { Client } from '../client/client.ts';
import type {
  AnyHandler,
  Gap,
  Subscription,
  SubscriptionOptions,
  SubscriptionSnapshot,
} from '../subscriptions/types.ts';

/** `idle`: not enabled. The other values are those of a subscription. */
export type TopicStatus = 'idle' | SubscriptionSnapshot['status'];

/** The result of `useTopic`. */
export interface TopicResult<T> {
  /** `initial` until the first event. */
  readonly data: T;
  /** `idle` while `enabled` is false, else the status of the subscription. */
  readonly status: TopicStatus;
  /** Why it failed, or why a broken stream is requested again. `closed`: the client was already closed. */
  readonly error: LinefeedError | undefined;
  /** The last gap, that is, lost events. Like the data, it is kept while `enabled` is false. */
  readonly gap: Gap | undefined;
}

/** The options without their generic types. */
export interface LooseOptions {
  readonly params?: unknown;
  readonly initial?: unknown;
  readonly reduce?: ((state: unknown, ...event: Parameters<AnyHandler>) => unknown) | undefined;
  readonly select?: ((state: unknown) => unknown) | undefined;
  readonly enabled?: boolean | undefined;
  readonly from?: string | undefined;
  readonly restart?: boolean | undefined;
  readonly onGap?: ((gap: Gap) => unknown) | undefined;
}

/** The store of one hook: its state, and its subscription while a component listens. */
export interface HookStore<Options, Result> {
  readonly client: Client<AnyChannel>;
  readonly address: string;
  readonly from: string | undefined;
  /** The options of the last committed render. */
  options: Options;
  readonly subscribe: (listener: () => void) => () => void;
  /** Returns the same object until its contents change. */
  readonly read: (options: Options) => Result;
}

/** Creates a store for the options of the first render. */
export type OpenStore<Options, Result> = (
  client: Client<AnyChannel>,
  topic: string,
  address: string,
  first: Options,
) => HookStore<Options, Result>;

export function createTopicStore(
  client: Client<AnyChannel>,
  topic: string,
  address: string,
  first: LooseOptions,
): HookStore<LooseOptions, TopicResult<unknown>> {
  const { params, initial, from, restart } = first;
  let state = initial;
  /** Where the last event is: its cursor or id, or the end of a later gap. */
  let lastPlace: string | undefined;
  /** Start cursor of the first subscription. A component that is hidden before its first event resumes from there. */
  let start: string | undefined;
  let subscription: Subscription | undefined;
  let failure: LinefeedError | undefined;
  /** The last gap of any subscription. */
  let gap: Gap | undefined;
  let selected: { readonly state: unknown; readonly select: unknown; readonly data: unknown } | undefined;
  let result: TopicResult<unknown> | undefined;

  const select = (select: LooseOptions['select']) => {
    if (state === undefined || !select) return state;
    if (!selected || selected.state !== state || selected.select !== select) {
      selected = { state, select, data: select(state) };
    }
    return selected.data;
  };

  const store: HookStore<LooseOptions, TopicResult<unknown>> = {
    client,
    address,
    from,
    options: first,
    subscribe(listener) {
      // A run without ids starts from its beginning again.
      if (lastPlace === undefined) state = initial;
      const options: SubscriptionOptions = {
        from: lastPlace ?? start ?? from,
        restart,
        // `onGap` can change between renders; read the latest.
        get onGap() {
          return store.options.onGap;
        },
      };
      const handler: AnyHandler = (data, event) => {
        const { reduce } = store.options;
        state = reduce ? reduce(state, data, event) : data;
        lastPlace = event.cursor ?? event.id;
        listener();
      };
      let opened: Subscription;
      try {
        opened = (client.subscribe as (...all: unknown[]) => Subscription)(topic, params, handler, options);
      } catch (error) {
        // The client is closed permanently. An exception here would crash the whole page.
        if (!(error instanceof LinefeedError)) throw error;
        failure = error;
        return () => {};
      }
      const unwatch = opened.subscribe(() => {
        const { gap: found } = opened.getSnapshot();
        if (found && found !== gap) {
          gap = found;
          lastPlace = found.to;
        }
        listener();
      });
      subscription = opened;
      return () => {
        unwatch();
        opened();
        start ??= opened.startCursor();
        subscription = undefined;
      };
    },
    read(options) {
      const isIdle = options.enabled === false;
      const snapshot = subscription?.getSnapshot();
      const next: TopicResult<unknown> = {
        data: select(options.select),
        status: isIdle ? 'idle' : (snapshot?.status ?? (failure ? 'failed' : 'subscribing')),
        error: isIdle ? undefined : (snapshot?.error ?? failure),
        gap,
      };
      if (
        !result ||
        !Object.is(result.data, next.data) ||
        result.status !== next.status ||
        result.error !== next.error ||
        result.gap !== next.gap
      ) {
        result = next;
      }
      return result;
    },
  };
  return store;
}
