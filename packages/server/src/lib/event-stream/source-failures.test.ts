import { describe, expect, it, vi } from 'vitest';
import { run } from '../../../test-kit/event-stream-bench.ts';
import type { EventStreamContent } from './content.ts';

describe('failures of a source', () => {
  const secret = new Error('password=hunter2');

  it('a function that throws before the head causes a 500 without the message of its error', async () => {
    const { answer, ends, errors } = await run(() => {
      throw Object.assign(secret, { status: 404 });
    });
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('hunter2');
    expect([ends, errors]).toEqual([[{ reason: 'failed', error: secret }], [secret]]);
  });

  it.each<[string, EventStreamContent<unknown>]>([
    [
      'a generator',
      (function* () {
        yield 1;
        throw secret;
      })(),
    ],
    [
      'an async generator',
      async function* () {
        yield 1;
        throw secret;
      },
    ],
    [
      'a ReadableStream',
      new ReadableStream(
        {
          pull(controller) {
            if (controller.desiredSize === 0) controller.enqueue(1);
            controller.error(secret);
          },
          start: (controller) => controller.enqueue(1),
        },
        { highWaterMark: 0 },
      ),
    ],
  ])(
    "%s that fails midway with failure: 'frame' sends linefeed.error without internals and ends the response",
    async (_, content) => {
      const { tap, read, ends, errors } = await run(content, { failure: 'frame' });
      expect(read().events.at(-1)).toEqual({
        event: 'linefeed.error',
        data: '{"code":"source_failed","message":"The source failed.","retryable":false}',
        lastEventId: '',
      });
      expect(tap.text).not.toContain('hunter2');
      expect([tap.ended, ends, errors]).toEqual([true, [{ reason: 'failed', error: secret }], [secret]]);
    },
  );

  it('an async function that rejects breaks the response off, because the head was sent', async () => {
    const { tap, errors } = await run(async () => {
      throw secret;
    });
    expect([tap.text, tap.broken?.name]).toEqual([': \n\n', 'LinefeedError']);
    expect(errors).toEqual([secret]);
  });

  it('a yield that cannot be encoded ends the source', async () => {
    const log: string[] = [];
    const { tap, errors } = await run(
      (function* () {
        try {
          yield { when: new Date(0) };
        } finally {
          log.push('finally');
        }
      })(),
    );
    expect([tap.text, tap.broken?.name]).toEqual([': \n\n', 'LinefeedError']);
    expect(log).toEqual(['finally']);
    expect(errors).toEqual([
      expect.objectContaining({ code: 'invalid_content', message: expect.stringContaining('"when"') }),
    ]);
  });

  it('an error in the cleanup of a source is reported after its client left', async () => {
    const { tap, clock, errors } = await run(
      (function* () {
        try {
          for (;;) yield 'x'.repeat(100);
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- the failure under test
          throw secret;
        }
      })(),
      {},
      { tap: { roomBytes: 10 } },
    );
    tap.leave();
    await clock.settle();
    expect(errors).toEqual([secret]);
  });

  it('a failure is printed on the console without onError, and an error of onError is printed too', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    await run(() => Promise.reject(secret), { onError: undefined });
    const failing = (): void => {
      throw new Error('hook');
    };
    await run(() => Promise.reject(secret), { onError: failing });
    expect(printed.mock.calls).toEqual([
      ['linefeed:', secret],
      ['linefeed: onError itself failed:', new Error('hook')],
    ]);
  });
});
