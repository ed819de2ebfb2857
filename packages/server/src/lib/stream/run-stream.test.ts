import { defineChannel, stream } from '@linefeed/shared';
import { tracked } from '@trpc/server';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Tap } from '../../../test-kit/tap.ts';
import { toHttpRequest } from '../adapters/fetch.ts';
import { defineStream } from '../feed/define-stream.ts';
import type { StreamDefinition } from '../feed/option-types.ts';
import { message } from './message.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { respond } from '../http/http.ts';

const board = defineChannel({ steps: stream({ data: z.object({ n: z.number() }) }) });

async function run(source: StreamDefinition<typeof board, 'steps'>['source'], query = ''): Promise<Tap> {
  const clock = createManualClock();
  const steps = defineStream(board, 'steps', source, { clock, onError: () => undefined });
  const answer = await respond(steps, toHttpRequest(new Request(`http://feed.test/steps${query}`)));
  if (typeof answer?.body !== 'function') throw new Error(`Not opened: ${answer?.status}`);
  const tap = new Tap();
  answer.body(tap);
  await clock.settle();
  return tap;
}

describe('the source of a stream', () => {
  it.each<[string, object]>([
    ['has no retryable field', {}],
    ['has only a status of 503', { status: 503 }],
    ['has retryable: false', { retryable: false }],
  ])('a failed source is not retryable when its error %s, with or without yields', async (_, fields) => {
    const failure = Object.assign(new Error('boom'), fields);
    for (const yields of [[message({ n: 1 }, { id: 'a' })], [{ n: 1 }], []]) {
      const tap = await run(async function* () {
        yield* yields;
        throw failure;
      });
      expect(tap.of('linefeed.error')).toMatchObject([{ id: '~!', data: { retryable: false } }]);
    }
  });

  it.each([
    ['had an id', [message({ n: 1 }, { id: 'a' })], true],
    ['had no id', [{ n: 1 }], false],
    ['was never sent', [], true],
  ])(
    'a source that fails with a retryable error may be retried only if that repeats no event: its last event %s',
    async (_, yields, retryable) => {
      const tap = await run(async function* () {
        yield* yields;
        throw Object.assign(new Error('boom'), { retryable: true });
      });
      expect(tap.of('linefeed.error')).toMatchObject([
        { id: retryable ? undefined : '~!', data: { code: 'source_failed', retryable } },
      ]);
    },
  );

  it.each([
    ['an id that is an object', () => message({ n: 1 }, { id: {} as string })],
    ['an id that is not finite', () => message({ n: 1 }, { id: NaN })],
    ['an unknown field', () => message({ n: 1 }, { ID: 1 } as never)],
    ['a bare id in place of its fields', () => message({ n: 1 }, 1 as never)],
  ])('a source that yields a message with %s fails, because it could not resume', async (_, make) => {
    const tap = await run(async function* () {
      yield make();
    });
    expect(tap.of('steps')).toEqual([]);
    expect(tap.of('linefeed.error')).toMatchObject([{ data: { code: 'source_failed' } }]);
  });

  it('a source may mix tracked values of tRPC, messages and bare payloads', async () => {
    const tap = await run(async function* () {
      yield tracked('a', { n: 1 });
      yield message({ n: 2 }, { id: 'b' });
      yield { n: 3 };
      yield tracked('c!~', { n: 4 });
    });
    expect(tap.frames.filter(({ event }) => event === 'steps')).toEqual([
      { event: 'steps', id: '~a', data: { n: 1 } },
      { event: 'steps', id: '~b', data: { n: 2 } },
      { event: 'steps', id: '~b', data: { n: 3 } },
      { event: 'steps', id: '~c%21%7E', data: { n: 4 } },
    ]);
  });

  it('a source resumes after a tracked id', async () => {
    const tap = await run(async function* ({ lastEventId }) {
      yield tracked('next', { n: Number(lastEventId) + 1 });
    }, '?last_event_id=~7');
    expect(tap.payloads).toEqual([{ n: 8 }]);
  });

  it('the payload of a tracked value is validated by the schema', async () => {
    const tap = await run(async function* () {
      yield tracked('a', { n: 'one' as unknown as number });
    });
    expect(tap.payloads).toEqual([]);
    expect(tap.of('linefeed.error')).toHaveLength(1);
  });

  it('a source is returned when its client leaves during an asynchronous validation', async () => {
    let pass: (verdict: boolean) => void = () => undefined;
    const verdict = new Promise<boolean>((resolve) => (pass = resolve));
    const slow = defineChannel({ steps: stream({ data: z.string().refine(() => verdict) }) });
    const clock = createManualClock();
    let returned = false;
    const source = defineStream(
      slow,
      'steps',
      async function* () {
        try {
          yield 'one';
        } finally {
          returned = true;
        }
      },
      { clock },
    );
    const answer = await respond(source, toHttpRequest(new Request('http://feed.test/steps')));
    const tap = new Tap();
    (answer!.body as (sink: Tap) => void)(tap);
    await clock.settle();
    tap.leave();
    pass(true);
    await clock.settle();
    expect([returned, tap.payloads]).toEqual([true, []]);
  });

  it('an array of strings that a source yields is not treated as a tracked value', async () => {
    const lists = defineChannel({ lists: stream({ data: z.array(z.string()) }) });
    const clock = createManualClock();
    const source = defineStream(
      lists,
      'lists',
      async function* () {
        yield ['id', 'data', 'Symbol()'];
      },
      { clock },
    );
    const answer = await respond(source, toHttpRequest(new Request('http://feed.test/lists')));
    const tap = new Tap();
    (answer!.body as (sink: Tap) => void)(tap);
    await clock.settle();
    expect(tap.payloads).toEqual([['id', 'data', 'Symbol()']]);
  });
});

it('the end of the last stream ends the response, but not the response of a stream with a key', async () => {
  const source = function* () {
    yield { n: 1 };
  };
  const alone = await run(source);
  const keyed = await run(source, '?key=a');
  expect([alone, keyed].map((tap) => tap.of('linefeed.end').length)).toEqual([1, 1]);
  expect([alone.ended, keyed.ended]).toEqual([true, false]);
});
