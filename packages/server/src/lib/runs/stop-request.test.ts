import { describe, expect, test } from 'vitest';
import { createRunProcesses, LEASE_MS, ManualSource } from '../../../test-kit/run-processes.ts';
import { MAX_PENDING_STOPS } from './stop-request.ts';

function openTwo() {
  const world = createRunProcesses();
  return { ...world, one: world.open(), two: world.open(), source: new ManualSource() };
}

/** A source that ignores its signal and is never done. */
const stubborn = () => ({
  [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
});

describe('stops', () => {
  test.each([
    ['with hints of the store', true, 0],
    ['without hints of the store', false, 100],
  ])('a stop reaches the producer of another process, %s', async (_, hints, ms) => {
    const { clock, source, ...world } = openTwo();
    const calls = () => (hints ? world.calls() : { ...world.calls(), watch: undefined });
    const [one, two] = [world.open({}, calls() as never), world.open({}, calls() as never)];
    const { run } = await one.start(source.open);
    source.yield('x');
    await clock.settle();
    const stopping = two.stop({ reason: 'user' });
    await clock.advance(2 * ms);
    expect(source.calls[0]!.signal.aborted).toBe(true);
    expect(await stopping).toEqual({ run, outcome: 'stopped' });
    expect(await two.view()).toMatchObject([{ count: 1, end: { outcome: 'stopped', reason: 'user' } }]);
  });

  test('a stop resolves after the end is recorded, also for a source that ignores its signal', async () => {
    const { one, two, clock } = openTwo();
    const { run } = await one.start(stubborn);
    const stopping = two.stop().then(async (stopped) => ({ stopped, view: (await two.view())[0] }));
    await clock.settle();
    expect(await stopping).toMatchObject({ stopped: { run }, view: { end: { outcome: 'stopped' } } });
  });

  test('a stop of an address without a run, and of an unknown run, resolves with undefined', async () => {
    const { one, two, clock, source } = openTwo();
    expect(await one.stop()).toBeUndefined();
    await one.start(source.open);
    expect(await two.stop({ run: '00000000000000000' })).toBeUndefined();
    await clock.settle();
    expect(source.calls[0]!.signal.aborted).toBe(false);
  });

  test('a stop of an older run resolves with its outcome and does not change the running one', async () => {
    const { one, two, clock, source } = openTwo();
    source.finish();
    const { run } = await one.start(source.open, { key: 'a' });
    await clock.settle();
    const next = new ManualSource();
    await one.start(next.open, { key: 'b' });
    await clock.settle();
    expect(await two.stop({ run })).toEqual({ run, outcome: 'done' });
    expect(await two.stop({ key: 'a' })).toEqual({ run, outcome: 'done' });
    expect(next.calls[0]!.signal.aborted).toBe(false);
    expect((await two.view()).at(-1)).toMatchObject({ stop: undefined, end: undefined });
  });

  test('a stop with a key before the start is kept, and the start calls no source', async () => {
    const { one, two, clock, source } = openTwo();
    expect(await two.stop({ key: 'a', reason: 'user' })).toBeUndefined();
    const started = await one.start(source.open, { key: 'a' });
    expect(started).toEqual({ run: expect.any(String), joined: false, outcome: 'stopped' });
    await clock.settle();
    expect(source.calls).toEqual([]);
    expect(await two.view()).toMatchObject([{ count: 0, end: { outcome: 'stopped', reason: 'user' } }]);
    expect(await one.start(source.open, { key: 'a' })).toMatchObject({ joined: true, outcome: 'stopped' });
    expect(await one.start(source.open, { key: 'b' })).toMatchObject({ joined: false, outcome: undefined });
  });

  test('a stop with a key is forgotten after its time, and an address keeps a bounded number', async () => {
    const { one, two, clock } = openTwo();
    await two.stop({ key: 'old', keepMs: 1_000 });
    await clock.advance(1_000);
    expect(await one.start(stubborn, { key: 'old' })).toMatchObject({ joined: false, outcome: undefined });
    await one.stop({ key: 'old' });
    for (let index = 0; index <= MAX_PENDING_STOPS; index += 1) await two.stop({ key: `k${index}` });
    expect(await one.start(stubborn, { key: 'k1' })).toMatchObject({ outcome: 'stopped' });
    expect(await one.start(stubborn, { key: 'k0' })).toMatchObject({ outcome: undefined });
  });

  test('the first of two stops gives the reason, and both resolve with the end', async () => {
    const world = createRunProcesses();
    const calls = world.calls();
    const { commit } = calls;
    const one = world.open({}, calls);
    const { run } = await one.start(stubborn);
    // The producer has not ended its run when the second stop comes.
    let letGo: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    calls.commit = async (key, change) => (await gate, commit(key, change));
    const [two, three] = [world.open(), world.open()];
    const first = two.stop({ reason: 'first' });
    await world.clock.settle();
    const second = three.stop({ reason: 'second' });
    await world.clock.settle();
    expect(await two.view()).toMatchObject([{ stop: { reason: 'first' }, end: undefined }]);
    letGo();
    await world.clock.settle();
    expect([await first, await second]).toEqual([
      { run, outcome: 'stopped' },
      { run, outcome: 'stopped' },
    ]);
    expect(await two.view()).toMatchObject([{ end: { reason: 'first' } }]);
  });

  test('a stop that crosses the end resolves with the outcome of the source', async () => {
    const { one, two, clock, source } = openTwo();
    const { run } = await one.start(source.open);
    source.finish();
    const stopping = two.stop();
    await clock.settle();
    const { end } = (await two.view())[0]!;
    expect(await stopping).toEqual({ run, outcome: end!.outcome });
  });

  test('the stop of a run whose producer is dead renews no lease: the run is lost, and the stop resolves', async () => {
    const world = createRunProcesses();
    const calls = world.calls();
    const dead = world.open({}, calls);
    const { run } = await dead.start(stubborn);
    calls.commit = () => new Promise<never>(() => undefined);
    calls.watch = () => () => undefined;
    await world.clock.advance(LEASE_MS - 500);
    const stopping = world.open().stop({ reason: 'user' });
    await world.clock.advance(499);
    expect((await world.store.load('answer'))!.state).not.toContain('"end"');
    await world.clock.advance(1_001);
    expect(await stopping).toEqual({ run, outcome: 'lost' });
  });

  test('the stop of a run that waits for another attempt ends it at once', async () => {
    const world = createRunProcesses();
    const calls = world.calls();
    const dead = world.open({}, calls);
    const { run } = await dead.start(stubborn, { key: 'a', attempts: 3 });
    calls.commit = () => new Promise<never>(() => undefined);
    await world.clock.advance(LEASE_MS);
    const two = world.open();
    expect(await two.stop({ reason: 'user' })).toEqual({ run, outcome: 'stopped' });
    expect(await two.start(stubborn, { key: 'a' })).toMatchObject({ joined: true, outcome: 'stopped' });
  });

  test('a run whose stop was requested gets no further attempt', async () => {
    const world = createRunProcesses();
    const calls = world.calls();
    const dead = world.open({}, calls);
    const { run } = await dead.start(stubborn, { key: 'a', attempts: 3 });
    calls.commit = () => new Promise<never>(() => undefined);
    const two = world.open();
    const stopping = two.stop({ reason: 'user' });
    await world.clock.advance(LEASE_MS + 1_000);
    expect(await stopping).toEqual({ run, outcome: 'lost' });
    expect(await two.start(stubborn, { key: 'a' })).toMatchObject({ joined: true, outcome: 'lost' });
  });

  test('a stop rejects when the end is not recorded in time', async () => {
    const world = createRunProcesses();
    const calls = world.calls();
    await world.open({}, calls).start(stubborn);
    calls.commit = () => new Promise<never>(() => undefined);
    const request = { run: undefined, key: undefined, reason: undefined, keepMs: 1 };
    const stopping = world.open().runs.stop('answer', request, 50);
    const failed = expect(stopping).rejects.toMatchObject({ code: 'timeout', status: 503 });
    await world.clock.advance(50);
    await failed;
  });
});
