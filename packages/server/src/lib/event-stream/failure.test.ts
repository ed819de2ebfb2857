import { describe, expect, it } from 'vitest';
import { Tap, type TapOptions } from '../../../test-kit/tap.ts';
import { toEventStreamResponse } from './event-stream.ts';
import type { EventStreamOptions, StreamEnd } from './options.ts';
import { message } from '../stream/message.ts';
import { createManualClock, type ManualClock } from '@linefeed/shared/testing';

const secret = new Error('password=hunter2');

interface Run {
  readonly tap: Tap;
  readonly clock: ManualClock;
  readonly ends: StreamEnd[];
  readonly errors: unknown[];
}

/** Runs a source that yields "half" and then throws. */
async function fail(
  options: EventStreamOptions = {},
  error: unknown = secret,
  room?: TapOptions,
): Promise<Run> {
  const clock = createManualClock();
  const ends: StreamEnd[] = [];
  const errors: unknown[] = [];
  const answer = toEventStreamResponse(
    async function* () {
      yield 'half';
      throw error;
    },
    { method: 'GET', header: () => undefined, gone: false },
    {
      clock,
      onClose: (end) => void ends.push(end),
      onError: (failure) => void errors.push(failure),
      ...options,
    },
  );
  const tap = new Tap(room);
  (answer.body as (sink: Tap) => void)(tap);
  await clock.settle();
  return { tap, clock, ends, errors };
}

const HALF = ': \n\ndata: half\n\n';

describe('the failure option of an event stream', () => {
  it.each<[string, EventStreamOptions]>([
    ['by default', {}],
    ["with failure: 'break'", { failure: 'break' }],
    ['with a failure function that returns undefined', { failure: () => undefined }],
  ])(
    'a source that fails breaks the response off after the bytes before the failure: %s',
    async (_, options) => {
      const { tap, ends, errors } = await fail(options);
      expect(tap.text).toBe(HALF);
      expect(tap.broken).toMatchObject({
        code: 'source_failed',
        message: 'The source of the event stream failed.',
      });
      expect(tap.broken?.cause).toBeUndefined();
      expect([ends, errors]).toEqual([[{ reason: 'failed', error: secret }], [secret]]);
    },
  );

  it.each([
    [secret, false],
    [Object.assign(new Error('busy'), { retryable: true }), true],
  ])(
    "a source that fails sends linefeed.error and ends the response cleanly with failure: 'frame'",
    async (error, retryable) => {
      const { tap, ends, errors } = await fail({ failure: 'frame' }, error);
      expect(tap.text).toBe(
        `${HALF}event: linefeed.error\ndata: {"code":"source_failed","message":"The source failed.","retryable":${retryable}}\n\n`,
      );
      expect([tap.ended, tap.broken]).toEqual([true, undefined]);
      expect([ends, errors]).toEqual([[{ reason: 'failed', error }], [error]]);
    },
  );

  it.each<[string, unknown, string]>([
    [
      'an object',
      { error: { message: 'The model failed.' } },
      'data: {"error":{"message":"The model failed."}}',
    ],
    ['a string', 'failed\nhere', 'data: failed\ndata: here'],
    ['a message', message({ type: 'error' }, { event: 'error' }), 'event: error\ndata: {"type":"error"}'],
  ])(
    'a source that fails sends the result of the failure function and ends the response cleanly: %s',
    async (_, result, frame) => {
      const given: unknown[] = [];
      const failure = (error: unknown): unknown => {
        given.push(error);
        return result;
      };
      const { tap, ends, errors } = await fail({ failure });
      expect(tap.text).toBe(`${HALF}${frame}\n\n`);
      expect([tap.ended, tap.broken, given]).toEqual([true, undefined, [secret]]);
      expect([ends, errors]).toEqual([[{ reason: 'failed', error: secret }], [secret]]);
    },
  );

  const second = new Error('second');
  it.each<[string, (error: unknown) => unknown, unknown]>([
    [
      'throws',
      () => {
        throw second;
      },
      second,
    ],
    ['returns a promise', () => Promise.reject(second), expect.objectContaining({ code: 'invalid_content' })],
    ['returns what JSON cannot carry', () => 5n, expect.objectContaining({ code: 'invalid_content' })],
    [
      'returns an event with a line break',
      () => message('x', { event: 'a\nb' }),
      expect.objectContaining({ code: 'invalid_frame' }),
    ],
  ])(
    'a source that fails breaks the response off and reports both errors if the failure function %s',
    async (_, failure, reported) => {
      const { tap, ends, errors } = await fail({ failure });
      expect(tap.text).toBe(HALF);
      expect(tap.broken).toBeDefined();
      expect([ends, errors]).toEqual([[{ reason: 'failed', error: secret }], [secret, reported]]);
    },
  );

  it.each(['cut', true, 7, {}])('the option failure: %j is refused at the call', async (failure) => {
    await expect(fail({ failure: failure as 'break' })).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining('"break", "frame" or a function'),
    });
  });

  it('a source that fails cuts a reader off after stallTimeoutMs if bytes before the failure still wait', async () => {
    const room = { roomBytes: 12, endsWhenDrained: true };
    const { tap, clock, ends } = await fail({ stallTimeoutMs: 5_000 }, secret, room);
    tap.drain();
    await clock.settle();
    expect([tap.broken === undefined, tap.destroyed, ends]).toEqual([false, false, []]);
    await clock.advance(10_000);
    expect(tap.destroyed).toBe(true);
    expect(ends).toMatchObject([{ reason: 'stalled', error: secret }]);
  });
});
