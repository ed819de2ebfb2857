/** A Playwright fixture: the typed events that a page receives, and a switch to cut its connection. */
import type { AnyChannel, Payload, TopicName } from '@linefeed/shared';
import { CONTROL_PREFIX, parseAddress } from '@linefeed/shared/wire';
import type { Page } from '@playwright/test';
import { installPageHook } from './page-hook.ts';

/** One event that arrived at a page, before any handler is called. */
export type PageEvent<C extends AnyChannel> = {
  readonly [K in TopicName<C>]: {
    readonly topic: K;
    /** Logged: topic and params as one string. Stream: its event name. */
    readonly address: string;
    readonly data: Payload<C, K>;
    /** The id on the wire. With EventSource, the last event id. */
    readonly id: string;
  };
}[TopicName<C>];

/** The connection of the page under test. */
export interface LinefeedPage<C extends AnyChannel> {
  /** Every event since the start of the test, across navigations. A duplicate is listed twice. */
  events(this: void): ReadonlyArray<PageEvent<C>>;
  /** The data of every event of a topic, in all of its addresses. */
  data<K extends TopicName<C>>(this: void, topic: K): Array<Payload<C, K>>;
  /** Cuts the page's event streams and refuses new ones until `reconnect()`. Other requests are not affected. */
  disconnect(this: void): Promise<void>;
  /** Allows event streams again. The client reconnects at its next attempt. */
  reconnect(this: void): Promise<void>;
}

/** The fixtures that `test.extend` adds. */
export interface LinefeedFixtures<C extends AnyChannel> {
  /** The connection of the page under test. */
  readonly linefeed: LinefeedPage<C>;
}

/** The options of `linefeedFixtures`. */
export interface LinefeedFixtureOptions {
  /**
   * Path of the feed.
   *
   * @default `/events`
   */
  readonly path?: string | undefined;
}

/** Playwright's signature of a fixture. */
export type Fixture<T> = (given: { readonly page: Page }, use: (value: T) => Promise<void>) => Promise<void>;

const REPORT = '__linefeedReport';
const CONNECT = '__linefeedConnect';

/**
 * Creates the argument of `test.extend`. A test that uses the fixture has it before its first page is loaded.
 *
 * @example
 *   import { linefeedFixtures, type LinefeedFixtures } from '@linefeed/client/testing/playwright';
 *   import { test as base } from '@playwright/test';
 *   import type { board } from './channel.ts';
 *
 *   const test = base.extend<LinefeedFixtures<typeof board>>(linefeedFixtures<typeof board>());
 *   test('a page recovers', async ({ page, linefeed }) => {
 *     await page.goto('/');
 *     await linefeed.disconnect();
 *     await linefeed.reconnect();
 *   });
 *
 * @param options The path of the feed
 */
export function linefeedFixtures<C extends AnyChannel>({ path = '/events' }: LinefeedFixtureOptions = {}): {
  readonly linefeed: Fixture<LinefeedPage<C>>;
} {
  return {
    async linefeed({ page }, use) {
      const events: Array<PageEvent<C>> = [];
      await page.exposeFunction(REPORT, (event: string, data: string, id: string) => {
        if (event.startsWith(CONTROL_PREFIX)) return;
        // In the event name of a stream, the subscription's key follows a tilde. No topic contains a tilde.
        const topic = (parseAddress(event)?.topic ?? event).replace(/~.*/, '');
        events.push({ topic, address: event, data: JSON.parse(data) as unknown, id } as PageEvent<C>);
      });
      await page.addInitScript(installPageHook, { path, report: REPORT, connect: CONNECT });
      const connect = (online: boolean): Promise<void> =>
        page.evaluate(
          ([name, next]) => (globalThis as unknown as Record<string, (next: boolean) => void>)[name]?.(next),
          [CONNECT, online] as const,
        );
      await use({
        events: () => events,
        data: (topic) => events.filter((event) => event.topic === topic).map(({ data }) => data) as never,
        disconnect: () => connect(false),
        reconnect: () => connect(true),
      });
    },
  };
}
