/** Follows the state in a query's cache: each event behind its cursor changes it, and a gap fetches it again. */
import type { AnyChannel, LoggedName, ParamsInput, Payload } from '@linefeed/shared';
import { parseCursor } from '@linefeed/shared/wire';
import {
  hashKey,
  useQueryClient,
  type DataTag,
  type QueryClient,
  type QueryKey,
} from '@tanstack/react-query';
import { useEffect, useInsertionEffect, useRef } from 'react';
import type { Client } from '../client.ts';
import { isAtOrBefore, toAddressKey } from '../place.ts';
import type { ParamsOption } from '../react/options.ts';
import type { AnyHandler, EventInfo, Gap, Subscription, SubscriptionOptions } from '../subscription.ts';

/** A state and how far in the log it goes: read the cursor first, then the state. */
export interface Followed {
  /** As it was fetched. */
  readonly cursor: string;
  /** How far each address was followed since then. Kept by `followQuery`, here, to be stored and taken back with the state. */
  readonly cursorByAddress?: Readonly<Record<string, string>> | undefined;
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
 * A state that is fetched anew is followed from its own cursor; after a gap the query is invalidated, and no event of
 * this address is applied to the old state until the new one is there. Several may follow one query, each its own
 * address. Where the client is closed, an error with the code `closed` is written to the console.
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
  const address = toAddressKey(topic, loose.params);
  const hash = hashKey(loose.query.queryKey);
  const latest = useRef(loose);
  useInsertionEffect(() => {
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
  /** As asked, until an event has said how the server writes it. */
  let address = toAddressKey(topic, params);
  let stop: Subscription | undefined;
  /** How far this subscription has come. */
  let at: string | undefined;
  /** Events behind `from`, up to `to`, are lost; `isFetching`: a fetch has begun since, and goes on. */
  let lost: { readonly from: string | undefined; readonly to: string; isFetching?: boolean } | undefined;

  /** How far the state goes for this address. */
  const toPlace = (state: Followed | undefined) => {
    const places = state?.cursorByAddress ?? {};
    // A topic may have the name of something that every object has.
    return Object.hasOwn(places, address) ? places[address] : state?.cursor;
  };

  /** Takes the state on to a place, unless it is there: it was fetched meanwhile, or somebody else follows it too. */
  const move = (to: string, change: (state: Followed) => object) => {
    queryClient.setQueryData<Followed>(queryKey, (state) =>
      state === undefined || isBehind(to, toPlace(state))
        ? undefined
        : {
            ...change(state),
            cursor: state.cursor,
            cursorByAddress: { ...state.cursorByAddress, [address]: to },
          },
    );
  };

  const onEvent: AnyHandler = (payload, event) => {
    at = event.id!;
    address = event.address;
    move(at, (state) => latest().reduce(state, payload, event));
  };

  const onGap = ({ to }: Gap) => {
    lost = { from: read(), to };
    stop?.();
    stop = undefined;
    return invalidate('active');
  };

  const invalidate = (refetchType: 'active' | 'none') =>
    queryClient.invalidateQueries({ queryKey, exact: true, refetchType });

  const read = () => toPlace(queryClient.getQueryData<Followed>(queryKey));

  /** Follows what the cache holds now, unless this subscription has not come further than that. */
  const update = (action?: { readonly type: string; readonly manual?: boolean }) => {
    const from = read();
    if (from === undefined && queryClient.getQueryData(queryKey) !== undefined) complain();
    const type = action?.type;
    if (lost) {
      const { to, isFetching } = lost;
      const isFetched = type === 'success' && !action?.manual;
      if (!isFetched && from !== undefined && (isFetching || from === lost.from)) {
        if (type === 'fetch') lost.isFetching = true;
        if (type === 'error' || type === 'setState') lost.isFetching = false;
        // What somebody else has written passes for valid: nobody would fetch any more.
        if (type === 'success' && !isFetching) void invalidate('none');
        return;
      }
      lost = undefined;
      // Fetched behind the gap, it holds what is lost, whatever its cursor says: asked for, that would be the same gap.
      if (isFetched && isFetching && !isBehind(to, from)) return move(to, (state) => state);
    } else if (stop ? isBehind(at, from) : from === undefined) return;
    stop?.();
    stop = undefined;
    at = from;
    if (from === undefined) return;
    const options: SubscriptionOptions = { from, onGap };
    try {
      stop = (client.subscribe as (...all: unknown[]) => Subscription)(topic, params, onEvent, options);
    } catch (error) {
      unwatch();
      // oxlint-disable-next-line no-console -- thrown, it would take the page down, or stop the query's fetch
      console.error(error);
    }
  };

  let hasComplained = false;
  const complain = () => {
    if (hasComplained) return;
    hasComplained = true;
    // oxlint-disable-next-line no-console -- nobody listens, and a state that is not followed looks like a quiet topic
    console.error(
      `The state of the query ${hash} has no cursor, so ${topic} is not followed: let queryFn return { cursor, ... }.`,
    );
  };

  const unwatch = queryClient.getQueryCache().subscribe((event) => {
    if (event.query.queryHash === hash) update(event.type === 'updated' ? event.action : undefined);
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
