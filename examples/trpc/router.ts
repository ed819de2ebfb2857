/** The app's router: plain tRPC, independent of the transport of its subscriptions. */
import { initTRPC, tracked } from '@trpc/server';
import * as z from 'zod';

const t = initTRPC.create();

/** Resolves after `ms`, or as soon as the signal aborts. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}

export const appRouter = t.router({
  hello: t.procedure.query(() => 'A query, over tRPC as ever.'),
  ticker: t.procedure
    .input(z.object({ name: z.string(), lastEventId: z.coerce.number().nullish() }))
    .subscription(async function* ({ input, signal }) {
      for (let n = (input.lastEventId ?? 0) + 1; signal?.aborted !== true; n += 1) {
        yield tracked(String(n), { name: input.name, n });
        await pause(500, signal);
      }
    }),
});

export type AppRouter = typeof appRouter;
