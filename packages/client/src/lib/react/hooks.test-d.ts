import { defineChannel, run, stream, topic, type LinefeedError } from '@linefeed/shared';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { ConnectionSnapshot, Gap, RunOutcome, StoppedRun } from '@linefeed/client';
import { createHooks } from '@linefeed/client/react';

const board = defineChannel({
  notice: z.object({ text: z.string(), level: z.enum(['info', 'warn']) }),
  price: topic({
    params: z.object({ symbol: z.string(), depth: z.number().default(1) }),
    data: z.object({ bid: z.number() }),
    keep: 'latest',
  }),
  room: topic({ params: z.object({ name: z.string().optional() }), data: z.string() }),
  report: stream({ params: z.object({ year: z.number() }), data: z.object({ step: z.number() }) }),
  answer: run({
    params: z.object({ chat: z.string() }),
    data: z.object({ text: z.string() }),
    result: z.object({ tokens: z.number() }),
  }),
  job: run({ data: z.number() }),
});
type Notice = { text: string; level: 'info' | 'warn' };

const { useTopic, useRun, useConnectionState, useClient } = createHooks<typeof board>();
const symbol = 'ACME';

describe('the type of the data of useTopic', () => {
  it('the data of useTopic is the payload, or undefined until the first event', () => {
    expectTypeOf(useTopic('notice').data).toEqualTypeOf<Notice | undefined>();
    expectTypeOf(useTopic('price', { params: { symbol } }).data).toEqualTypeOf<{ bid: number } | undefined>();
    expectTypeOf(useTopic('room').data).toEqualTypeOf<string | undefined>();
    expectTypeOf(useTopic('room', { params: { name: 'x' }, enabled: false }).data).toEqualTypeOf<
      string | undefined
    >();
    expectTypeOf(useTopic('report', { params: { year: 2026 } }).data).toEqualTypeOf<
      { step: number } | undefined
    >();
  });

  it('the data of useTopic is never undefined when `initial` is given', () => {
    expectTypeOf(
      useTopic('notice', { initial: { text: 'none', level: 'info' } }).data,
    ).toEqualTypeOf<Notice>();
    expectTypeOf(useTopic('notice', { initial: null }).data).toEqualTypeOf<Notice | null>();
  });

  it('the data of useTopic is the result of `select`', () => {
    expectTypeOf(useTopic('price', { params: { symbol }, select: (price) => price.bid }).data).toEqualTypeOf<
      number | undefined
    >();
    expectTypeOf(
      useTopic('price', { params: { symbol }, initial: { bid: 0 }, select: (price) => price.bid }).data,
    ).toEqualTypeOf<number>();
  });

  it('the data of useTopic is the state of `reduce`', () => {
    const counted = useTopic('notice', {
      initial: 0,
      reduce: (count, notice, event) => {
        expectTypeOf(notice).toEqualTypeOf<Notice>();
        expectTypeOf(event.topic).toEqualTypeOf<'notice'>();
        return count + 1;
      },
    });
    expectTypeOf(counted.data).toEqualTypeOf<number>();
    const optional = useTopic('notice', { reduce: (count: number | undefined) => (count ?? 0) + 1 });
    expectTypeOf(optional.data).toEqualTypeOf<number | undefined>();
  });

  it('the data of useTopic is the result of `select` on the state, in any order of the options', () => {
    const initial: Notice[] = [];
    const before = useTopic('notice', {
      initial,
      select: (notices) => notices.length,
      reduce: (notices, notice) => [...notices, notice],
    });
    expectTypeOf(before.data).toEqualTypeOf<number>();
    const behind = useTopic('notice', {
      reduce: (notices, notice) => [...notices, notice],
      select: (notices) => notices.at(-1)?.text,
      initial,
    });
    expectTypeOf(behind.data).toEqualTypeOf<string | undefined>();
  });
});

describe('useTopic', () => {
  it('useTopic returns status, error and gap', () => {
    const { status, error, gap } = useTopic('notice');
    expectTypeOf(status).toEqualTypeOf<'idle' | 'subscribing' | 'subscribed' | 'ended' | 'failed'>();
    expectTypeOf(error).toEqualTypeOf<LinefeedError | undefined>();
    expectTypeOf(gap).toEqualTypeOf<Gap | undefined>();
  });

  it('useTopic rejects an unknown topic, and missing, wrong or extra params', () => {
    // @ts-expect-error -- no such topic
    useTopic('notise');
    // @ts-expect-error -- params are missing
    useTopic('price');
    // @ts-expect-error -- params are missing
    useTopic('price', { enabled: true });
    // @ts-expect-error -- a param is missing
    useTopic('price', { params: {} });
    // @ts-expect-error -- a param has the wrong type
    useTopic('price', { params: { symbol: 1 } });
    // @ts-expect-error -- no such param
    useTopic('price', { params: { symbol, size: 1 } });
    // @ts-expect-error -- the topic has no params
    useTopic('notice', { params: { symbol } });
  });

  it('useTopic rejects an unknown option, and a wrong state', () => {
    // @ts-expect-error -- no such option
    useTopic('notice', { initail: null });
    // @ts-expect-error -- no such option
    useTopic('notice', { enabled: true, form: 'now' });
    // @ts-expect-error -- the value is not a payload
    useTopic('notice', { initial: 0 });
    // @ts-expect-error -- `reduce` returns another type than `initial`
    useTopic('notice', { initial: 0, reduce: () => 'x' });
    // @ts-expect-error -- `initial` is missing
    useTopic('notice', { reduce: (count: number) => count + 1 });
    // @ts-expect-error -- the payload has no such field
    useTopic('price', { params: { symbol }, select: (price) => price.ask });
  });
});

describe('useRun', () => {
  const params = { chat: 'a' };

  it('the data of useRun is the list of payloads, or the state of `reduce`', () => {
    expectTypeOf(useRun('answer', { params }).data).toEqualTypeOf<ReadonlyArray<{ text: string }>>();
    expectTypeOf(useRun('job').data).toEqualTypeOf<readonly number[]>();
    const { data } = useRun('answer', {
      params,
      initial: '',
      reduce: (all, { text }, { run: id }) => {
        expectTypeOf(id).toEqualTypeOf<string>();
        return all + text;
      },
    });
    expectTypeOf(data).toEqualTypeOf<string>();
    const { data: count } = useRun('job', { reduce: (sum, step) => sum + step, initial: 0 });
    expectTypeOf(count).toEqualTypeOf<number>();
  });

  it('useRun returns the state of the run with the type of its result, and a function that stops it', () => {
    const {
      status,
      outcome,
      result,
      error,
      run: id,
      attempt,
      replaying,
      stop,
    } = useRun('answer', { params });
    expectTypeOf(status).toEqualTypeOf<'idle' | 'running' | 'ended'>();
    expectTypeOf(outcome).toEqualTypeOf<RunOutcome | undefined>();
    expectTypeOf(result).toEqualTypeOf<{ tokens: number } | undefined>();
    expectTypeOf(error).toEqualTypeOf<LinefeedError | undefined>();
    expectTypeOf(id).toEqualTypeOf<string | undefined>();
    expectTypeOf(attempt).toEqualTypeOf<number | undefined>();
    expectTypeOf(replaying).toEqualTypeOf<boolean>();
    expectTypeOf(stop('user')).resolves.toEqualTypeOf<StoppedRun | undefined>();
  });

  it('useRun rejects other topics, missing params, and a `reduce` without `initial`', () => {
    // @ts-expect-error -- not a run
    useRun('notice');
    // @ts-expect-error -- params are missing
    useRun('answer');
    // @ts-expect-error -- no such option
    useRun('job', { select: () => 1 });
    // @ts-expect-error -- `initial` is missing
    useRun('job', { reduce: (sum: number, step) => sum + step });
    // @ts-expect-error -- `reduce` returns another type than `initial`
    useRun('job', { initial: 0, reduce: () => 'x' });
  });
});

describe('useConnectionState and useClient', () => {
  it('useConnectionState returns the connection snapshot, and useClient the client', () => {
    expectTypeOf(useConnectionState()).toEqualTypeOf<ConnectionSnapshot>();
    // @ts-expect-error -- no such topic
    useClient().subscribe('notise', () => {});
  });
});
