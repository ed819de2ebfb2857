/** For browser tests with @playwright/test: the events that a page receives, and a switch to cut its connection. */
export { linefeedFixtures } from './lib/testing/fixtures.ts';
export type {
  Fixture,
  LinefeedFixtures,
  LinefeedFixtureOptions,
  LinefeedPage,
  PageEvent,
} from './lib/testing/fixtures.ts';
