/** Closes a feed with a grace period in a separate process, which nothing else keeps alive. It prints the result. */
import { defineChannel } from '@linefeed/shared';
import { createFeed } from '../src/index.ts';

const feed = createFeed(
  defineChannel({ notice: { '~standard': { version: 1, vendor: 'test', validate } } }),
  {},
);
function validate(value: unknown): { value: unknown } {
  return { value };
}
for (let count = 0; count < 3; count += 1) await feed.handle(new Request('http://localhost/events/notice'));
await feed.close({ graceMs: 60 });
console.log(`closed with ${feed.stats().connections} connections`);
