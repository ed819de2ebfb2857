/** A fixture of Playwright: the typed events that a page receives, and cuts of its connection. */
import type { AnyChannel, Payload, TopicName } from '@linefeed/shared';
import { CONTROL_PREFIX, parseAddress } from '@linefeed/shared/wire';
import type { Page } from '@playwright/test';
import { installPageHook } from './page-hook.ts';

/** One event that reached a page, before any handler saw it. */
export type PageEvent<C extends AnyChannel> = {
  readonly [K in TopicName<C>]: {
    readonly topic: K;
    /** Logged: topic and params as one string. Stream: its event name. */
    readonly address: string;
    readonly payload: Payload<C, K>;
    /** As the wire shows it; over EventSource the last event id. */
    readonly id: string;
  };
}[TopicName<C>];

/** The connection of the page under test. */
export interface LinefeedPage<C extends AnyChannel> {
  /** Every event that has arrived since the test began, over navigations too; a repeated one is here twice. */
  readonly events: () => ReadonlyArray<PageEvent<C>>;
  /** The payloads of a topic, of all its addresses. */
  readonly payloads: <K extends TopicName<C>>(topic: K) => Array<Payload<C, K>>;
  /** Cuts the page's event streams and refuses new ones, until `reconnect()`. Other requests are left alone. */
  readonly disconnect: () => Promise<void>;
  /** Lets event streams in again: the client comes back when its next attempt is due. */
  readonly reconnect: () => Promise<void>;
}

export interface LinefeedFixtures<C extends AnyChannel> {
  readonly linefeed: LinefeedPage<C>;
}

export interface LinefeedFixtureOptions {
  /** Path of the feed. Default: `/events`. */
  readonly path?: string | undefined;
}

/** What Playwright hands a fixture, and what a fixture hands back. */
type Fixture<T> = (given: { readonly page: Page }, use: (value: T) => Promise<void>) => Promise<void>;

const REPORT = '__linefeedReport';
const CONNECT = '__linefeedConnect';

/** What `test.extend` takes. The fixture is there from before the first page is loaded, if the test asks for it. */
export function linefeedFixtures<C extends AnyChannel>({ path = '/events' }: LinefeedFixtureOptions = {}): {
  readonly linefeed: Fixture<LinefeedPage<C>>;
} {
  return {
    async linefeed({ page }, use) {
      const events: Array<PageEvent<C>> = [];
      await page.exposeFunction(REPORT, (event: string, data: string, id: string) => {
        if (event.startsWith(CONTROL_PREFIX)) return;
        // The key of a stream's subscription stands behind a tilde, which no topic has.
        const topic = (parseAddress(event)?.topic ?? event).replace(/~.*/, '');
        events.push({ topic, address: event, payload: JSON.parse(data) as unknown, id } as PageEvent<C>);
      });
      await page.addInitScript(installPageHook, { path, report: REPORT, connect: CONNECT });
      const connect = (online: boolean): Promise<void> =>
        page.evaluate(
          ([name, next]) => (globalThis as unknown as Record<string, (next: boolean) => void>)[name]?.(next),
          [CONNECT, online] as const,
        );
      await use({
        events: () => events,
        payloads: (topic) =>
          events.filter((event) => event.topic === topic).map(({ payload }) => payload) as never,
        disconnect: () => connect(false),
        reconnect: () => connect(true),
      });
    },
  };
}
