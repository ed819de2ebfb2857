/** Routers of several tests, and servers that the end of a test closes. */
import { EventEmitter, on } from 'node:events';
import { initTRPC, tracked, type AnyTRPCRouter } from '@trpc/server';
import { afterEach } from 'vitest';
import * as z from 'zod';
import { pass, serve as serveRouter, type Served } from './kit.ts';

export const t = initTRPC.context<{ user?: string }>().create({ isDev: false });

const open: Array<{ close(): Promise<void> }> = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

export async function serve<Router extends AnyTRPCRouter>(
  router: Router,
  options: Parameters<typeof serveRouter<Router>>[1] = {},
): Promise<Served<Router>> {
  const served = await serveRouter(router, options);
  open.push(served);
  return served;
}

/** Counts up from the last id, a step each time `next` is emitted. */
export function createCounter() {
  const emitter = new EventEmitter();
  const aborted: number[] = [];
  let runs = 0;
  const router = t.router({
    count: t.procedure
      .input(z.object({ lastEventId: z.string().nullish() }).optional())
      .subscription(async function* ({ input, signal }) {
        const run = (runs += 1);
        try {
          let n = Number(input?.lastEventId ?? 0);
          yield tracked(String((n += 1)), n);
          for await (const _ of on(emitter, 'next', { signal })) yield tracked(String((n += 1)), n);
        } finally {
          aborted.push(run);
        }
      }),
  });
  return {
    router,
    emitter,
    aborted,
    get runs() {
      return runs;
    },
  };
}

/** Counts to `last` from the last id, a step every 10 ms. */
export function createPaced(last: number) {
  const router = t.router({
    paced: t.procedure
      .input(z.object({ lastEventId: z.string().nullish() }).optional())
      .subscription(async function* ({ input }) {
        for (let n = Number(input?.lastEventId ?? 0) + 1; n <= last; n += 1) {
          yield tracked(String(n), n);
          await pass(10);
        }
      }),
  });
  return { router };
}

export const numbers = (values: ReadonlyArray<{ data: number }>): number[] => values.map(({ data }) => data);
