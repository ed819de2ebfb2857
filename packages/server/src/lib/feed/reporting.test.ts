import { LinefeedError } from '@linefeed/shared';
import { describe, expect, it, vi } from 'vitest';
import { createBench, problemOf } from '../../../test-kit/feed-bench.ts';
import { logWith } from '../../../test-kit/scripted-log.ts';
import { Tap } from '../../../test-kit/tap.ts';
import { memoryLog } from '../log/memory-log.ts';
import type { ResponseSink } from '../http/response-sink.ts';
import { createReporter } from '../base/report.ts';

describe('console output without onError', () => {
  const print = (error: unknown): unknown => {
    const spy = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    createReporter(undefined)(error);
    return spy.mock.calls[0]?.[1];
  };

  it('an expected refusal is printed as one line without a stack', () => {
    const refused = new LinefeedError('forbidden', 'Not today.', { status: 403 });
    expect(print(refused)).toBe('LinefeedError: Not today.');
  });

  it.each([
    new Error('boom'),
    new LinefeedError('server_failed', 'boom', { status: 500 }),
    new LinefeedError('http_status', 'wrapped', { status: 400, cause: new Error('boom') }),
  ])('a failure is printed with its stack: %s', (error) => {
    expect(print(error)).toBe(error);
  });
});

describe('the result of authorize', () => {
  it.each([1, 'yes', {}, [], new Error('no'), undefined, null])(
    'an authorize that returns %o denies access',
    async (answer) => {
      const { ask } = createBench({ authorize: () => answer as boolean });
      const refused = await ask('/events/notice');
      expect([refused.status, problemOf(refused).code]).toEqual([403, 'forbidden']);
    },
  );
});

describe('failures that are reported to onError', () => {
  const boom = new Error('boom');
  const fail = (): never => {
    throw boom;
  };

  it('an error of authorize that refuses a whole request is reported once', async () => {
    const { ask, errors } = createBench({ authorize: fail });
    const answer = await ask('/events/notice');
    expect([answer.status, problemOf(answer).code]).toEqual([500, 'server_failed']);
    expect(errors).toEqual([boom]);
  });

  it('an error of authorize for one entry of several is reported once', async () => {
    const { open, errors } = createBench({ authorize: ({ topic }) => topic === 'notice' || fail() });
    const tap = await open('/events?topic=notice&topic=other');
    expect(tap.of('linefeed.error')).toMatchObject([
      { data: { address: 'other', code: 'server_failed', message: 'The server failed.', retryable: true } },
    ]);
    expect(errors).toEqual([boom]);
  });

  it('an error of context is reported once', async () => {
    const { ask, errors } = createBench({ context: fail });
    const answer = await ask('/events/notice');
    expect([answer.status, problemOf(answer).code]).toEqual([500, 'server_failed']);
    expect(errors).toEqual([boom]);
  });

  it.each(['context', 'authorize'])(
    'an undefined that %s throws is reported as server_failed',
    async (hook) => {
      const { ask, errors } = createBench({
        [hook]: () => {
          throw undefined as unknown;
        },
      });
      expect((await ask('/events/notice')).status).toBe(500);
      expect(errors).toMatchObject([{ code: 'server_failed', message: 'The server failed.' }]);
    },
  );

  it('an error of log.newest() in an opening is reported once', async () => {
    const log = memoryLog();
    const { ask, errors } = createBench({ log: logWith(log, { newest: fail }) });
    const answer = await ask(`/events/notice?last_event_id=${log.epoch}.9`);
    expect([answer.status, problemOf(answer).code]).toEqual([500, 'server_failed']);
    expect(errors).toEqual([boom]);
  });

  it('an error of log.newest() in a control request is reported once', async () => {
    const log = memoryLog();
    const { open, control, errors } = createBench({ log: logWith(log, { newest: fail }) });
    const tap = await open('/events/notice');
    const answer = await control(tap, { add: [{ address: 'other', from: `${log.epoch}.9` }] });
    expect(answer.status).toBe(500);
    expect(errors).toEqual([boom]);
  });

  it('an error of the iterator of a source is reported once, and the iterator is not returned', async () => {
    let returned = 0;
    const { open, errors, clock } = createBench({
      streams: {
        report: () => ({
          [Symbol.asyncIterator]: () => ({
            next: () => Promise.reject(boom),
            return: () => {
              returned += 1;
              return Promise.reject(new Error('returned though it failed'));
            },
          }),
        }),
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    expect(tap.of('linefeed.error')).toMatchObject([{ data: { code: 'source_failed' } }]);
    expect(errors).toEqual([boom]);
    expect(returned).toBe(0);
  });

  it.each(['context', 'authorize'])(
    'a LinefeedError of status 5xx that %s throws is reported, and its message is not sent',
    async (hook) => {
      const failure = new LinefeedError('log_failed', 'host=db password=hunter2', {
        status: 503,
        detail: 'hunter2',
        issues: [{ message: 'hunter2' }],
      });
      const { ask, open, errors } = createBench({
        [hook]: ({ topic }: { topic?: string }) => {
          if (topic === 'notice') return true;
          throw failure;
        },
      });
      const answer = await ask('/events/other');
      expect([answer.status, problemOf(answer).code, errors]).toEqual([503, 'log_failed', [failure]]);
      expect(answer.body).not.toContain('hunter2');
      if (hook === 'context') return;
      const tap = await open('/events?topic=notice&topic=other');
      expect(tap.of('linefeed.error')).toMatchObject([{ data: { code: 'log_failed', retryable: true } }]);
      expect(tap.text).not.toContain('hunter2');
    },
  );

  it('a status 401 that context throws is not reported', async () => {
    const { ask, errors } = createBench({
      context: () => {
        throw Object.assign(new Error('Log in.'), { status: 401 });
      },
    });
    expect((await ask('/events/notice')).status).toBe(401);
    expect(errors).toEqual([]);
  });
});

it('an error while a response opens is reported once and is thrown to the adapter', async () => {
  const boom = new Error('boom');
  const { ask, clock, errors } = createBench();
  const { body } = await ask('/events/notice');
  Object.assign(clock, {
    random() {
      throw boom;
    },
  });
  expect(() => (body as (sink: ResponseSink) => void)(new Tap())).toThrow(boom);
  expect(errors).toEqual([boom]);
});
