/** A feed on a manual clock, with taps as connections. The tests of the feed are written on it. */
import { defineChannel, type Channel } from '@linefeed/shared';
import { toHttpRequest } from '../src/lib/adapters/fetch.ts';
import { createFeed } from '../src/lib/feed/create-feed.ts';
import { respond, type HttpResponse, type RequestTarget } from '../src/lib/http/http.ts';
import type { FeedOptions } from '../src/lib/feed/option-types.ts';
import type { Feed } from '../src/lib/feed/types.ts';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import { connect, Tap, type TapOptions } from './tap.ts';
import { topics } from './topics.ts';

/** The contract of the tests. */
export const board: Channel<typeof topics> = defineChannel(topics);
export type Board = typeof board;

/** Options of a test's feed. A topic without a source in `streams` has the one of the bench. */
export type BenchOptions<Context> = Partial<Omit<FeedOptions<Board, Context>, 'streams'>> & {
  readonly streams?: Partial<NonNullable<FeedOptions<Board, Context>['streams']>> | undefined;
};

/** The changes of a control request. */
export interface Changes {
  /** The number of the request. Default 1. */
  readonly n?: number;
  readonly add?: readonly object[];
  readonly remove?: readonly string[];
}

/** Requests to a feed on a manual clock. */
export interface FeedDriver {
  /** Returns the answer to a request. `target` is a path with query, or a whole request. */
  ask(target: string | Request, init?: RequestInit): Promise<HttpResponse>;
  /** Opens a connection and lets it write its first frames. */
  open(target: string | Request, init?: RequestInit, tap?: TapOptions): Promise<Tap>;
  /** Sends a control request for the connection of a tap, and lets the connection write what follows from it. */
  control(tap: Tap, changes: Changes, headers?: HeadersInit): Promise<HttpResponse>;
  /** Takes what a reader's buffer has, like a socket that drains, and lets the connection write more. */
  take(tap: Tap): Promise<void>;
  /** Takes page after page until no more bytes are written. */
  takeAll(tap: Tap): Promise<void>;
}

export interface Bench<Context> extends FeedDriver {
  readonly feed: Feed<Board, Context>;
  readonly clock: ManualClock;
  /** The arguments of `onError`. */
  readonly errors: unknown[];
  /** Publishes one event of `other` for each number from `first` to `last`. */
  publishNumbers(first: number, last: number): Promise<void>;
}

/** A request with a JSON body. */
export function post(body: unknown, headers: HeadersInit = {}): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers };
}

/** A request that resumes after a cursor or another id, like that of an EventSource. */
export function after(lastEventId: string): RequestInit {
  return { headers: { 'last-event-id': lastEventId } };
}

/** The target of a GET for these entries, each written as in a URL: `other?from=earliest`. */
export function entries(...list: readonly string[]): string {
  return `/events?${list.map((entry) => `topic=${encodeURIComponent(entry)}`).join('&')}`;
}

/** The cursor of another position in the epoch of a cursor. */
export function at(cursor: string, position: number): string {
  return `${cursor.split('.')[0]!}.${position.toString(36)}`;
}

/** The problem in the body of an answer. */
export function problemOf({ body }: HttpResponse): { readonly code: string; readonly title: string } {
  return JSON.parse(body as string);
}

/** The whole numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

const sources = {
  *report() {
    yield { step: 1 };
  },
  *tick() {
    yield 1;
  },
};

export function createBench<Context = undefined>(options: BenchOptions<Context> = {}): Bench<Context> {
  const clock = (options.clock as ManualClock | undefined) ?? createManualClock();
  const errors: unknown[] = [];
  // A separate channel object: a second feed of one channel logs a warning.
  const feed = createFeed(
    { ...board },
    {
      clock,
      onError: (error: unknown) => errors.push(error),
      ...options,
      streams: { ...sources, ...options.streams },
    },
  );
  return {
    ...driveFeed(feed, clock),
    feed,
    clock,
    errors,
    async publishNumbers(first, last) {
      for (const n of range(first, last)) await feed.publish('other', { n });
    },
  };
}

/** Sends requests to a feed, and lets it work on its manual clock. */
export function driveFeed(feed: RequestTarget, clock: ManualClock): FeedDriver {
  const driver: FeedDriver = {
    async ask(target, init) {
      const request = typeof target === 'string' ? new Request(`http://feed.test${target}`, init) : target;
      const answering = respond(feed, toHttpRequest(request));
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
      const answer = await driver.ask(target, init);
      const tap = connect(answer, new Tap(tapOptions));
      await clock.settle();
      return tap;
    },
    async control({ connection }, changes, headers) {
      const answer = await driver.ask('/events', post({ connection, n: 1, ...changes }, headers));
      await clock.settle();
      return answer;
    },
    async take(tap) {
      tap.drain();
      await clock.settle();
    },
    async takeAll(tap) {
      for (let before = -1; tap.writes.length > before; await clock.settle()) {
        before = tap.writes.length;
        await driver.take(tap);
      }
    },
  };
  return driver;
}
