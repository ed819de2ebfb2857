import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { HELLO } from '../../../test/frames.ts';
import { createScript } from '../../../test/scripted-client.ts';
import { readControl } from './control-frame.ts';

const GAP = { address: 'a', from: '', to: 'e.5', reason: 'trimmed' };
const RUN = { address: 'a', run: 'x', attempt: 1, startedAt: 5 };
const REFUSED = { address: 'a', code: 'forbidden', message: 'No.', retryable: false };

describe('control frames', () => {
  for (const [name, body] of [
    ['hello', HELLO],
    ['hello', { ...HELLO, pingMs: 0, timeoutMs: 0 }],
    ['subscribed', { address: 'a', event: 'a', key: '1', n: 1, cursor: 'e.0', tail: 'e.0', rewind: true }],
    ['subscribed', { address: 'r~1', event: 'r~1' }],
    ['subscribed', { address: 'r', event: 'r', run: { cursor: 'x.0' } }],
    ['subscribed', { address: 'r', event: 'r', run: { cursor: 'x.3.end', tail: 'x.3.end' } }],
    ['caughtup', { address: 'a' }],
    ['gap', GAP],
    ['error', { ...REFUSED, detail: { any: 1 } }],
    ['end', { address: 'a', key: '1', n: 2 }],
    ['run', RUN],
    ['end', { address: 'a', run: 'x', outcome: 'done', result: null }],
    ['reconnect', { afterMs: 0, reason: 'drain' }],
    ['ping', {}],
    ['bookmark', {}],
    ['of-a-later-version', { address: 5 }],
  ] as const) {
    it(`readControl accepts ${name} ${JSON.stringify(body)}`, () => {
      expect(readControl(name, JSON.stringify(body))).toEqual(body);
    });
  }

  for (const [name, ...bodies] of [
    [
      'hello',
      '{',
      'null',

      '{"protocol":1}',
      { ...HELLO, connection: 1 },
      { ...HELLO, timeoutMs: '35' },
    ],
    ['hello', { ...HELLO, pingMs: -1 }, JSON.stringify(HELLO).replace('15000', '1e999')],
    ['subscribed', '{}', { address: 'a' }, { address: 'a', event: 1 }, { address: 'a', event: 'a', n: '1' }],
    ['subscribed', { address: 'a', event: 'a', cursor: 'no' }, { address: 'a', event: 'a', tail: null }],
    ['caughtup', '{}'],
    ['gap', { ...GAP, to: undefined }, { ...GAP, to: '' }, { ...GAP, to: 5 }, { ...GAP, address: undefined }],
    ['error', { ...REFUSED, retryable: 'no' }, { ...REFUSED, code: undefined }, { ...REFUSED, key: 1 }],
    ['run', { ...RUN, run: undefined }, { ...RUN, attempt: '1' }, { ...RUN, startedAt: null }],
    ['subscribed', { address: 'a', event: 'a', run: {} }, { address: 'a', event: 'a', run: null }],
    ['subscribed', { address: 'a', event: 'a', run: { cursor: 'x.0', tail: 5 } }],
    ['end', '{}', 'null', { address: 'a', run: 5 }],
    ['reconnect', '{}', { afterMs: 'soon', reason: 'x' }, { afterMs: -1, reason: 'x' }, { afterMs: 1 }],
  ] as const) {
    for (const body of bodies) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      it(`readControl refuses ${name} ${text}`, () => {
        expect(() => readControl(name, text)).toThrow();
      });
    }
  }

  it('a malformed reconnect frame counts as a failure, so the next attempt waits', async () => {
    const script = createScript({ connectTimeoutMs: 1_000_000 });
    await script.request('a');
    for (let round = 0; round < 20; round += 1) {
      script.last().hello('e.1');
      script.last().send(FRAME.reconnect, { afterMs: 'soon', reason: 'x' });
      await script.clock.advance(10);
    }
    expect(script.attempts).toHaveLength(1);
    expect(script.state()).toMatchObject({
      state: 'reconnecting',
      reason: 'protocol',
    });
  });

  for (const [name, spoil] of [
    ['a gap frame without `to`', { event: FRAME.gap, payload: { address: 'a', reason: 'trimmed' }, id: '' }],
    ['a stream id with invalid percent-encoding', { event: 'r~2', payload: 1, id: 'e.2~%zz' }],
  ] as const) {
    it(`the committed cursor still advances after ${name}`, async () => {
      const script = createScript();
      script.listen('a');
      script.listen('r');
      const accept = async () => {
        await script.clock.advance(1_000);
        script.last().hello('e.1');
        script.last().subscribed('a', 1);
        script.last().acceptStream('r', '2');
      };
      await accept();
      script.last().send(spoil.event, spoil.payload, spoil.id);
      if (script.attempts.length === 1 && name.startsWith('a gap')) await accept();
      script.last().send('a', 1, 'e.9.1');
      await script.settle();
      expect(script.client.cursor).toBe('e.9');
    });
  }
});
