import { describe, expect, it } from 'vitest';
import { Tap } from '../../../test-kit/tap.ts';
import { Batch, type Frame } from '../delivery/batch.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { Outbox } from './outbox.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const frameOf = (text: string, position = '1'): Frame => ({ position, bytes: encoder.encode(text) });
const textsOf = (tap: Tap): string[] => tap.writes.map((bytes) => decoder.decode(bytes));

interface Given {
  readonly outbox: Outbox;
  readonly tap: Tap;
  /** Number of flushes that the outbox has scheduled. */
  scheduled(): number;
}

function createOutbox(tap = new Tap(), emptyBatch = new Batch()): Given {
  let scheduled = 0;
  const outbox: Outbox = new Outbox(
    tap,
    {
      onDrain: () => outbox.wake(),
      onClose: () => undefined,
      onBroken: () => undefined,
      onOverflow: () => undefined,
    },
    {
      clock: createManualClock(),
      hub: { emptyBatch, schedule: () => void (scheduled += 1) },
      limits: { pingMs: Infinity, stallTimeoutMs: Infinity, maxBufferedBytes: 10 },
      counters: { framesOut: 0, bytesOut: 0, bufferedHighWater: 0 },
    },
  );
  outbox.listen();
  return { outbox, tap, scheduled: () => scheduled };
}

describe('an outbox', () => {
  it('an outbox writes text and frames in the order in which they were queued', () => {
    const { outbox, tap } = createOutbox();
    outbox.queueText('a');
    outbox.queueText('b');
    outbox.queueFrame(frameOf('1'));
    outbox.queueFrame(frameOf('2'));
    outbox.queueText('c');
    outbox.queueFrame(frameOf('3'));
    expect(tap.writes).toEqual([]);
    outbox.flush();
    expect(textsOf(tap)).toEqual(['ab', '12', 'c', '3']);
    outbox.flush();
    expect(tap.writes).toHaveLength(4);
  });

  it('an outbox schedules one flush for everything that is queued in a tick', () => {
    const { outbox, scheduled } = createOutbox();
    outbox.queueFrame(frameOf('1'));
    outbox.queueText('a');
    outbox.queueFrame(frameOf('2'));
    expect(scheduled()).toBe(1);
    outbox.flush();
    outbox.queueText('b');
    expect(scheduled()).toBe(2);
  });

  it('outboxes that queue the same frames write the same array, whatever text comes before and after', () => {
    const emptyBatch = new Batch();
    const frames = [frameOf('1'), frameOf('2')];
    const [first, second] = ['a', 'b'].map((name) => {
      const { outbox, tap } = createOutbox(new Tap(), emptyBatch);
      outbox.queueText(name);
      for (const frame of frames) outbox.queueFrame(frame);
      outbox.queueText(name);
      outbox.flush();
      return tap;
    });
    expect([first, second].map((tap) => textsOf(tap!))).toEqual([
      ['a', '12', 'a'],
      ['b', '12', 'b'],
    ]);
    expect(first!.writes[1]).toBe(second!.writes[1]);
  });

  it('bytes of a page are written at once, after the whole queue', () => {
    const { outbox, tap } = createOutbox();
    outbox.queueFrame(frameOf('1'));
    outbox.queueText('a');
    outbox.write(encoder.encode('page'));
    expect(textsOf(tap)).toEqual(['1', 'a', 'page']);
  });

  it('text makes an outbox flush when the queued frames already fill the room', () => {
    const { outbox, tap } = createOutbox(new Tap({ roomBytes: 8 }));
    outbox.queueFrame(frameOf('12345678'));
    expect([outbox.hasRoom, tap.writes.length]).toEqual([true, 0]);
    outbox.queueText('a');
    expect([outbox.hasRoom, textsOf(tap)]).toEqual([false, ['12345678', 'a']]);
  });

  it('an outbox takes live frames up to the bound of bytes that wait in the sink and in the queue', () => {
    const { outbox, tap } = createOutbox(new Tap({ roomBytes: 1 }));
    outbox.write(encoder.encode('1234'));
    const queued = ['56', '78901', '78', '', '9', '01'].map((text) => outbox.queueFrame(frameOf(text)));
    expect(queued).toEqual([true, false, true, true, true, false]);
    outbox.flush();
    expect(textsOf(tap).join('')).toBe('123456789');
    tap.drain();
    expect([outbox.bufferedBytes, outbox.queueFrame(frameOf('1234567890'))]).toEqual([0, true]);
  });

  it('an outbox takes one live frame over the bound if no other bytes wait', () => {
    const { outbox } = createOutbox();
    expect(['12345678901', ''].map((text) => outbox.queueFrame(frameOf(text)))).toEqual([true, false]);
    const other = createOutbox().outbox;
    other.queueText('a');
    expect(other.queueFrame(frameOf('1234567890'))).toBe(false);
    expect(other.queueFrame(frameOf('123456789'))).toBe(true);
  });

  it('drained() waits for the reader if the queue fills the room', async () => {
    const { outbox, tap } = createOutbox(new Tap({ roomBytes: 4 }));
    outbox.queueFrame(frameOf('1234'));
    expect(outbox.writable).toBe(false);
    let isDrained = false;
    const drained = outbox.drained().then(() => (isDrained = true));
    await Promise.resolve();
    expect([isDrained, textsOf(tap)]).toEqual([false, ['1234']]);
    tap.drain();
    await drained;
    expect(outbox.writable).toBe(true);
  });

  it('the last id of an outbox is the last one that was queued, of a frame or of the caller', () => {
    const { outbox } = createOutbox();
    const lastIds = [
      () => outbox.queueFrame(frameOf('a', '1')),
      () => outbox.queueText('b'),
      () => (outbox.lastId = '2'),
      () => outbox.queueFrame(frameOf('c', '3')),
      () => outbox.flush(),
    ].map((act) => {
      act();
      return outbox.lastId;
    });
    expect(lastIds).toEqual(['1', '1', '2', '3', '3']);
  });

  it('the end of a response follows everything that is queued, and nothing is written after it', () => {
    const { outbox, tap } = createOutbox(new Tap({ roomBytes: 100, endsWhenDrained: true }));
    outbox.queueText('a');
    outbox.queueFrame(frameOf('1'));
    outbox.end();
    outbox.write(encoder.encode('late'));
    expect([textsOf(tap), tap.ended]).toEqual([['a', '1'], true]);
  });

  it('a discarded queue is not written', () => {
    const { outbox, tap } = createOutbox();
    outbox.queueText('a');
    outbox.queueFrame(frameOf('1'));
    outbox.discard();
    outbox.flush();
    expect([tap.writes, outbox.bufferedBytes]).toEqual([[], 0]);
  });
});
