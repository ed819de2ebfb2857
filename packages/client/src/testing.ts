/** For tests of code that uses a client: the real client, a feed in memory and a manual clock. */
export { createTestClient } from './lib/testing/test-client.ts';
export { createManualClock } from './lib/base/clock.ts';
export type { ManualClock } from './lib/base/clock.ts';
export type {
  EmitArguments,
  TestClient,
  TestClientOptions,
  TopicArguments,
} from './lib/testing/test-client.ts';
