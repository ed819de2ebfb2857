/** Event streams without a contract on a manual clock, each with a tap as its reader. */
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';
import type { EventStreamContent } from '../src/lib/event-stream/content.ts';
import { toEventStreamResponse } from '../src/lib/event-stream/event-stream.ts';
import type { EventStreamOptions, StreamEnd } from '../src/lib/event-stream/options.ts';
import type { HttpResponse } from '../src/lib/http/http.ts';
import { createSpecParser, type SpecParser } from './spec-parser.ts';
import { Tap, type TapOptions } from './tap.ts';

export interface Run {
  readonly answer: HttpResponse;
  readonly tap: Tap;
  readonly clock: ManualClock;
  /** Every call of `onClose` and `onError`, in order. */
  readonly ends: StreamEnd[];
  readonly errors: unknown[];
  readonly read: () => SpecParser;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly gone?: boolean;
  readonly tap?: TapOptions | undefined;
}

/** Answers a request with an event stream, and opens it into a tap. */
export function start(
  content: EventStreamContent<unknown>,
  options: EventStreamOptions = {},
  asked: Asked = {},
): Run {
  const { method = 'GET', headers = {}, gone = false } = asked;
  const clock = createManualClock();
  const ends: StreamEnd[] = [];
  const errors: unknown[] = [];
  const answer = toEventStreamResponse(
    content,
    { method, header: (name) => headers[name], gone },
    { clock, onClose: (end) => void ends.push(end), onError: (error) => void errors.push(error), ...options },
  );
  const tap = new Tap(asked.tap);
  if (gone) tap.leave();
  if (typeof answer.body === 'function') answer.body(tap);
  const read = (): SpecParser => {
    const parser = createSpecParser();
    parser.feed(new TextEncoder().encode(tap.text));
    return parser;
  };
  return { answer, tap, clock, ends, errors, read };
}

/** Like `start`, and lets the stream write what it can. */
export async function run(
  content: EventStreamContent<unknown>,
  options?: EventStreamOptions,
  asked?: Asked,
): Promise<Run> {
  const started = start(content, options, asked);
  await started.clock.settle();
  return started;
}

export interface TestSource {
  readonly content: (given: { signal: AbortSignal; lastEventId: string | undefined }) => AsyncGenerator;
  readonly emit: (value: unknown) => void;
  readonly log: string[];
}

/** A source that waits until a value is emitted, and records how it ended. */
export function createSource(): TestSource {
  const log: string[] = [];
  let wake: (value: unknown) => void = () => undefined;
  return {
    log,
    emit: (value) => wake(value),
    async *content({ signal }) {
      signal.addEventListener('abort', () => log.push('abort'));
      try {
        for (;;) {
          const value = await new Promise<unknown>((resolve, reject) => {
            wake = resolve;
            signal.addEventListener('abort', () => reject(new DOMException('over', 'AbortError')));
          });
          yield value;
        }
      } finally {
        log.push('finally');
      }
    },
  };
}
