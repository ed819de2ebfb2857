/** For tests of what uses a client: the real client on a feed in memory and a clock that stands still. */
export { createTestClient } from './lib/testing/test-client.ts';
export { createManualClock } from './lib/clock.ts';
export type { ManualClock } from './lib/clock.ts';
export type {
  EmitArguments,
  TestClient,
  TestClientOptions,
  TopicArguments,
} from './lib/testing/test-client.ts';
