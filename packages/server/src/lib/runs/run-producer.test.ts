import { LinefeedError } from '@linefeed/shared';
import { describe, expect, test } from 'vitest';
import { createRunProcesses, ManualSource } from '../../../test-kit/run-processes.ts';
import type { UntypedRunSource } from './runs.ts';

async function endOf(source: UntypedRunSource, limits = {}) {
  const world = createRunProcesses();
  const one = world.open(limits);
  const { run } = await one.start(source);
  await world.clock.settle();
  const [view] = await one.view();
  return { end: view!.end, errors: one.errors, events: await one.events(run) };
}

describe('the end of a run', () => {
  test('the returned value of a generator is the result', async () => {
    const { end } = await endOf(function* () {
      yield 'a';
      return { tokens: 7 };
    });
    expect(end).toMatchObject({ outcome: 'done', result: { tokens: 7 }, count: 1 });
  });

  test.each([
    ['a result that the schema rejects', { tokens: 'x' }],
    ['no result', undefined],
  ])('a source that returns %s has failed, after its events', async (_, result) => {
    const { end, errors, events } = await endOf(function* () {
      yield 'a';
      return result;
    });
    expect(end).toMatchObject({ outcome: 'failed', error: { code: 'invalid_payload' }, count: 1 });
    expect(events).toEqual(['a']);
    expect(errors).toMatchObject([{ code: 'invalid_payload' }]);
  });

  test('a source that throws has failed, and its message goes only to onError', async () => {
    const { end, errors, events } = await endOf(function* () {
      yield 'a';
      throw new Error('secret');
    });
    expect(end).toMatchObject({
      outcome: 'failed',
      error: { code: 'source_failed', message: 'The source of "answer" failed.' },
    });
    expect(JSON.stringify(end)).not.toContain('secret');
    expect(events).toEqual(['a']);
    expect(errors).toMatchObject([{ message: 'secret' }]);
  });

  test('the message of a LinefeedError with a status below 500 is part of the end', async () => {
    const { end } = await endOf(() => {
      throw new LinefeedError('busy', 'The model has no capacity.', { status: 429 });
    });
    expect(end).toMatchObject({ error: { code: 'busy', message: 'The model has no capacity.' } });
  });

  test('a source that yields an invalid payload has failed, and the payload is not recorded', async () => {
    const { end, events } = await endOf(function* () {
      yield 'a';
      yield 5;
    });
    expect(end).toMatchObject({ outcome: 'failed', error: { code: 'invalid_payload' } });
    expect(events).toEqual(['a']);
  });

  test('an error that a source throws after its stop is not a failure', async () => {
    const world = createRunProcesses();
    const one = world.open();
    await one.start(async function* ({ signal }) {
      yield 'a';
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await world.clock.settle();
    const stopping = one.stop();
    await world.clock.settle();
    expect(await stopping).toMatchObject({ outcome: 'stopped' });
    expect(one.errors).toEqual([]);
  });

  test('the signal does not abort after a source is done', async () => {
    const world = createRunProcesses();
    const source = new ManualSource();
    source.finish();
    await world.open().start(source.open);
    await world.clock.advance(10_000);
    expect(source.calls[0]!.signal.aborted).toBe(false);
  });
});

describe('the close of a feed', () => {
  test('a close waits for running sources during its grace period', async () => {
    const world = createRunProcesses();
    const one = world.open();
    const source = new ManualSource();
    await one.start(source.open);
    const closing = one.runs.close(5_000);
    await world.clock.advance(4_000);
    expect(source.calls[0]!.signal.aborted).toBe(false);
    source.yield('a');
    source.finish();
    await world.clock.settle();
    await closing;
    expect(await world.open().view()).toMatchObject([{ count: 1, end: { outcome: 'done' } }]);
    await world.clock.advance(1_000);
    expect(world.clock.pending).toBe(0);
  });

  test('after the grace period a run without attempts left is lost, with the reason shutdown', async () => {
    const world = createRunProcesses();
    const one = world.open();
    const source = new ManualSource();
    await one.start(source.open);
    source.yield('a');
    const closing = one.runs.close(1_000);
    await world.clock.advance(1_000);
    await closing;
    expect(source.calls[0]!.signal.aborted).toBe(true);
    expect(await world.open().view()).toMatchObject([
      { count: 1, end: { outcome: 'lost', reason: 'shutdown' } },
    ]);
  });

  test('a run with attempts left is released at the close: another process continues it at once', async () => {
    const world = createRunProcesses();
    const one = world.open();
    const [first, second] = [new ManualSource(), new ManualSource()];
    const { run } = await one.start(first.open, { key: 'a', attempts: 2 });
    first.yield('a');
    await world.clock.settle();
    const closing = one.runs.close(0);
    await world.clock.settle();
    await closing;
    const two = world.open();
    expect(await two.start(second.open, { key: 'a' })).toEqual({ run, joined: false, outcome: undefined });
    await world.clock.settle();
    expect(second.calls).toMatchObject([{ attempt: 2, stored: ['a'] }]);
  });

  test('a close does not wait for runs of other processes that a stop or a start waits for', async () => {
    const world = createRunProcesses();
    const calls = world.calls();
    await world.open({}, calls).start(new ManualSource().open, { key: 'a' });
    calls.commit = () => new Promise<never>(() => undefined);
    const two = world.open();
    const waiting = [two.stop(), two.start(new ManualSource().open, { key: 'b', whenBusy: 'replace' })];
    const results = Promise.allSettled(waiting);
    await world.clock.settle();
    const closing = two.runs.close(0);
    await world.clock.settle();
    await closing;
    expect(await results).toMatchObject([
      { status: 'rejected', reason: { code: 'draining', status: 503 } },
      { status: 'rejected', reason: { code: 'draining', status: 503 } },
    ]);
  });

  test('a closed feed starts no run, and a start in flight ends with the close', async () => {
    const world = createRunProcesses();
    const one = world.open();
    const source = new ManualSource();
    const starting = one.start(source.open);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    const closing = one.runs.close(0);
    await world.clock.settle();
    await Promise.all([starting.catch(() => undefined), closing]);
    const views = await world.open().view();
    expect(views.every(({ end }) => end !== undefined)).toBe(true);
    await expect(one.start(source.open)).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('runs of a principal', () => {
  const limits = { maxRunsPerPrincipal: 2 };
  const address = (world: ReturnType<typeof createRunProcesses>) => world.open(limits);

  test('a principal with the maximum of runs starts no other, until one has ended', async () => {
    const world = createRunProcesses();
    const one = address(world);
    const sources = [new ManualSource(), new ManualSource(), new ManualSource()];
    await one.startAt('a', sources[0]!.open, { principal: 'ann' });
    await address(world).startAt('b', sources[1]!.open, { principal: 'ann' });
    const third = () => one.startAt('c', sources[2]!.open, { principal: 'ann' });
    await expect(third()).rejects.toMatchObject({ code: 'too_many_runs', status: 429 });
    expect(await one.startAt('d', new ManualSource().open, { principal: 'bob' })).toMatchObject({
      joined: false,
    });
    sources[0]!.finish();
    await world.clock.settle();
    expect(await third()).toMatchObject({ joined: false });
  });

  test('a principal with the maximum of runs may join and continue its runs', async () => {
    const world = createRunProcesses();
    const one = address(world);
    const options = { principal: 'ann', key: 'a' };
    const { run } = await one.startAt('a', new ManualSource().open, options);
    await one.startAt('b', new ManualSource().open, options);
    expect(await one.startAt('a', new ManualSource().open, options)).toMatchObject({ run, joined: true });
  });

  test('a start that joins takes no slot of its principal', async () => {
    const world = createRunProcesses();
    const one = address(world);
    for (let turn = 0; turn < 5; turn += 1) {
      await one.startAt('a', new ManualSource().open, { principal: 'ann' });
      await world.clock.settle();
    }
    expect(await one.startAt('b', new ManualSource().open, { principal: 'ann' })).toMatchObject({
      joined: false,
    });
  });

  test('the slot of a run whose producer died is free after the run is lost', async () => {
    const world = createRunProcesses();
    const calls = world.calls();
    const dead = world.open(limits, calls);
    await dead.startAt('a', new ManualSource().open, { principal: 'ann' });
    await dead.startAt('b', new ManualSource().open, { principal: 'ann' });
    calls.commit = () => new Promise<never>(() => undefined);
    const two = address(world);
    await world.clock.advance(40_000);
    expect(await two.startAt('c', new ManualSource().open, { principal: 'ann' })).toMatchObject({
      joined: false,
    });
  });

  test('a run that is released at a close keeps its slot', async () => {
    const world = createRunProcesses();
    const [one, two] = [address(world), address(world)];
    const options = { principal: 'ann', key: 'a', attempts: 2 };
    await one.startAt('a', new ManualSource().open, options);
    await two.startAt('b', new ManualSource().open, { principal: 'ann' });
    await world.clock.settle();
    const closing = one.runs.close(0);
    await world.clock.settle();
    await closing;
    const third = new ManualSource();
    expect(await two.startAt('a', third.open, options)).toMatchObject({ joined: false });
    const refused = two.startAt('c', new ManualSource().open, { principal: 'ann' });
    await expect(refused).rejects.toMatchObject({ code: 'too_many_runs' });
    await world.clock.settle();
    third.finish(undefined);
    await world.clock.settle();
    expect(await two.startAt('c', new ManualSource().open, { principal: 'ann' })).toMatchObject({
      joined: false,
    });
  });

  test('50 starts of a principal at once take no more than its slots', async () => {
    const world = createRunProcesses();
    const [one, two] = [address(world), address(world)];
    const starts = Array.from({ length: 50 }, (_, index) =>
      (index % 2 === 0 ? one : two).startAt(`a${index}`, new ManualSource().open, { principal: 'ann' }),
    );
    const results = await Promise.allSettled(starts);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  });
});
