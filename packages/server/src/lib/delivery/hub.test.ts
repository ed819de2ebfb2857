import { BEGINNING } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import { ScriptedLog } from '../../../test-kit/scripted-log.ts';
import { Hub } from './hub.ts';
import type { TailListener } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { coreOf } from '../feed/feed.ts';

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe('the hub', () => {
  it('the hub drops the frames of a tick after it has written them', async () => {
    const { feed, open, clock } = createBench();
    await open('/events/notice');
    const { hub } = coreOf(feed);
    const { emptyBatch } = hub;
    await feed.publish('notice', { text: 'a' });
    expect(hub.emptyBatch).toBe(emptyBatch);
    await clock.settle();
    expect(hub.emptyBatch).not.toBe(emptyBatch);
  });

  it('a page is encoded again when the epoch changes within the tick', async () => {
    const log = memoryLog();
    await log.append([{ address: 'a', data: '1', keep: 'all' }]);
    let epoch = 'old';
    let told!: TailListener;
    const hub = new Hub({
      log: {
        get epoch() {
          return epoch;
        },
        append: (entries) => log.append(entries),
        read: (query) => log.read(query),
        newest: () => log.newest(),
        tail: (listener) => ({ ...log.tail((told = listener)), start: { epoch, position: BEGINNING } }),
      },
      clock: createManualClock(),
      onError: () => undefined,
    });
    const { events } = await log.read({
      after: BEGINNING,
      addresses: new Map([['a', BEGINNING]]),
      limit: 9,
      maxBytes: 1_024,
    });
    expect(textOf(hub.pages.encode(events))).toMatch(/^id: old\.1/);
    epoch = 'new';
    told.onReset('epoch', { ...(await log.newest()), epoch });
    expect(textOf(hub.pages.encode(events))).toMatch(/^id: new\.1/);
    hub.close();
  });

  it('a cached page is read again after hub.changed(), even if every tick requests it', async () => {
    const log = memoryLog();
    const clock = createManualClock();
    const hub = new Hub({ log, clock, onError: () => undefined });
    const read = (): unknown => hub.pages.read(BEGINNING, new Map([['a', BEGINNING]]));
    await log.append([{ address: 'a', data: '1', keep: 'all' }]);
    const page = read();
    expect(read()).toBe(page);
    const changed = hub.changed();
    expect(read()).not.toBe(page);
    await clock.advance(10);
    await changed;
    hub.close();
    expect(clock.pending).toBe(0);
  });

  it('hub.changed() resolves at the next event, at the next log reset and when the hub closes', async () => {
    const log = new ScriptedLog();
    const clock = createManualClock();
    const hub = new Hub({ log, clock, onError: () => undefined });
    for (const act of [
      () => void log.append([{ address: 'a', data: '1', keep: 'all' }]),
      () => log.startAnew(),
      () => hub.close(),
    ]) {
      const changed = hub.changed();
      expect(clock.pending).toBe(1);
      act();
      await changed;
      expect(clock.pending).toBe(0);
    }
  });
});
