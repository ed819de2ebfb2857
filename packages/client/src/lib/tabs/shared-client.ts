/** A client that shares one connection with other tabs. */
import type { AnyChannel } from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import { createClient, type Client, type ClientOptions } from '../client/client.ts';
import { systemClock } from '../base/clock.ts';
import { listen } from '../connection/page-lifecycle.ts';
import { fetchTransport } from '../transport/fetch.ts';
import { createTab, type Surroundings, type Tab } from './leader-election.ts';

/** The options of `createSharedClient`. */
export interface SharedClientOptions extends ClientOptions {
  /**
   * The user of the connection, for example a user's id. Tabs share a connection only if their `url` and `identity` are
   * equal. Each of these tabs can read everything that the server sends to any of them. If another user can sign in
   * while tabs are open, each user must have a different `identity`.
   *
   * @default ''
   */
  readonly identity?: string | undefined;
}

/** Returns the browser APIs of a page, or `undefined` without a document, Web Locks or BroadcastChannel. */
function surroundings(): Surroundings | undefined {
  const { document, navigator, BroadcastChannel } = globalThis as Partial<typeof globalThis>;
  const locks = navigator?.locks;
  // A server has no tabs, even if it has both APIs.
  if (!document || !locks || !BroadcastChannel) return undefined;
  return {
    locks,
    openChannel: (name) => new BroadcastChannel(name),
    isHidden: () => document.visibilityState === 'hidden',
    onAway(task, signal) {
      const stop = listen(globalThis, ['pagehide'], task, listen(document, ['freeze'], task));
      signal.addEventListener('abort', stop);
    },
  };
}

/**
 * Creates a client like `createClient`. All tabs of an origin with the same `url` and `identity` share one connection.
 * Without Web Locks or BroadcastChannel, each tab has its own connection.
 *
 * @example
 *   import { createSharedClient } from '@linefeed/client/share';
 *   import type { board } from './channel.ts';
 *
 *   const client = createSharedClient<typeof board>({ url: '/events', identity: 'user-7' });
 *
 * @param options `url` is required
 * @throws LinefeedError `invalid_option` if `headers` or `fetch` is given without `identity`, and as `createClient`
 */
export function createSharedClient<C extends AnyChannel>(options: SharedClientOptions): Client<C>;
/**
 * Creates a shared client that also validates each payload, like `createClient` with a channel.
 *
 * @param channel The result of `defineChannel`
 * @param options `url` is required
 * @throws LinefeedError `invalid_option` if `headers` or `fetch` is given without `identity`, and as `createClient`
 */
export function createSharedClient<C extends AnyChannel>(channel: C, options: SharedClientOptions): Client<C>;
export function createSharedClient<C extends AnyChannel>(
  first: SharedClientOptions | C,
  second?: SharedClientOptions,
): Client<C> {
  // `createClient` refuses options that are not an object.
  const { identity, ...own } = { ...(second ?? (first as SharedClientOptions)) };
  const {
    url,
    headers,
    fetch,
    credentials,
    transport = fetchTransport(),
    clock = systemClock,
    connectTimeoutMs = 10_000,
  } = own;
  if ((headers ?? fetch) && identity === undefined) {
    throw invalidOption('headers and fetch need an identity, so that two users never share a connection.');
  }
  const around = surroundings();
  let tab: Tab | undefined;
  if (around) {
    const place = new URL(url, document.baseURI).href;
    // The 3 is the version of the messages between tabs.
    const name = `linefeed ${JSON.stringify([3, place, identity ?? '', credentials])}`;
    tab = createTab({ base: transport, name, clock, connectTimeoutMs, surroundings: around });
  }
  const shared = { ...own, transport: tab?.transport ?? transport };
  const client = second ? createClient(first as C, shared) : createClient<C>(shared);
  const { close } = client;
  return Object.assign(client, {
    close() {
      close();
      tab?.close();
    },
  });
}
