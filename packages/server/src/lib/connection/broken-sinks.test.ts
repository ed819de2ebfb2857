import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { Tap } from '../../../test-kit/tap.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { toEventStreamResponse } from '../event-stream/event-stream.ts';
import type { StreamEnd } from '../event-stream/options.ts';
import type { ResponseSink } from '../http/response-sink.ts';

type Step = 'listen' | 'write' | 'end';

const BROKEN = new Error('The adapter is broken.');

/** The sink of an adapter that throws in one of its methods once `breaks` is set. It never calls `onClose`. */
class BrokenTap extends Tap {
  breaks: boolean;
  readonly #step: Step;

  constructor(step: Step, breaks = false) {
    super();
    this.#step = step;
    this.breaks = breaks;
  }

  override write(bytes: Uint8Array): void {
    this.#throwAt('write');
    super.write(bytes);
  }

  override end(last?: Uint8Array): void {
    this.#throwAt('end');
    super.end(last);
  }

  override listen(...[listener]: Parameters<Tap['listen']>): void {
    this.#throwAt('listen');
    super.listen(listener);
  }

  override destroy(): void {
    throw new Error('There is nothing to destroy.');
  }

  #throwAt(step: Step): void {
    if (this.breaks && step === this.#step) throw BROKEN;
  }
}

function openInto(answer: { readonly body: unknown }, sink: ResponseSink): void {
  (answer.body as (sink: ResponseSink) => void)(sink);
}

describe('a sink that throws', () => {
  it.each(['listen', 'write'] as const)(
    'a sink that throws in %s() frees its connection slot',
    async (step) => {
      const { ask, open, feed, errors, clock } = createBench({ maxConnections: 1 });
      openInto(await ask('/events/notice'), new BrokenTap(step, true));
      await clock.settle();
      expect([feed.stats().connections, errors]).toEqual([0, [BROKEN]]);
      const next = await open('/events/notice');
      expect(next.frames[0]?.event).toBe('linefeed.hello');
    },
  );

  it('a sink that throws while it tells a client to retry is reported', async () => {
    const { ask, open, errors } = createBench({ maxConnections: 1 });
    await open('/events/notice');
    const answer = await ask('/events/notice');
    expect(() => openInto(answer, new BrokenTap('end', true))).toThrow(BROKEN);
    expect(errors).toEqual([BROKEN]);
  });

  it('a sink that throws in write() does not stop delivery to other connections', async () => {
    const closed: string[] = [];
    const { ask, open, feed, errors, clock } = createBench({
      onClose: (_, reason) => void closed.push(reason),
    });
    const broken = new BrokenTap('write');
    openInto(await ask('/events/notice'), broken);
    const other = await open('/events/notice');
    broken.breaks = true;
    await feed.publish('notice', { text: 'one' });
    await clock.settle();
    expect(other.payloads).toEqual([{ text: 'one' }]);
    expect([closed, errors, feed.stats().connections]).toEqual([['client'], [BROKEN], 1]);
    await feed.publish('notice', { text: 'two' });
    await clock.settle();
    expect([other.payloads.length, errors]).toEqual([2, [BROKEN]]);
  });

  it('a sink that throws in end() does not stop other disconnects or the close of the feed', async () => {
    const { ask, open, feed, errors, clock } = createBench();
    const broken = new BrokenTap('end', true);
    openInto(await ask('/events/notice'), broken);
    const other = await open('/events/notice');
    expect(feed.disconnect(() => true)).toBe(2);
    expect([other.ended, errors]).toEqual([true, [BROKEN]]);
    openInto(await ask('/events/notice'), new BrokenTap('end', true));
    await feed.close();
    await clock.settle();
    expect([feed.stats().connections, errors]).toEqual([0, [BROKEN, BROKEN]]);
  });

  it.each(['listen', 'write', 'end'] as const)(
    'a sink that throws in %s() ends its event stream and is reported once',
    async (step) => {
      const clock = createManualClock();
      const ends: StreamEnd[] = [];
      const errors: unknown[] = [];
      const content = {
        [Symbol.asyncIterator]: () => ({
          next: async () =>
            step === 'end' ? { done: true, value: undefined } : new Promise<never>(() => undefined),
        }),
      };
      const answer = toEventStreamResponse(
        content,
        { method: 'GET', header: () => undefined, gone: false },
        { clock, onClose: (end) => void ends.push(end), onError: (error) => void errors.push(error) },
      );
      openInto(answer, new BrokenTap(step, true));
      await clock.settle();
      expect([ends.map(({ reason }) => reason), errors]).toEqual([
        [step === 'end' ? 'finished' : 'failed'],
        [BROKEN],
      ]);
    },
  );
});
