/** Linefeed in a bare fetch handler: unchanged for Bun, Deno and workers, by method for a route of Next or Nitro. */
import { eventStream } from '@linefeed/server';
import { countdown } from './countdown.ts';
import { feed } from './feed.ts';

export function handle(request: Request): Response | Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === '/countdown') return eventStream(countdown, { request, retryMs: 2_000 });
  return feed.handle(request);
}

/**
 * A route handler, as in `app/events/[[...address]]/route.ts`: every method, for the feed itself and paths below it.
 */
export { handle as GET, handle as HEAD, handle as OPTIONS, handle as POST };
