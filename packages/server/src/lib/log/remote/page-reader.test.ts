import { BEGINNING } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createGate, follow, read, RemoteBench, valuesOf, watch } from '../../../../test-kit/remote-bench.ts';
import type { ReadPage } from '../log.ts';

describe('the pages of a remote log', () => {
  it('5,000 readers of recent events make no call of the server', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    const { start } = follow(log);
    for (let n = 0; n < 20; n += 1) await bench.append(log, n);
    for (let reader = 0; reader < 5_000; reader += 1) {
      const page = read(log, start.position);
      expect('then' in page).toBe(false);
      if (reader === 0) expect((page as ReadPage).events.length).toBe(20);
    }
    expect(store.calls.read).toBe(0);
  });

  it('a page from before the recent events comes from the server', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    await bench.append(log, 'old');
    follow(log);
    await bench.append(log, 'new');
    expect(valuesOf((await read(log)).events)).toEqual(['old', 'new']);
    expect(store.calls.read).toBe(1);
  });

  it('a page that is read after an append includes it, although the tail has not brought it', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    const { start } = follow(log);
    await bench.append(log, 1);
    store.after = (call) => (call === 'follow' ? new Promise<void>(() => undefined) : undefined);
    await bench.clock.advance(2_000);
    await bench.append(log, 2);
    expect(valuesOf((await read(log, start.position)).events)).toEqual([1, 2]);
    expect(store.calls.read).toBe(1);
  });

  it('the server performs at most 16 reads at once, in FIFO order, and equal ones once', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    await bench.append(log, 1);
    let running = 0;
    let most = 0;
    const gate = createGate();
    store.before = async (call) => {
      if (call !== 'read') return;
      running += 1;
      most = Math.max(most, running);
      await gate.opened;
    };
    store.after = () => void (running -= 1);
    const answered: string[] = [];
    const reads = Array.from({ length: 1_000 }, (_, reader) => {
      const address = `a${reader % 100}`;
      return Promise.resolve(read(log, BEGINNING, address)).then(() => answered.push(address));
    });
    await bench.clock.settle();
    expect([most, store.calls.read]).toEqual([16, 16]);
    gate.open();
    await bench.clock.settle();
    await Promise.all(reads);
    expect([most, store.calls.read]).toEqual([16, 100]);
    expect([...new Set(answered)]).toEqual(Array.from({ length: 100 }, (_, n) => `a${n}`));
  });

  it('a page waits while the server is away, and is rejected when the log is closed', async () => {
    const bench = new RemoteBench();
    const { log } = await bench.open();
    await bench.append(log, 1);
    bench.server.stop();
    const page = watch(Promise.resolve(read(log)));
    await bench.clock.advance(60_000);
    expect(page).toEqual({});
    bench.server.start();
    await bench.clock.advance(2_000);
    expect(valuesOf(page.value!.events)).toEqual([1]);
    bench.server.stop();
    const later = watch(Promise.resolve(read(log)));
    await bench.clock.settle();
    await log.close!();
    await bench.clock.settle();
    expect(later.error).toMatchObject({ code: 'log_failed' });
    expect(bench.clock.pending).toBe(0);
  });
});

describe('log.contains()', () => {
  it('a position that the tail has brought is recognised without a call of the server', async () => {
    const bench = new RemoteBench();
    const { log, store } = await bench.open();
    const { start } = follow(log);
    const { position } = await bench.append(log, 1);
    await bench.append(log, 2);
    expect([BEGINNING, start.position, position].map((one) => log.contains!(one))).toEqual([
      true,
      true,
      true,
    ]);
    expect(log.contains!(`${position.slice(0, -4)}....`)).toBe(false);
    expect(log.contains!('5')).toBe(false);
    expect(store.calls.contains).toBe(0);
  });

  it('the server is asked about a position that the tail has not brought', async () => {
    const bench = new RemoteBench();
    const first = await bench.open();
    const { position } = await bench.append(first.log, 1);
    await bench.append(first.log, 2);
    const { log, store } = await bench.open();
    follow(log);
    expect(await log.contains!(position)).toBe(true);
    expect(await log.contains!(`1${position.slice(1) === 'zzzz' ? 'yyyy' : 'zzzz'}`)).toBe(false);
    expect(store.calls.contains).toBe(2);
  });

  it('a client that continues past the tail from an event that is then lost gets a rollback', async () => {
    const bench = new RemoteBench();
    const [one, other] = [await bench.open(), await bench.open()];
    const { told } = follow(one.log);
    const gate = createGate();
    one.store.before = (call) => (call === 'follow' ? gate.opened : undefined);
    const backup = bench.server.backUp();
    const { position } = await bench.append(other.log, 'lost');
    expect(await one.log.contains!(position)).toBe(true);
    await other.log.close!();
    bench.server.restore(backup);
    const writer = await bench.open();
    await bench.append(writer.log, 'in its place');
    gate.open();
    await bench.clock.settle();
    expect(told).toEqual(['rollback']);
  });
});
