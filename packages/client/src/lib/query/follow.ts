/** Follows the state in a query's cache: each event behind its cursor changes it, and a gap fetches it again. */
import type { AnyChannel, LoggedName, ParamsInput, Payload } from '@linefeed/shared';
import { encodeAddress, parseCursor } from '@linefeed/shared/wire';
import {
  hashKey,
  useQueryClient,
  type DataTag,
  type QueryClient,
  type QueryKey,
} from '@tanstack/react-query';
import { useEffect, useLayoutEffect, useRef } from 'react';
import type { Client } from '../client.ts';
import { isAtOrBefore } from '../place.ts';
import type { ParamsOption } from '../react/options.ts';
import type { AnyHandler, EventInfo, Subscription, SubscriptionOptions } from '../subscription.ts';

/** A state and how far in the log it goes: read the cursor first, then the state. */
export interface Followed {
  readonly cursor: string;
}

/** A query whose state is followed: the options of `useQuery`, or what `queryOptions` made of them. */
export interface FollowedQuery<T extends Followed> {
  readonly queryKey: QueryKey | DataTag<QueryKey, T>;
  readonly queryFn?: ((context: never) => T | Promise<T>) | symbol | undefined;
}

export type FollowOptions<C extends AnyChannel, K extends LoggedName<C>, T extends Followed> = {
  /** Its `queryFn` gives an object with a `cursor`; its `queryKey` names the state in the cache. */
  readonly query: FollowedQuery<T>;
  /**
   * Makes the new state of the old one and an event. The cursor is kept for it. The first events may repeat what a
   * fetched state says already, so let an event carry the whole new value.
   */
  readonly reduce: (
    state: NoInfer<T>,
    payload: Payload<C, K>,
    event: EventInfo<K, ParamsInput<C, K>>,
  ) => Omit<NoInfer<T>, 'cursor'>;
} & ParamsOption<ParamsInput<C, K>>;

interface LooseOptions {
  readonly query: FollowedQuery<Followed>;
  readonly params?: unknown;
  readonly reduce: (state: Followed, ...event: Parameters<AnyHandler>) => object;
}

/**
 * Follows a query's state until the returned function is called. Nothing is subscribed while the cache holds no state.
 * A state that is fetched anew is followed from its own cursor; after a gap the query is invalidated, and nothing is
 * applied to the old state until the new one is there.
 */
export function followQuery<
  C extends AnyChannel,
  K extends { [N in LoggedName<C>]: N }[LoggedName<C>],
  T extends Followed,
>(queryClient: QueryClient, client: Client<C>, topic: K, options: FollowOptions<C, K, T>): () => void {
  return follow(queryClient, toLoose(client), topic, () => options as unknown as LooseOptions);
}

/** `followQuery` for as long as the component is mounted, and not `enabled: false`. Opens nothing on the server. */
export function useFollow<
  C extends AnyChannel,
  K extends { [N in LoggedName<C>]: N }[LoggedName<C>],
  T extends Followed,
>(
  client: Client<C>,
  topic: K,
  options: FollowOptions<C, K, T> & { readonly enabled?: boolean | undefined },
): void {
  const queryClient = useQueryClient();
  const { enabled = true, ...loose } = options as unknown as LooseOptions & { enabled?: boolean };
  const address = encodeAddress(topic, loose.params as object | undefined);
  const hash = hashKey(loose.query.queryKey);
  const latest = useRef(loose);
  useLayoutEffect(() => {
    latest.current = loose;
  });
  useEffect(
    () => (enabled ? follow(queryClient, toLoose(client), topic, () => latest.current) : undefined),
    // The address and the hash stand for what is behind them.
    [queryClient, client, topic, address, hash, enabled],
  );
}

function follow(
  queryClient: QueryClient,
  client: Client<AnyChannel>,
  topic: string,
  latest: () => LooseOptions,
): () => void {
  const { query, params } = latest();
  const { queryKey } = query;
  const hash = hashKey(queryKey);
  let stop: Subscription | undefined;
  /** How far this subscription has come. */
  let at: string | undefined;
  /** The cursor of a state from which events are lost. */
  let lost: string | undefined;

  const read = () => queryClient.getQueryData<Followed>(queryKey);

  const onEvent: AnyHandler = (payload, event) => {
    at = event.id;
    queryClient.setQueryData<Followed>(queryKey, (state) =>
      // The state may have been fetched meanwhile, or be followed by somebody else too.
      state === undefined || isBehind(event.id, state.cursor)
        ? undefined
        : ({ ...latest().reduce(state, payload, event), cursor: event.id } as Followed),
    );
  };

  const onGap = () => {
    lost = read()?.cursor;
    stop?.();
    stop = undefined;
    return queryClient.invalidateQueries({ queryKey, exact: true });
  };

  /** Follows what the cache holds now, unless this subscription has not come further than that. */
  const update = () => {
    const from = read()?.cursor;
    if (from === lost ? !stop : stop && isBehind(at, from)) return;
    stop?.();
    stop = lost = undefined;
    at = from;
    if (from === undefined) return;
    const options: SubscriptionOptions = { from, onGap };
    stop = (client.subscribe as (...all: unknown[]) => Subscription)(topic, params, onEvent, options);
  };

  const unwatch = queryClient.getQueryCache().subscribe(({ query: changed }) => {
    if (changed.queryHash === hash) update();
  });
  update();
  return () => {
    unwatch();
    stop?.();
  };
}

function isBehind(id: string | undefined, cursor: string | undefined): boolean {
  return isAtOrBefore(
    id === undefined ? id : parseCursor(id),
    cursor === undefined ? cursor : parseCursor(cursor),
  );
}

function toLoose<C extends AnyChannel>(client: Client<C>): Client<AnyChannel> {
  return client as unknown as Client<AnyChannel>;
}
