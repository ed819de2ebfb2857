/** For tests in a browser with @playwright/test: what a page receives, and cuts of its connection. */
export { linefeedFixtures } from './lib/testing/fixtures.ts';
export type {
  LinefeedFixtures,
  LinefeedFixtureOptions,
  LinefeedPage,
  PageEvent,
} from './lib/testing/fixtures.ts';
