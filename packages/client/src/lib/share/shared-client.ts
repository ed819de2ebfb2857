/** A client whose tabs share one connection. */
import type { AnyChannel } from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import { createClient, type Client, type ClientOptions } from '../client.ts';
import { systemClock } from '../clock.ts';
import { listen } from '../page.ts';
import { fetchTransport } from '../transports/fetch.ts';
import { createTab, type Surroundings, type Tab } from './tab.ts';

export interface SharedClientOptions extends ClientOptions {
  /**
   * Whose connection it is: a user's id, for example. Tabs share one connection only where `url` and `identity` are the
   * same. What the server lets one of them see, it lets all of them see: where a visitor can become another one while
   * tabs are open, this must say which. Default: ''.
   */
  readonly identity?: string | undefined;
}

/** A page, with Web Locks and BroadcastChannel: else `undefined`. */
function surroundings(): Surroundings | undefined {
  const { document, navigator, BroadcastChannel } = globalThis as Partial<typeof globalThis>;
  const locks = navigator?.locks;
  // A server has no tabs, though it may have both.
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
 * The same as `createClient`, with one connection for all tabs of an origin that give the same `url` and `identity`.
 * Where the browser cannot do that, it has a connection of its own.
 *
 * @throws LinefeedError `invalid_option` where `headers` or `fetch` are given without an `identity`
 */
export function createSharedClient<C extends AnyChannel>(
  ...[first, second]: [options: SharedClientOptions] | [channel: C, options: SharedClientOptions]
): Client<C> {
  const options = second ?? (first as SharedClientOptions);
  if (typeof options !== 'object' || options === null) {
    throw invalidOption('createSharedClient needs options: { url }.');
  }
  const { identity, ...own } = options;
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
    throw invalidOption(
      'headers or fetch are given and no identity: say whose they are, or tabs of two users share one connection.',
    );
  }
  const around = surroundings();
  let tab: Tab | undefined;
  if (around) {
    const place = new URL(url, document.baseURI).href;
    // The 2 is the version of what tabs say to each other.
    const name = `linefeed ${JSON.stringify([2, place, identity ?? '', credentials])}`;
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
