/** The hooks of a channel. */
import {
  LinefeedError,
  type AnyChannel,
  type Payload,
  type RunName,
  type RunResult,
  type TopicName,
} from '@linefeed/shared';
import {
  createContext,
  createElement,
  useContext,
  useInsertionEffect,
  useState,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react';
import type { Client } from '../client/client.ts';
import { INITIAL, type ConnectionSnapshot } from '../connection/state.ts';
import { toAddressKey } from '../subscriptions/start-position.ts';
import type { Kept, RunArguments, RunReduceOptions, TopicArguments, TopicOptionName } from './options.ts';
import { createRunStore, type LooseRunOptions, type RunState } from './run-store.ts';
import { createTopicStore, type LooseOptions, type OpenStore, type TopicResult } from './topic-store.ts';

export type { RunState } from './run-store.ts';
export type { TopicResult, TopicStatus } from './topic-store.ts';

/** The props of `Provider`. */
export interface ProviderProps<C extends AnyChannel> {
  /** The client of the hooks below. */
  readonly client: Client<C>;
  /** The components that use the hooks. */
  readonly children?: ReactNode;
}

/** The hooks throw LinefeedError `invalid_option` without a `Provider` above them. */
export interface Hooks<C extends AnyChannel> {
  /** Provides its client to the hooks below. It neither opens nor closes the client. */
  readonly Provider: (props: ProviderProps<C>) => ReactElement;
  /**
   * Returns the state of a topic. The topic is subscribed while the component is mounted and `enabled`. The state
   * restarts from `initial` when `from`, the client, or the params (by value) change.
   *
   * @example
   *   const { data, status } = useTopic('price', { params: { symbol: 'ACME' } });
   *
   * @param topic A topic of the channel
   * @throws LinefeedError `invalid_option` without a `Provider` above the component
   */
  readonly useTopic: <
    K extends { [N in TopicName<C>]: N }[TopicName<C>],
    S = undefined,
    Given extends TopicOptionName = never,
    R = Exclude<Kept<C, K, S, Given>, undefined>,
  >(
    topic: K,
    ...rest: TopicArguments<C, K, S, R, Given>
  ) => TopicResult<R | Extract<Kept<C, K, S, Given>, undefined>>;
  /**
   * Returns the newest run of a run topic. The topic is subscribed while the component is mounted and `enabled`. A new
   * run starts with new data. The recorded events are applied in one render.
   *
   * @example
   *   const { data, status, stop } = useRun('answer', {
   *     params: { chat: 'a' },
   *     initial: '',
   *     reduce: (text, chunk) => text + chunk.text,
   *   });
   *
   * @param topic A run topic of the channel
   * @throws LinefeedError `invalid_option` without a `Provider` above the component
   */
  readonly useRun: {
    <K extends { [N in RunName<C>]: N }[RunName<C>], S>(
      topic: K,
      options: RunReduceOptions<C, K, S>,
    ): RunState<S, RunResult<C, K>>;
    <K extends { [N in RunName<C>]: N }[RunName<C>]>(
      topic: K,
      ...rest: RunArguments<C, K>
    ): RunState<ReadonlyArray<Payload<C, K>>, RunResult<C, K>>;
  };
  /** Returns the state of the connection and renders again when it changes. On the server: `idle`. */
  readonly useConnectionState: () => ConnectionSnapshot;
  /** Returns the client of the nearest `Provider`. */
  readonly useClient: () => Client<C>;
}

/**
 * Creates the hooks of a channel. Call it once per channel, next to `createClient`.
 *
 * @example
 *   import { createHooks } from '@linefeed/client/react';
 *   import type { board } from './channel.ts';
 *
 *   export const { Provider, useTopic } = createHooks<typeof board>();
 */
export function createHooks<C extends AnyChannel>(): Hooks<C> {
  const Context = createContext<Client<C> | undefined>(undefined);

  const useClient = () => {
    const client = useContext(Context);
    if (client) return client;
    throw new LinefeedError('invalid_option', 'Linefeed hooks need a <Provider client={…}> above them.');
  };

  const useStore = <Options extends CommonOptions, Result>(
    open: OpenStore<Options, Result>,
    topic: string,
    options: Options,
  ): Result => {
    const client = useClient() as unknown as Client<AnyChannel>;
    const address = toAddressKey(topic, options.params);
    const create = () => open(client, topic, address, options);
    const [kept, keep] = useState(create);
    let store = kept;
    if (kept.client !== client || kept.address !== address || kept.from !== options.from) {
      keep((store = create()));
    }
    // Not a layout effect: React 18 warns about each layout effect in server rendering.
    useInsertionEffect(() => {
      store.options = options;
    });
    const read = () => store.read(options);
    return useSyncExternalStore(options.enabled === false ? subscribeToNothing : store.subscribe, read, read);
  };
  const useLooseTopic = (topic: string, options: LooseOptions = {}) =>
    useStore(createTopicStore, topic, options);
  const useLooseRun = (topic: string, options: LooseRunOptions = {}) =>
    useStore(createRunStore, topic, options);

  return {
    Provider: ({ client, children }) => createElement(Context.Provider, { value: client }, children),
    useTopic: useLooseTopic as unknown as Hooks<C>['useTopic'],
    useRun: useLooseRun as unknown as Hooks<C>['useRun'],
    useConnectionState() {
      const { subscribe, getSnapshot } = useClient().connection;
      return useSyncExternalStore(subscribe, getSnapshot, getInitial);
    },
    useClient,
  };
}

/** The options that decide about the subscription. */
type CommonOptions = Pick<LooseOptions, 'params' | 'enabled' | 'from'>;

const subscribeToNothing = () => () => {};
const getInitial = () => INITIAL;
