/** A feed on a manual clock, with taps as connections. The tests of the feed are written on it. */
import { defineChannel, stream, topic, type Channel } from '@linefeed/shared';
import * as z from 'zod';
import { toIncomingRequest } from '../src/lib/adapters/fetch.ts';
import { createFeed } from '../src/lib/feed/create-feed.ts';
import { respond, type HttpResponse } from '../src/lib/http/http.ts';
import type { Feed, FeedOptions } from '../src/lib/feed/types.ts';
import { createManualClock, type ManualClock } from '../src/lib/testing/manual-clock.ts';
import { Tap, type TapOptions } from './tap.ts';

const topics = {
  notice: z.object({ text: z.string() }),
  other: z.object({ n: z.number() }),
  price: topic({
    params: z.object({ symbol: z.string() }),
    data: z.object({ bid: z.number() }),
    keep: 'latest',
  }),
  room: topic({
    params: z.object({ name: z.string(), floor: z.number().default(0) }),
    data: z.object({ text: z.string() }),
  }),
  report: stream({ params: z.object({ year: z.number() }), data: z.object({ step: z.number() }) }),
  tick: stream({ data: z.number() }),
};

/** The contract of the tests. */
export const board: Channel<typeof topics> = defineChannel(topics);
export type Board = typeof board;

export interface Bench<Context> {
  readonly feed: Feed<Board, Context>;
  readonly clock: ManualClock;
  /** The arguments of `onError`. */
  readonly errors: unknown[];
  /** Returns the answer to a request. `target` is a path with query, or a whole request. */
  ask(target: string | Request, init?: RequestInit): Promise<HttpResponse>;
  /** Opens a connection and lets it write its first frames. */
  open(target: string | Request, init?: RequestInit, tap?: TapOptions): Promise<Tap>;
}

export function createBench<Context = undefined>(
  options: Partial<FeedOptions<Board, Context>> = {},
): Bench<Context> {
  const clock = createManualClock();
  const errors: unknown[] = [];
  const sources = {
    *report() {
      yield { step: 1 };
    },
    *tick() {
      yield 1;
    },
  };
  // A separate channel object: a second feed of one channel logs a warning.
  const feed = createFeed(
    { ...board },
    {
      clock,
      onError: (error: unknown) => errors.push(error),
      streams: sources,
      ...options,
    },
  );
  const bench: Bench<Context> = {
    feed,
    clock,
    errors,
    async ask(target, init) {
      const request = typeof target === 'string' ? new Request(`http://feed.test${target}`, init) : target;
      const answering = respond(feed, toIncomingRequest(request));
      let answer: HttpResponse | undefined;
      void answering.then((value) => (answer = value));
      // The body of a POST arrives in real event-loop ticks, which no manual clock drives.
      for (let round = 0; round < 100 && answer === undefined; round += 1) {
        await clock.settle();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return (await answering) ?? { status: 404, headers: [], body: undefined };
    },
    async open(target, init, tapOptions) {
      const answer = await bench.ask(target, init);
      if (typeof answer.body !== 'function')
        throw new Error(`Not opened: ${answer.status} ${answer.body ?? ''}`);
      const tap = new Tap(tapOptions);
      answer.body(tap);
      await clock.settle();
      return tap;
    },
  };
  return bench;
}
