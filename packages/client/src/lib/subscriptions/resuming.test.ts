import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { createScript, type Script } from '../../../test/scripted-client.ts';

async function breakOff(script: Script): Promise<void> {
  script.last().lose();
  await script.clock.advance(500);
}

function listen(script: Script, topic: string, options: object = {}): unknown[] {
  const got: unknown[] = [];
  script.client.subscribe(topic, (payload: unknown) => got.push(payload), options);
  return got;
}

async function connect(script: Script, ...topics: string[]): Promise<void> {
  await script.settle();
  script.last().hello('e.5');
  for (const topic of topics) script.last().subscribed(topic, 5);
}

describe('the connection cursor', () => {
  it('a reconnecting client sends the newest id as its cursor, and no from', async () => {
    const script = createScript();
    listen(script, 'a');
    listen(script, 'b');
    await connect(script, 'a', 'b');
    script.last().send('a', 1, 'e.6.0');
    script.last().send('b', 1, 'e.a.0');
    await breakOff(script);
    expect(script.last().opening).toMatchObject({
      cursor: 'e.a',
      entries: [{ address: 'a' }, { address: 'b' }],
    });
    expect(script.last().opening.entries.some(({ from }) => from !== undefined)).toBe(false);
  });

  it('a bookmark with an older position does not move the connection cursor back', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    script.last().send('a', 1, 'e.9.5');
    script.last().send(FRAME.bookmark, {}, 'e.7');
    expect(script.client.cursor).toBe('e.9');
    script.last().lose();
    await script.clock.advance(500);
    expect(script.last().opening.cursor).toBe('e.9');
  });

  it('the connection cursor advances with bookmarks, stream ids, and events without a subscription', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    const cursorAfter = async (event: string, id: string) => {
      script.last().send(event, {}, id);
      await breakOff(script);
      const { cursor } = script.last().opening;
      script.last().hello(cursor);
      script.last().subscribed('a', Number(cursor?.slice(2)));
      await script.clock.advance(10_000);
      return cursor;
    };
    expect(await cursorAfter(FRAME.bookmark, 'e.7')).toBe('e.7');
    expect(await cursorAfter('report~9', 'e.8~1')).toBe('e.8');
    expect(await cursorAfter('other', 'e.9.0')).toBe('e.9');
    expect(await cursorAfter('other', 'e.6.0')).toBe('e.9');
  });

  it('an address that was never accepted starts from now after a reconnection', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    listen(script, 'b');
    await breakOff(script);
    expect(script.last().opening.entries).toContainEqual({ address: 'b', key: '2', from: 'now' });
  });

  it('the connection cursor is not sent when no address shares it any more', async () => {
    const script = createScript();
    const stop = script.client.subscribe('a', () => {});
    await connect(script, 'a');
    listen(script, 'b');
    stop();
    await script.clock.advance(1_000);
    await breakOff(script);
    expect(script.last().opening).toEqual(
      expect.objectContaining({ cursor: undefined, entries: [{ address: 'b', key: '2' }] }),
    );
  });

  it('the cursor of an earlier connection is not used for a connection on which no address shares it', async () => {
    const script = createScript();
    const stop = script.client.subscribe('a', () => {});
    await connect(script, 'a');
    script.last().send('a', 9, 'e.9.5');
    listen(script, 'b', { from: 'old.1', onGap: () => {} });
    stop();
    await script.clock.advance(1_000);
    await breakOff(script);
    script.last().hello();
    script.last().subscribed('b', 3);
    script.last().send(FRAME.gap, { address: 'b', from: 'old.1', to: 'e.3', reason: 'epoch' });
    // The connection ends before the bookmark with its new position.
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening).toMatchObject({
      cursor: undefined,
      entries: [{ address: 'b', from: 'e.3' }],
    });
  });

  it('an event that is delivered again after a reconnection is dropped', async () => {
    const script = createScript();
    const got = listen(script, 'a');
    await connect(script, 'a');
    script.last().send('a', 6, 'e.6.0');
    script.last().send('a', 7, 'e.7.6');
    await breakOff(script);
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    for (const position of [6, 7, 8]) script.last().send('a', position, `e.${position}.${position - 1}`);
    expect(got).toEqual([6, 7, 8]);
  });

  it('a stream resumes from its own last id', async () => {
    const script = createScript();
    listen(script, 'report');
    await script.settle();
    script.last().hello();
    script.last().send(FRAME.subscribed, { address: 'report~1', event: 'report~1', key: '1' });
    script.last().send('report~1', 1, '~a%2Fb');
    await breakOff(script);
    expect(script.last().opening.entries).toEqual([{ address: 'report', from: '~a%2Fb', key: '1' }]);
  });

  it('a subscription sends its from, and encodes one that looks like a stream marker', async () => {
    const script = createScript();
    for (const from of ['earliest', 'e.7', 'step 1', '~!', 'now']) listen(script, 'a', { from });
    await script.settle();
    expect(script.last().opening.entries.map((entry) => entry.from)).toEqual([
      'earliest',
      'e.7',
      'step 1',
      '~%7E!',
      'now',
    ]);
  });
});

describe('two subscriptions to a stream before its first acceptance', () => {
  for (const [name, options] of [
    ['the first', [{ restart: true }, {}]],
    ['the second', [{}, { restart: true }]],
  ] as const) {
    it(`a stream without ids runs again only for ${name} subscription, which set restart`, async () => {
      const script = createScript();
      for (const option of options) listen(script, 'r', option);
      await script.settle();
      script.last().hello('e.0');
      script.last().send(FRAME.subscribed, { address: 'r~1', event: 'r~1', key: '1' });
      await script.settle();
      script.last().send(FRAME.subscribed, { address: 'r~2', event: 'r~2', key: '2', n: 1 });
      for (const event of ['r~1', 'r~2']) script.last().send(event, 1, 'e.0~');
      await breakOff(script);
      expect(script.last().opening.entries).toEqual(
        options.map((option, index) => ({
          address: 'r',
          key: `${index + 1}`,
          ...(!('restart' in option) && { from: '~' }),
        })),
      );
    });
  }

  it('a stream without ids does not run again when the subscription that set restart has left', async () => {
    const script = createScript();
    const stop = script.client.subscribe('r', () => {}, { restart: true });
    listen(script, 'r');
    await script.settle();
    stop();
    script.last().hello('e.0');
    script.last().send(FRAME.subscribed, { address: 'r~1', event: 'r~1', key: '1' });
    script.last().send('r~1', 1, 'e.0~');
    await breakOff(script);
    expect(script.last().opening.entries).toEqual([{ address: 'r', key: '1', from: '~' }]);
  });
});

describe('addresses with their own position', () => {
  it('an address in a rewind keeps its own position until it has caught up', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    const past = listen(script, 'b', { from: 'earliest' });
    await script.settle();
    script.last().subscribed('b', 0, { rewind: true, n: 1, tail: 'e.5' });
    script.last().send('b', 1, 'e.1.0');
    script.last().send('b', 2, 'e.2.1');
    await breakOff(script);
    expect(script.last().opening).toMatchObject({
      cursor: 'e.5',
      entries: [
        { address: 'b', from: 'e.2' },
        { address: 'a', key: '1' },
      ],
    });
    script.last().hello('e.5');
    script.last().subscribed('b', 2, { rewind: true });
    script.last().subscribed('a', 5);
    script.last().send('b', 3, 'e.3.2');
    script.last().send(FRAME.caughtup, { address: 'b' });
    script.last().send('b', 6, 'e.6.3');
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening.cursor).toBe('e.6');
    expect(script.last().opening.entries.some(({ from }) => from !== undefined)).toBe(false);
    expect(past).toEqual([1, 2, 3, 6]);
  });

  it('an address keeps its position when the connection is lost before it is accepted again', async () => {
    const script = createScript();
    listen(script, 'a');
    listen(script, 'b');
    await connect(script, 'a', 'b');
    await breakOff(script);
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().send('a', 9, 'e.9.5');
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening).toMatchObject({
      cursor: 'e.9',
      entries: [{ address: 'b', from: 'e.5' }, { address: 'a' }],
    });
  });

  it('every entry of an address gets an event, although the handler of the first one reconnects', async () => {
    const script = createScript();
    script.client.subscribe('b', () => script.client.reconnect(), { from: 'earliest' });
    const got = listen(script, 'b');
    await connect(script);
    script.last().subscribed('b', 5, { key: '1' });
    script.last().subscribed('b', 5, { key: '2' });
    script.last().send('b', 1, 'e.6.5');
    await script.settle();
    expect(got).toEqual([1]);
    expect(script.last().opening).toMatchObject({ cursor: 'e.6', entries: [{}, {}] });
  });

  it('a refused entry keeps its position when another entry of its address has caught up', async () => {
    const script = createScript();
    listen(script, 'a');
    listen(script, 'b');
    listen(script, 'b', { from: 'earliest' });
    await connect(script, 'a');
    script.last().subscribed('b', 5, { key: '2' });
    script.last().subscribed('b', 5, { key: '3' });
    await breakOff(script);
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    script.last().send('a', 9, 'e.9.5');
    script.last().subscribed('b', 5, { key: '3', rewind: true });
    const refused = { address: 'b', key: '2', code: 'timeout', message: 'Slow.', retryable: true };
    script.last().send(FRAME.error, refused);
    script.last().send(FRAME.caughtup, { address: 'b' });
    script.last().send('b', 1, 'e.a.5');
    await script.clock.advance(1_000);
    expect(script.controls.at(-1)).toMatchObject({ add: [{ address: 'b', key: '2', from: 'e.5' }] });
  });

  it('an address with a retryable refusal keeps its position', async () => {
    const script = createScript();
    listen(script, 'a');
    listen(script, 'b');
    await connect(script, 'a', 'b');
    await breakOff(script);
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    const refusal = { address: 'b', code: 'timeout', message: 'Later.', retryable: true };
    script.last().send(FRAME.error, refusal);
    script.last().send('a', 9, 'e.9.0');
    await script.clock.advance(2_000);
    expect(script.controls).toMatchObject([{ add: [{ address: 'b', from: 'e.5' }] }]);
  });

  it('a subscription that joins a rewind by another address does not share the connection cursor', async () => {
    const script = createScript();
    listen(script, 'z');
    await connect(script, 'z');
    script.client.subscribe('p', { s: 'A' }, () => {}, { from: 'earliest' });
    await script.settle();
    script.last().subscribed('p?s=A', 0, { rewind: true, n: 1, tail: 'e.9' });
    script.client.subscribe('p', { s: 'a' }, () => {});
    await script.settle();
    script.last().subscribed('p?s=a', 0, { event: 'p?s=A', n: 2, tail: 'e.9' });
    await breakOff(script);
    expect(script.last().opening.entries).toContainEqual({ address: 'p?s=a', key: '3', from: 'e.0' });
  });

  it('event ids of a rewind do not move the connection cursor', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    listen(script, 'b', { from: 'earliest' });
    await script.settle();
    script.last().subscribed('b', 0, { rewind: true, n: 1, tail: 'e.9' });
    script.last().send('b', 8, 'e.8.0');
    expect(script.client.cursor).toBe('e.5');
    await breakOff(script);
    expect(script.last().opening.cursor).toBe('e.5');
  });

  it('an address that starts past the connection cursor keeps its start until the cursor has passed it', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    listen(script, 'b');
    await script.settle();
    script.last().subscribed('b', 9, { n: 1 });
    await breakOff(script);
    expect(script.last().opening.entries).toContainEqual({ address: 'b', key: '2', from: 'e.9' });
    script.last().hello('e.5');
    script.last().subscribed('b', 9);
    script.last().subscribed('a', 5);
    script.last().send('a', 1, 'e.a.0');
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening.entries.some(({ from }) => from !== undefined)).toBe(false);
  });

  it('a live entry keeps its own position while another entry of its event name is replayed', async () => {
    const script = createScript();
    const live = listen(script, 'a');
    listen(script, 'b');
    await connect(script, 'a', 'b');
    script.last().send('a', 6, 'e.6.2');
    const past = listen(script, 'a', { from: 'earliest' });
    await script.settle();
    script.last().subscribed('a', 0, { n: 1, tail: 'e.6', rewind: true });
    script.last().send('a', 2, 'e.2.0');
    script.last().send('b', 9, 'e.9.0');
    expect(script.client.cursor).toBe('e.9');
    past.length = 0;
    await breakOff(script);
    expect(script.last().opening).toMatchObject({
      cursor: 'e.9',
      entries: [
        { address: 'a', key: '1', from: 'e.6' },
        { address: 'a', key: '3', from: 'e.2' },
        { address: 'b', key: '2' },
      ],
    });
    script.last().hello('e.9');
    script.last().subscribed('a', 6, { key: '1', rewind: true });
    script.last().subscribed('a', 2, { key: '3', rewind: true });
    script.last().subscribed('b', 9, { key: '2' });
    for (const [position, prev] of [
      [6, 2],
      [8, 6],
    ]) {
      script.last().send('a', position, `e.${position}.${prev}`);
    }
    script.last().send(FRAME.caughtup, { address: 'a' });
    script.last().send('a', 10, 'e.a.8');
    expect(past).toEqual([6, 8, 10]);
    expect(live).toEqual([6, 8, 10]);
    expect(script.attempts).toHaveLength(2);
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening.entries.some(({ from }) => from !== undefined)).toBe(false);
  });

  it('a subscription with an older from is requested before a live one of the same address', async () => {
    const script = createScript();
    const live = listen(script, 'a');
    const past = listen(script, 'a', { from: 'earliest' });
    await script.settle();
    expect(script.last().opening.entries).toEqual([
      { address: 'a', key: '2', from: 'earliest' },
      { address: 'a', key: '1' },
    ]);
    script.last().hello('e.0');
    script.last().subscribed('a', 0, { tail: 'e.2' });
    script.last().subscribed('a', 2);
    for (const position of [1, 2, 3]) script.last().send('a', position, `e.${position}.${position - 1}`);
    expect(past).toEqual([1, 2, 3]);
    expect(live).toEqual([3]);
    expect(script.attempts).toHaveLength(1);
  });

  it('a hole that the server did not announce makes the client resume from the event before it', async () => {
    const script = createScript();
    const got = listen(script, 'a');
    await connect(script, 'a');
    script.last().send('a', 6, 'e.6.0');
    script.last().send('a', 9, 'e.9.8');
    await script.clock.advance(500);
    expect(script.errors).toMatchObject([{ code: 'hole', address: 'a' }]);
    expect(script.last().opening.entries).toEqual([{ address: 'a', key: '1', from: 'e.6' }]);
    script.last().hello('e.6');
    script.last().subscribed('a', 6);
    for (const [position, prev] of [
      [8, 6],
      [9, 8],
    ]) {
      script.last().send('a', position, `e.${position}.${prev}`);
    }
    expect(got).toEqual([6, 8, 9]);
  });

  it('a hole that remains after a resume is reported as a gap', async () => {
    const script = createScript();
    const gaps: unknown[] = [];
    const got = listen(script, 'a', { onGap: (gap: unknown) => gaps.push(gap) });
    await connect(script, 'a');
    script.last().send('a', 6, 'e.6.0');
    script.last().send('a', 9, 'e.9.8');
    await script.clock.advance(500);
    script.last().hello('e.6');
    script.last().subscribed('a', 6);
    script.last().send('a', 9, 'e.9.8');
    await script.settle();
    expect(gaps).toMatchObject([{ address: 'a', from: 'e.6', to: 'e.8', reason: 'unknown' }]);
    expect(got).toEqual([6, 9]);
    expect(script.attempts).toHaveLength(2);
  });
});

describe('gaps', () => {
  it('a gap reaches its handler before any later event', async () => {
    const script = createScript();
    const log: string[] = [];
    script.client.subscribe('a', (payload: number) => log.push(`event ${payload}`), {
      onGap: ({ reason, topic }) => log.push(`gap ${reason} ${topic}`),
    });
    await connect(script, 'a');
    script.last().send('a', 6, 'e.6.0');
    await breakOff(script);
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: 'f.0' });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.6', to: 'f.0', reason: 'epoch' });
    script.last().send(FRAME.bookmark, {}, 'f.0');
    script.last().send('a', 1, 'f.1.0');
    await script.settle();
    expect(log).toEqual(['event 6', 'gap epoch a', 'event 1']);
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening).toMatchObject({ cursor: 'f.1', entries: [{ address: 'a' }] });
  });

  it('a gap reaches every subscription whose from cannot be used, wherever the server continues', async () => {
    const script = createScript();
    const gaps: string[] = [];
    for (const from of ['f.9', 'e.3', '?', undefined]) {
      script.client.subscribe('a', () => {}, {
        ...(from && { from }),
        onGap: ({ to }) => gaps.push(`${from} to ${to}`),
      });
    }
    await script.settle();
    script.last().hello();
    script.last().subscribed('a', 0, { key: '1' });
    script.last().subscribed('a', 3, { key: '2' });
    script.last().subscribed('a', 5, { key: '3' });
    script.last().subscribed('a', 5, { key: '4' });
    await breakOff(script);
    // The connection ended before the gap, so the entries send the same `from` again.
    expect(script.last().opening.entries.map(({ from }) => from)).toEqual(['f.9', 'e.3', '?', 'e.5']);
    script.last().hello();
    for (const key of ['1', '2', '3', '4']) script.last().subscribed('a', 0, { key });
    // One gap for all entries.
    script.last().send(FRAME.gap, { address: 'a', from: 'f.9', to: 'e.0', reason: 'epoch' });
    await script.settle();
    expect(gaps).toEqual(['f.9 to e.0', '? to e.0']);
  });

  it('only an address whose gap was not announced resumes from the old cursor', async () => {
    const script = createScript();
    const gaps = { a: 0, b: 0 };
    script.client.subscribe('a', () => {}, { onGap: () => (gaps.a += 1) });
    script.client.subscribe('b', () => {}, { onGap: () => (gaps.b += 1) });
    await connect(script, 'a', 'b');
    await breakOff(script);
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: 'f.0' });
    script.last().subscribed('b', 0, { cursor: 'f.0' });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.5', to: 'f.0', reason: 'epoch' });
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening).toMatchObject({
      cursor: 'e.5',
      entries: [
        { address: 'a', from: 'f.0' },
        { address: 'b', key: '2' },
      ],
    });
    expect(gaps).toEqual({ a: 1, b: 0 });
  });

  it('events wait until the promise of onGap settles, and those up to its cursor are dropped', async () => {
    const script = createScript();
    const log: unknown[] = [];
    let fetched = (_cursor: string) => {};
    script.client.subscribe('a', (payload: number) => log.push(payload), {
      onGap: () => new Promise<string>((resolve) => (fetched = resolve)),
    });
    await connect(script, 'a');
    script.last().send(FRAME.gap, { address: 'a', from: 'e.5', to: 'e.9', reason: 'trimmed' });
    script.last().send('a', 'a', 'e.a.9');
    script.last().send('a', 'b', 'e.b.a');
    script.last().send('a', 'c', 'e.c.b');
    await script.settle();
    expect(log).toEqual([]);
    expect(script.client.cursor).toBe('e.5');
    fetched('e.b');
    await script.settle();
    expect(log).toEqual(['c']);
    expect(script.client.cursor).toBe('e.c');
  });

  it('a gap of a new epoch causes no second connection when two addresses share an event name', async () => {
    const script = createScript();
    const log: unknown[] = [];
    for (const s of ['A', 'a']) {
      script.client.subscribe('p', { s }, (payload: unknown) => log.push(payload), {
        onGap: () => log.push('gap'),
      });
    }
    const accept = (cursor: string) => {
      for (const s of ['A', 'a']) script.last().subscribed(`p?s=${s}`, 0, { event: 'p?s=A', cursor });
    };
    await script.settle();
    script.last().hello('e.5');
    accept('e.5');
    await breakOff(script);
    script.last().hello();
    accept('f.0');
    script.last().send(FRAME.gap, { address: 'p?s=A', from: 'e.5', to: 'f.0', reason: 'epoch' });
    script.last().send('p?s=A', 1, 'f.1.0');
    await script.settle();
    expect(log).toEqual(['gap', 'gap', 1, 1]);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().closed).toBe(false);
  });

  it.each([
    ['of another epoch', 'old.9', 'e.0', 'epoch'],
    ['from the future', 'e.zz', 'e.5', 'future'],
    ['that cannot be read', 'step 1', 'e.5', 'unknown'],
  ])('a gap reaches a new subscription from a cursor %s', async (_, from, to, reason) => {
    const script = createScript();
    const log: unknown[] = [];
    const gap = { address: 'a', from, to, reason };
    const onGap = (told: { reason: string }) => log.push(told.reason);
    script.client.subscribe('a', (payload: unknown) => log.push(payload), { from, onGap });
    await script.settle();
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: to, tail: 'e.5' });
    // The connection ends before the gap, so the gap is still pending.
    await breakOff(script);
    expect(script.last().opening.entries).toMatchObject([{ address: 'a', from }]);
    script.last().hello();
    script.last().subscribed('a', 0, { cursor: to, tail: 'e.5' });
    script.last().send(FRAME.gap, gap);
    script.last().send('a', 6, 'e.6.0');
    await script.settle();
    expect(log).toEqual([reason, 6]);
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening).toMatchObject({ cursor: 'e.6', entries: [{ address: 'a' }] });
  });

  it('a pending gap is not skipped by an event of its name before the address is accepted again', async () => {
    const script = createScript();
    const log: unknown[] = [];
    const onGap = ({ reason }: { reason: string }) => log.push(reason);
    const first = listen(script, 'a', { from: 'e.2' });
    script.client.subscribe('a', (payload: unknown) => log.push(payload), { from: 'old.9', onGap });
    await script.settle();
    script.last().hello();
    script.last().subscribed('a', 2, { key: '1' });
    script.last().subscribed('a', 0, { key: '2' });
    await breakOff(script);
    script.last().hello();
    script.last().subscribed('a', 2, { key: '1' });
    script.last().send('a', 3, 'e.3.2');
    script.last().subscribed('a', 0, { key: '2', rewind: true });
    script.last().send(FRAME.gap, { address: 'a', from: 'old.9', to: 'e.0', reason: 'epoch' });
    script.last().send('a', 2, 'e.2.0');
    script.last().send('a', 3, 'e.3.2');
    await script.settle();
    expect(log).toEqual(['epoch', 2, 3]);
    expect(first).toEqual([3]);
  });

  it('a gap in a rewind does not reach a subscription that is past it', async () => {
    const script = createScript();
    const gaps: string[] = [];
    const listenTo = (name: string, options: object) =>
      script.client.subscribe('a', () => {}, { ...options, onGap: () => gaps.push(name) });
    listenTo('live', {});
    await connect(script, 'a');
    script.last().send('a', 9, 'e.9.5');
    await breakOff(script);
    listenTo('past', { from: 'e.1' });
    script.last().hello('e.9');
    script.last().subscribed('a', 9, { key: '1' });
    await script.settle();
    script.last().subscribed('a', 1, { key: '2', n: 1, rewind: true });
    script.last().send(FRAME.gap, { address: 'a', from: 'e.1', to: 'e.3', reason: 'trimmed' });
    await script.settle();
    expect(gaps).toEqual(['past']);
  });

  it('a gap reaches the onGap of the client when the subscription has none, and is in the snapshot', async () => {
    const gaps: unknown[] = [];
    const script = createScript({ onGap: (gap) => gaps.push(gap) });
    const subscription = script.client.subscribe('a', () => {});
    await connect(script, 'a');
    const gap = { address: 'a', from: 'e.5', to: 'e.9', reason: 'trimmed' };
    script.last().send(FRAME.gap, gap);
    await script.settle();
    expect(gaps).toMatchObject([gap]);
    expect(subscription.getSnapshot().gap).toMatchObject(gap);
  });

  it('positions may start again after a gap with reason rollback', async () => {
    const script = createScript();
    const got = listen(script, 'a', { onGap: () => {} });
    await connect(script, 'a');
    script.last().send('a', 'old 9', 'e.9.0');
    script.last().send(FRAME.gap, { address: 'a', from: 'e.9', to: 'e.6', reason: 'rollback' });
    script.last().send(FRAME.bookmark, {}, 'e.6');
    script.last().send('a', 'new 7', 'e.7.6');
    await script.settle();
    expect(got).toEqual(['old 9', 'new 7']);
    await script.clock.advance(10_000);
    await breakOff(script);
    expect(script.last().opening.cursor).toBe('e.7');
  });
});

describe('an acceptance past the given cursor without a gap', () => {
  it('an acceptance past its from is a hole: the address is requested again, and a second one is a gap', async () => {
    const script = createScript();
    const gaps: unknown[] = [];
    listen(script, 'z');
    const got = listen(script, 'a', { from: 'e.2', onGap: (gap: unknown) => void gaps.push(gap) });
    await script.settle();
    script.last().hello('e.2');
    script.last().subscribed('a', 9);
    expect(script.errors).toMatchObject([]);
    await script.settle();
    expect(script.errors).toMatchObject([{ code: 'hole', address: 'a' }]);
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.entries).toContainEqual({ address: 'a', key: '2', from: 'e.2' });
    script.last().hello('e.2');
    script.last().subscribed('a', 9);
    script.last().subscribed('z', 9);
    script.last().send('a', 10, 'e.a.9');
    await script.settle();
    expect(gaps).toMatchObject([{ address: 'a', from: 'e.2', to: 'e.9', reason: 'unknown' }]);
    expect(got).toEqual([10]);
    expect(script.attempts).toHaveLength(2);
  });

  it('an acceptance past the connection cursor is a hole', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    await breakOff(script);
    script.last().hello('e.9');
    script.last().subscribed('a', 9);
    await script.clock.advance(500);
    expect(script.errors).toMatchObject([{ code: 'hole' }]);
    expect(script.last().opening.entries).toEqual([{ address: 'a', key: '1', from: 'e.5' }]);
  });

  it('an acceptance is no hole at or before its from, in another epoch, or without a cursor', async () => {
    for (const [from, cursor] of [
      ['e.5', 'e.5'],
      ['e.5', 'e.2'],
      ['old.1', 'e.5'],
      ['earliest', 'e.5'],
      [undefined, 'e.5'],
    ] as const) {
      const script = createScript();
      listen(script, 'a', { from });
      await script.settle();
      script.last().hello();
      script.last().subscribed('a', 5, { cursor });
      await script.settle();
      expect(script.errors).toEqual([]);
      expect(script.attempts).toHaveLength(1);
    }
  });

  it('an acceptance is no hole when a rewind of its event name starts there', async () => {
    const script = createScript();
    listen(script, 'a', { from: 'e.2' });
    await script.settle();
    script.last().hello('e.2');
    script.last().subscribed('a', 2);
    script.last().send('a', 9, 'e.9.2');
    script.last().subscribed('a', 7, { rewind: true });
    await script.settle();
    expect(script.errors).toEqual([]);
  });
});

describe('keep: latest', () => {
  it('a subscription that joins a keep: latest address gets the newest value at once', async () => {
    const script = createScript();
    const first = listen(script, 'price');
    await script.settle();
    script.last().hello('e.0');
    script.last().subscribed('price', 0, { tail: 'e.5' });
    script.last().send('price', 41, 'e.4');
    const second = listen(script, 'price');
    script.last().send('price', 42, 'e.6');
    await script.settle();
    expect(first).toEqual([41, 42]);
    expect(second).toEqual([41, 42]);
  });

  it('a subscription that joins after an event with a previous position gets no older event', async () => {
    const script = createScript();
    listen(script, 'a');
    await connect(script, 'a');
    // The log had evicted the address, so the first event has no previous position.
    script.last().send('a', 'old', 'e.6');
    script.last().send('a', 'new', 'e.7.6');
    const second = listen(script, 'a');
    script.last().send('a', 'next', 'e.8.7');
    await script.settle();
    expect(second).toEqual(['next']);
  });

  it('a subscription that joins after a gap gets no older value', async () => {
    const script = createScript();
    listen(script, 'price', { onGap: () => {} });
    await connect(script, 'price');
    script.last().send('price', 'old', 'e.6');
    script.last().send(FRAME.gap, { address: 'price', from: 'e.6', to: 'e.9', reason: 'trimmed' });
    const second = listen(script, 'price');
    script.last().send('price', 'next', 'e.a');
    await script.settle();
    expect(second).toEqual(['next']);
  });
});
