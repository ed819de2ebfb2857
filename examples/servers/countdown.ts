/** An event stream without a feed: one request, one source. */
import { message, type ContentContext, type Message } from '@linefeed/server';
import { setTimeout as sleep } from 'node:timers/promises';

/** Counts from 3 to 1, and resumes after the last number that the client has. */
export async function* countdown({
  signal,
  lastEventId,
}: ContentContext): AsyncGenerator<Message<{ left: number }>> {
  for (let left = Number(lastEventId ?? 4) - 1; left > 0; left -= 1) {
    yield message({ left }, { id: left });
    await sleep(100, undefined, { signal });
  }
}
