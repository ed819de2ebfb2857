import { describe, expect, it } from 'vitest';
import { run, type Run } from '../../../test-kit/event-stream-bench.ts';
import type { TapOptions } from '../../../test-kit/tap.ts';
import type { EventStreamOptions } from './options.ts';
import { message } from '../stream/message.ts';

const secret = new Error('password=hunter2');

/** Runs a source that yields "half" and then throws. */
function fail(options: EventStreamOptions = {}, error: unknown = secret, tap?: TapOptions): Promise<Run> {
  async function* source() {
    yield 'half';
    throw error;
  }
  return run(source, options, { tap });
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
    [
      'returns a value that JSON cannot represent',
      () => 5n,
      expect.objectContaining({ code: 'invalid_content' }),
    ],
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
