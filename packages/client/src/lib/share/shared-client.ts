/** A client that shares its connection with the other tabs of its origin and identity. */
import type { AnyChannel } from '@linefeed/shared';
import type { ControlRequest } from '@linefeed/shared/wire';
import { createClient, type Client, type ClientOptions } from '../client.ts';
import { systemClock } from '../clock.ts';
import { watchPage } from '../page.ts';
import type { RequestOptions } from '../transport.ts';
import { fetchTransport } from '../transports/fetch.ts';
import { createHub } from './hub.ts';
import { createTab, type Platform, type Tab } from './tab.ts';

export interface SharedClientOptions extends ClientOptions {
  /**
   * Whose connection it is: the user's id, or the empty string where nobody is signed in. Tabs of one origin share a
   * connection only where `url` and `identity` are the same; the leader's tab makes the requests, with its options.
   */
  readonly identity: string;
}

/**
 * Makes a client like `createClient`, with one connection for all tabs of an origin and identity. Where Web Locks or
 * BroadcastChannel are missing (plain http that is not localhost) or refused, each tab has a connection of its own.
 */
export function createSharedClient<C extends AnyChannel>(
  ...given: [options: SharedClientOptions] | [channel: C, options: SharedClientOptions]
): Client<C> {
  return createTabClient<C>(findPlatform, watchPage, given);
}

/** `find`: what the page has for the name of what is shared, if it can share. */
export function createTabClient<C extends AnyChannel>(
  find: (name: string) => Platform | undefined,
  watch: typeof watchPage,
  given: [options: SharedClientOptions] | [channel: C, options: SharedClientOptions],
): Client<C> {
  const { identity, ...options } = given[1] ?? (given[0] as SharedClientOptions);
  const { transport = fetchTransport(), clock = systemClock, headers, credentials, fetch } = options;
  const request: RequestOptions = { url: String(options.url), headers, credentials, fetch };
  let tab: Tab | undefined;
  let alone = false;
  let platform: Platform | undefined;

  const reconnect = () => {
    const { state } = client.connection.getSnapshot();
    if (['connecting', 'connected', 'reconnecting'].includes(state)) client.reconnect();
  };

  const start = (): Tab | undefined => {
    const { location } = globalThis as Partial<typeof globalThis>;
    // The version of what tabs say to each other: after a deploy, old and new ones do not understand each other.
    const name = `linefeed 1 ${String(new URL(request.url, location?.href ?? 'http://localhost'))} ${identity}`;
    platform = find(name);
    alone = !platform;
    return (
      platform &&
      createTab({
        clock,
        name,
        platform,
        createHub: (seam) => createHub({ ...seam, clock, request, transport }),
        reconnect,
        onRefused() {
          alone = true;
          tab?.leave();
          reconnect();
        },
      })
    );
  };

  const settings: ClientOptions = {
    ...options,
    transport: (opening, sink) => {
      if (!alone) tab ??= start();
      return alone || !tab ? transport({ ...opening, fetch }, sink) : tab.open(opening, sink);
    },
    // The client itself makes no other requests than changes of its subscriptions.
    fetch: async (url, init) => {
      if (alone || !tab) return (fetch ?? globalThis.fetch)(url, init);
      tab.change(JSON.parse(init!.body as string) as ControlRequest);
      return new Response(null, { status: 202 });
    },
  };
  const client = createClient<C>(
    ...(given[1] ? ([given[0] as C, settings] as const) : ([settings] as const)),
  );

  let away = false;
  // A page that waits in the back-forward cache with a lock would be thrown out of it, or hold up the others.
  const unwatch = watch((hint) => {
    if (hint === 'pagehide') {
      away = true;
      tab?.leave();
    } else if (hint === 'pageshow' && away) {
      away = false;
      tab?.enter();
    }
  });
  const { close } = client;
  return Object.assign(client, {
    close() {
      close();
      unwatch();
      tab?.leave();
      platform?.channel.close();
    },
  });
}

function findPlatform(name: string): Platform | undefined {
  const { navigator, location, BroadcastChannel } = globalThis as Partial<typeof globalThis>;
  return navigator?.locks && location && BroadcastChannel
    ? { locks: navigator.locks, channel: new BroadcastChannel(name) }
    : undefined;
}
