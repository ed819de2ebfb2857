/** For tests of code that uses a client: the real client, a feed in memory and a manual clock. */
export { createTestClient } from './lib/testing/test-client.ts';
export { createManualClock } from '@linefeed/shared/testing';
export type { ManualClock, ManualTimer } from '@linefeed/shared/testing';
export type {
  EmitArguments,
  EndArguments,
  TestClient,
  TestClientOptions,
  TestRunEnd,
  TopicArguments,
} from './lib/testing/test-client.ts';
