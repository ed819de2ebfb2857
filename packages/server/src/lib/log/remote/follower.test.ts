import { describe, expect, it } from 'vitest';
import {
  appendOne,
  createGate,
  follow,
  read,
  RemoteBench,
  valuesOf,
  watch,
} from '../../../../test-kit/remote-bench.ts';

/** A process that follows, and another one that writes. */
async function createFollowed() {
  const bench = new RemoteBench();
  const [one, other] = [await bench.open(), await bench.open()];
  await bench.append(other.log, 1);
  await one.log.newest();
  const following = follow(one.log);
  await bench.clock.settle();
  return { bench, one, other, following, ...following };
}

describe('the tail of a remote log', () => {
  it('nothing polls without listeners, and one loop follows for all of them', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    await bench.clock.advance(60_000);
    expect([store.calls.follow, bench.clock.pending]).toEqual([0, 0]);
    const followings = [follow(log), follow(log), follow(log)];
    await bench.clock.settle();
    expect(store.calls.follow).toBe(1);
    await bench.append(log, 1);
    expect(followings.map(({ told }) => told)).toEqual([[1], [1], [1]]);
    for (const { close } of followings) close();
    const calls = store.calls.follow;
    await bench.clock.advance(60_000);
    expect(store.calls.follow).toBeLessThanOrEqual(calls + 1);
    expect(bench.clock.pending).toBe(0);
  });

  it('a listener that starts ahead of the tail gets only later events', async () => {
    const { bench, one, told } = await createFollowed();
    const gate = createGate();
    one.store.before = (call) => (call === 'follow' ? gate.opened : undefined);
    await bench.clock.advance(2_000);
    const last = await bench.append(one.log, 2);
    const later = follow(one.log);
    expect(later.start.position).toBe(last.position);
    void appendOne(one.log, 3);
    await bench.clock.settle();
    gate.open();
    await bench.clock.settle();
    expect(told).toEqual([2, 3]);
    expect(later.told).toEqual([3]);
  });

  it('an outage is reported once, and the tail continues by itself afterwards', async () => {
    const { bench, one, other, told } = await createFollowed();
    bench.server.stop();
    await bench.clock.advance(30_000);
    expect(told).toMatchObject([{ code: 'log_failed', retryable: true }]);
    expect(one.log.available).toBe(false);
    bench.server.start();
    await bench.append(other.log, 2);
    await bench.clock.advance(2_000);
    expect(told.slice(1)).toEqual([2]);
    expect(one.log.available).toBe(true);
    bench.server.stop();
    await bench.clock.advance(10_000);
    expect(told.length).toBe(3);
  });

  it('a silent connection is replaced after the wait and 2 s, and no event is missed', async () => {
    const { bench, one, other, told } = await createFollowed();
    await bench.clock.advance(2_000);
    one.store.after = (call) => (call === 'follow' ? new Promise<void>(() => undefined) : undefined);
    await bench.append(other.log, 2);
    await bench.clock.advance(1_000);
    one.store.after = () => undefined;
    await bench.clock.advance(2_999);
    expect(one.store.reconnects).toBe(0);
    await bench.clock.advance(200);
    expect(one.store.reconnects).toBe(1);
    await bench.clock.advance(2_000);
    expect(told).toEqual([expect.objectContaining({ code: 'log_failed' }), 2]);
  });

  it('a lost tail that was refilled before this process looked is a rollback', async () => {
    const { bench, one, other, told } = await createFollowed();
    const backup = bench.server.backUp();
    await bench.append(other.log, 'lost');
    expect(told).toEqual(['lost']);
    const { epoch } = one.log;
    const gate = createGate();
    one.store.before = (call) => (call === 'follow' ? gate.opened : undefined);
    await bench.clock.advance(2_000);
    await other.log.close!();
    bench.server.restore(backup);
    const writer = await bench.open();
    await bench.append(writer.log, 'other');
    await bench.append(writer.log, 'later');
    gate.open();
    await bench.clock.settle();
    expect(told).toEqual(['lost', 'rollback']);
    expect(one.log.epoch).not.toBe(epoch);
    await bench.append(writer.log, 'next');
    expect(told).toEqual(['lost', 'rollback', 'next']);
  });

  it('an own append that was lost before the tail brought it is a rollback, before any event in its place', async () => {
    const { bench, one, other, told } = await createFollowed();
    const backup = bench.server.backUp();
    const gate = createGate();
    one.store.before = (call) => (call === 'follow' ? gate.opened : undefined);
    await other.log.close!();
    one.store.after = (call) => (call === 'follow' ? Promise.reject(new Error('ECONNRESET')) : undefined);
    await bench.append(one.log, 'lost');
    bench.server.restore(backup);
    const writer = await bench.open();
    await bench.append(writer.log, 'in its place');
    one.store.after = () => undefined;
    gate.open();
    await bench.clock.advance(100);
    expect(told.filter((one) => typeof one === 'string')).toEqual(['rollback']);
  });

  it('an own append that was lost is noticed although nothing is appended in its place', async () => {
    const { bench, one, other, told } = await createFollowed();
    await other.log.close!();
    const backup = bench.server.backUp();
    one.store.after = (call) => (call === 'follow' ? Promise.reject(new Error('ECONNRESET')) : undefined);
    await bench.append(one.log, 'lost');
    bench.server.restore(backup);
    one.store.after = () => undefined;
    await bench.clock.advance(10_000);
    expect(told.filter((one) => typeof one === 'string')).toEqual(['rollback']);
  });

  it('own values that are superseded before the tail brings them cause no rollback', async () => {
    const { bench, one, told } = await createFollowed();
    const gate = createGate();
    one.store.before = (call) => (call === 'follow' ? gate.opened : undefined);
    await bench.clock.advance(2_000);
    for (const n of [2, 3, 4]) {
      void one.log.append([{ address: 'p', data: `${n}`, keep: 'latest' }]);
      await bench.clock.settle();
    }
    gate.open();
    await bench.clock.advance(2_000);
    expect(told).toEqual([4]);
  });

  it('an append whose answer arrives after a change of the numbering does not move it back', async () => {
    const { bench, one, other, told } = await createFollowed();
    const gate = createGate();
    const backup = bench.server.backUp();
    one.store.after = (call) => (call === 'append' ? gate.opened : undefined);
    const appended = watch(appendOne(one.log, 'lost'));
    await bench.clock.settle();
    const { epoch } = one.log;
    expect(told).toEqual(['lost']);
    bench.server.restore(backup);
    await bench.clock.settle();
    expect(told).toEqual(['lost', 'rollback']);
    gate.open();
    await bench.clock.settle();
    expect(appended.value).toMatchObject({ epoch });
    expect(one.log.epoch).not.toBe(epoch);
    await bench.append(other.log, 'next');
    expect(told).toEqual(['lost', 'rollback', 'next']);
    expect(one.log.epoch).toBe(other.log.epoch);
  });

  it('a page that was requested before a change of the numbering names the old epoch, and changes nothing', async () => {
    const { bench, one, other, told } = await createFollowed();
    const backup = bench.server.backUp();
    await bench.append(other.log, 'lost');
    const gate = createGate();
    one.store.after = (call) => (call === 'read' ? gate.opened : undefined);
    const { epoch } = one.log;
    const page = watch(Promise.resolve(read(one.log)));
    await bench.clock.settle();
    bench.server.restore(backup);
    await bench.clock.settle();
    gate.open();
    await bench.clock.settle();
    expect(page.value).toMatchObject({ epoch });
    expect(one.log.epoch).not.toBe(epoch);
    expect(told).toEqual(['lost', 'rollback']);
  });

  it('a tail answer that arrives after a change of the numbering is not delivered', async () => {
    const { bench, one, other, told } = await createFollowed();
    const backup = bench.server.backUp();
    const gate = createGate();
    one.store.after = (call) => (call === 'follow' ? gate.opened : undefined);
    await bench.append(other.log, 'lost');
    await one.log.newest();
    bench.server.restore(backup);
    await bench.append(one.log, 'new');
    expect(told).toEqual(['rollback']);
    one.store.after = () => undefined;
    gate.open();
    await bench.clock.settle();
    expect(told).toEqual(['rollback', 'new']);
  });

  it('an older log that returns with an epoch that was left gets a new epoch', async () => {
    const { bench, one, other, told } = await createFollowed();
    const old = bench.server.backUp();
    await bench.append(other.log, 'lost');
    const { epoch } = one.log;
    bench.server.rollBack((await read(other.log)).events[0]!.position);
    await bench.clock.settle();
    const second = one.log.epoch;
    bench.server.restore(old);
    await bench.clock.advance(2_000);
    expect(told).toEqual(['lost', 'rollback', 'rollback']);
    expect([epoch, second]).not.toContain(one.log.epoch);
    expect(bench.server.epoch).toBe(one.log.epoch);
    await bench.append(other.log, 'next');
    expect(told.at(-1)).toBe('next');
  });

  it('a log that was deleted is created again, and the tail is reset once', async () => {
    const { bench, one, other, told } = await createFollowed();
    bench.server.restore(undefined);
    await bench.clock.advance(2_000);
    expect(told).toEqual(['epoch']);
    await bench.append(other.log, 'new');
    expect(told).toEqual(['epoch', 'new']);
    expect(valuesOf((await read(one.log)).events)).toEqual(['new']);
  });
});
