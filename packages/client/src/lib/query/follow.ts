/** Keeps the state in a query's cache current. Each event after its cursor changes it; a gap refetches it. */
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
import type { Client } from '../client/client.ts';
import { isAtOrBefore } from '../base/cursor.ts';
import { toAddressKey } from '../subscriptions/start-position.ts';
import type { ParamsOption } from '../react/options.ts';
import type {
  AnyHandler,
  EventInfo,
  Gap,
  Subscription,
  SubscriptionOptions,
} from '../subscriptions/types.ts';

/** A state and its cursor in the log. Read the cursor first, then the state. */
export interface Followed {
  /** The cursor as fetched. */
  readonly cursor: string;
  /**
   * Per address, the cursor of the last applied event. `followQuery` keeps it here, so that it is persisted and
   * restored with the state.
   */
  readonly cursorByAddress?: Readonly<Record<string, string>> | undefined;
}

/** A query whose state is followed: the options of `useQuery`, or the result of `queryOptions`. */
export interface FollowedQuery<T extends Followed> {
  /** Identifies the state in the cache. */
  readonly queryKey: QueryKey | DataTag<QueryKey, T>;
  /** Fetches the state. Its result has a `cursor`. */
  readonly queryFn?: ((context: never) => T | Promise<T>) | symbol | undefined;
}

/** The options of `followQuery` and `useFollow`. */
export type FollowOptions<C extends AnyChannel, K extends LoggedName<C>, T extends Followed> = {
  /** Its `queryFn` returns an object with a `cursor`. Its `queryKey` identifies the state in the cache. */
  readonly query: FollowedQuery<T>;
  /**
   * Returns the new state from the old one and an event. The cursor is kept automatically. The first events may already
   * be part of the fetched state, so an event should carry the whole new value.
   */
  readonly reduce: (
    state: NoInfer<T>,
    data: Payload<C, K>,
    event: EventInfo<K, ParamsInput<C, K>>,
  ) => Omit<NoInfer<T>, 'cursor'>;
} & ParamsOption<ParamsInput<C, K>>;

interface LooseOptions {
  readonly query: FollowedQuery<Followed>;
  readonly params?: unknown;
  readonly reduce: (state: Followed, ...event: Parameters<AnyHandler>) => object;
}

/**
 * Follows a query's state until the returned function is called. While the cache has no state, nothing is subscribed. A
 * refetched state is followed from its own cursor. A gap invalidates the query; events of this address are not applied
 * until the new state arrives. Several calls can follow one query, each with its own address. If the client is closed,
 * an error with the code `closed` is written to the console.
 *
 * @example
 *   import { followQuery } from '@linefeed/client/query';
 *
 *   const query = {
 *     queryKey: ['notices'],
 *     queryFn: async () => ({ cursor: 'abc.7', texts: ['hello'] }),
 *   };
 *   const stop = followQuery(queryClient, client, 'notice', {
 *     query,
 *     reduce: (state, notice) => ({ texts: [...state.texts, notice.text] }),
 *   });
 *   stop();
 *
 * @param queryClient The cache that has the state
 * @param client The client that subscribes
 * @param topic A logged topic of the channel
 * @param options The query, and how an event changes its state
 * @returns A function that stops following
 */
export function followQuery<
  C extends AnyChannel,
  K extends { [N in LoggedName<C>]: N }[LoggedName<C>],
  T extends Followed,
>(queryClient: QueryClient, client: Client<C>, topic: K, options: FollowOptions<C, K, T>): () => void {
  return follow(queryClient, toLoose(client), topic, () => options as unknown as LooseOptions);
}

/**
 * Runs `followQuery` while the component is mounted and `enabled` is not false. Opens no connection during server
 * rendering.
 *
 * @example
 *   import { useFollow } from '@linefeed/client/query';
 *   import { useQuery } from '@tanstack/react-query';
 *
 *   const query = {
 *     queryKey: ['notices'],
 *     queryFn: async () => ({ cursor: 'abc.7', texts: ['hello'] }),
 *   };
 *   export function useNotices(): readonly string[] {
 *     useFollow(client, 'notice', {
 *       query,
 *       reduce: (state, notice) => ({ texts: [...state.texts, notice.text] }),
 *     });
 *     return useQuery(query).data?.texts ?? [];
 *   }
 *
 * @param client The client that subscribes
 * @param topic A logged topic of the channel
 * @param options As `followQuery`, and `enabled`
 */
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
    // `address` and `hash` represent the params and the query key, compared by value.
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
  /** The address as requested; after the first event, in the server's form. */
  let address = toAddressKey(topic, params);
  let stop: Subscription | undefined;
  /** The position of this subscription. */
  let at: string | undefined;
  /** Events after `from`, up to `to`, are lost. `isFetching`: a fetch has started since then and is running. */
  let lost: { readonly from: string | undefined; readonly to: string; isFetching?: boolean } | undefined;

  /** The state's cursor for this address. */
  const toPlace = (state: Followed | undefined) => {
    const places = state?.cursorByAddress ?? {};
    // `hasOwn`, because a topic can have the name of a property that every object has.
    return Object.hasOwn(places, address) ? places[address] : state?.cursor;
  };

  /**
   * Applies a change up to `to`. It is skipped if the state includes `to` already, by a refetch or by another follower.
   */
  const move = (to: string, change: (state: Followed) => object) => {
    queryClient.setQueryData<Followed>(queryKey, (state) =>
      state === undefined || isCovered(to, toPlace(state))
        ? undefined
        : {
            ...change(state),
            cursor: state.cursor,
            cursorByAddress: { ...state.cursorByAddress, [address]: to },
          },
    );
  };

  const onEvent: AnyHandler = (data, event) => {
    at = event.cursor!;
    address = event.address;
    move(at, (state) => latest().reduce(state, data, event));
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

  /** Subscribes from the cached state's position. Subscribes again only if this subscription is past that position. */
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
        // A manual `setQueryData` clears the stale flag. Mark the query as stale again, or the gap is never refetched.
        if (type === 'success' && !isFetching) void invalidate('none');
        return;
      }
      lost = undefined;
      // A state fetched after the gap contains the lost events, whatever its cursor. Subscribing from that cursor would
      // repeat the gap.
      if (isFetched && isFetching && !isCovered(to, from)) return move(to, (state) => state);
    } else if (stop ? isCovered(at, from) : from === undefined) return;
    stop?.();
    stop = undefined;
    at = from;
    if (from === undefined) return;
    const options: SubscriptionOptions = { from, onGap };
    try {
      stop = (client.subscribe as (...all: unknown[]) => Subscription)(topic, params, onEvent, options);
    } catch (error) {
      unwatch();
      // oxlint-disable-next-line no-console -- an exception would crash the page or stop the query's fetch
      console.error(error);
    }
  };

  let hasComplained = false;
  const complain = () => {
    if (hasComplained) return;
    hasComplained = true;
    // oxlint-disable-next-line no-console -- no callback exists, and a state without updates looks like a quiet topic
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

/** Whether the cursor `by` includes the event at `cursor`. */
function isCovered(cursor: string | undefined, by: string | undefined): boolean {
  return isAtOrBefore(
    cursor === undefined ? cursor : parseCursor(cursor),
    by === undefined ? by : parseCursor(by),
  );
}

function toLoose<C extends AnyChannel>(client: Client<C>): Client<AnyChannel> {
  return client as unknown as Client<AnyChannel>;
}
