/** Clients in the tabs of one browser, with a scripted transport and a manual clock. */
import type { AnyChannel } from '@linefeed/shared';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { createClient, type Client } from '../src/lib/client/client.ts';
import type { ConnectionSnapshot } from '../src/lib/connection/state.ts';
import { createTab } from '../src/lib/tabs/leader-election.ts';
import type { RunSubscriptionOptions } from '../src/lib/subscriptions/types.ts';
import type { Transport } from '../src/lib/transport/transport.ts';
import { createBrowser, type Browser, type BrowserTab } from './browser.ts';
import { createScriptTransport, type Attempt } from './scripted-transport.ts';

export interface TabOptions {
  /** Default: a new tab. */
  readonly tab?: BrowserTab;
  /** Default: `ada`. */
  readonly identity?: string;
  /** Default: `a`. */
  readonly topic?: string;
  readonly maxQueuedEvents?: number;
  readonly headers?: HeadersInit;
  readonly handler?: () => unknown;
  /** The options of its subscription. */
  readonly subscription?: RunSubscriptionOptions;
}

/** A tab with a client and one subscription. */
export interface OpenTab {
  readonly tab: BrowserTab;
  readonly client: Client<AnyChannel>;
  /** The payloads that the handler got. */
  readonly got: unknown[];
  readonly errors: string[];
  readonly state: () => ConnectionSnapshot;
  /** Closes the client and its part of the shared connection. */
  readonly close: () => void;
}

export interface Addition {
  readonly address: string;
  readonly key: string;
  readonly from: string;
}

export interface Tabs {
  readonly clock: ManualClock;
  readonly browser: Browser;
  readonly attempts: Attempt[];
  /** The latest attempt. */
  readonly last: () => Attempt;
  /** The sent control requests. `controlStatus` is the status of the next responses. */
  readonly controls: Array<{ readonly add: Addition[]; readonly remove: string[] }>;
  controlStatus: number;
  /** The signals of the control requests. */
  readonly signals: Array<AbortSignal | undefined>;
  /** Completes all work that needs no timer, in every tab. */
  readonly settle: () => Promise<void>;
  /** Advances the clock, then settles. */
  readonly advance: (ms: number) => Promise<void>;

  /** Opens a tab. Its request is not sent yet. */
  readonly open: (options?: TabOptions) => OpenTab;
  /** Opens a tab, and lets the leader send the request. */
  readonly request: (options?: TabOptions) => Promise<OpenTab>;
  /** Opens a tab on an open connection. The server accepts the control request at `position`. Default: 5. */
  readonly join: (options?: TabOptions, position?: number) => Promise<OpenTab>;
  /** The server accepts every entry of the latest control request at `position`. Default: 5. */
  readonly answer: (position?: number) => void;
  /** The server sends a frame on the latest connection, and the tabs process it. */
  readonly send: (event: string, payload: unknown, id?: string) => Promise<void>;
}

export interface TabsOptions {
  /** The number of entries that an opening request has room for. */
  readonly openOnly?: number;
  /** The server answers each control request immediately. */
  readonly answersControls?: boolean;
}

export function createTabs({ openOnly, answersControls = false }: TabsOptions = {}): Tabs {
  const clock = createManualClock(1_000_000);
  clock.random = () => 0.5;
  const browser = createBrowser();
  const { transport: scripted, attempts } = createScriptTransport();
  const base: Transport = (opening, sink) => {
    if (openOnly !== undefined) opening.openOnly?.(openOnly);
    return scripted(opening, sink);
  };
  const tabs: Tabs = {
    clock,
    browser,
    attempts,
    last: () => attempts.at(-1)!,
    controls: [],
    controlStatus: 202,
    signals: [],
    async settle() {
      for (let turn = 0; turn < 10; turn += 1) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        await clock.advance(0);
      }
    },
    async advance(ms) {
      await clock.advance(ms);
      await tabs.settle();
    },

    open({
      tab = browser.openTab(),
      identity = 'ada',
      topic = 'a',
      handler,
      subscription = {},
      ...options
    } = {}) {
      const { surroundings } = tab;
      const sharing = createTab({ base, name: identity, clock, connectTimeoutMs: 10_000, surroundings });
      const got: unknown[] = [];
      const errors: string[] = [];
      const client = createClient<AnyChannel>({
        url: '/events',
        clock,
        transport: sharing.transport,
        onError: ({ code }) => errors.push(code),
        fetch: async (_url, init) => {
          tabs.signals.push(init?.signal ?? undefined);
          tabs.controls.push(JSON.parse(init?.body as string));
          if (answersControls) tabs.answer();
          return new Response('', { status: tabs.controlStatus });
        },
        ...options,
      });
      const record = (payload: unknown) => {
        got.push(payload);
        return handler?.();
      };
      client.subscribe(topic, record, subscription);
      const close = () => {
        client.close();
        sharing.close();
      };
      return { tab, client, got, errors, state: client.connection.getSnapshot, close };
    },
    async request(options) {
      const opened = tabs.open(options);
      await tabs.settle();
      return opened;
    },
    async join(options, position) {
      const opened = await tabs.request(options);
      tabs.answer(position);
      return opened;
    },
    answer(position = 5) {
      const n = tabs.controls.length;
      for (const { address, key } of tabs.controls.at(-1)!.add)
        tabs.last().subscribed(address, position, { key, n });
    },
    async send(event, payload, id) {
      tabs.last().send(event, payload, id);
      await tabs.settle();
    },
  };
  return tabs;
}

export interface LedTabs extends Tabs {
  /** The tab that leads. */
  readonly leader: OpenTab;
  /** The shared connection. */
  readonly upstream: Attempt;
}

/** Opens a tab that becomes the leader. The server accepts its subscription at position 5. */
export async function led(options?: TabOptions): Promise<LedTabs> {
  const tabs = createTabs();
  const leader = await tabs.request(options);
  tabs.last().accept();
  return Object.assign(tabs, { leader, upstream: tabs.last() });
}
