import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import { hold } from '../../../test/held-handler.ts';
import { createRunScript, type RunScript } from '../../../test/scripted-runs.ts';
import { RETRYABLE } from '../../../test/scripted-transport.ts';
import { persistCursor } from './persist.ts';

const done = { outcome: 'done', result: 7 } as const;

/** The first nine characters of the ids of the runs that a script starts at its time 1,000,000 ms. */
const RUN = [0, 1, 2].map((index) => (1_000_000 + index).toString(36).padStart(9, '0'));

/** Records events of the running run. */
function emit({ runs }: RunScript, ...payloads: number[]): void {
  for (const payload of payloads) runs.emit('r', String(payload));
}

describe('a subscription to a run topic', () => {
  it('a handler gets the id, the run and the replayed flag of an event, and no cursor', async () => {
    const script = createRunScript();
    const run = script.runs.start('r');
    emit(script, 1);
    const got: unknown[] = [];
    script.client.subscribe('r', (payload: unknown, event: unknown) => got.push(payload, event), {
      from: 'start',
    });
    await script.open();
    emit(script, 2);
    const event = { address: 'r', topic: 'r', params: undefined, cursor: undefined, run };
    expect(got).toEqual([
      1,
      { ...event, id: `${run}.1`, replayed: true },
      2,
      { ...event, id: `${run}.2`, replayed: false },
    ]);
  });

  it('a subscription follows its address over runs, and calls its handlers in the order of the frames', async () => {
    const script = createRunScript();
    script.runs.start('r');
    emit(script, 1);
    const log: string[] = [];
    const subscription = script.follow(log, { from: 'start' });
    await script.open();
    emit(script, 2);
    script.runs.end('r', done);
    script.runs.start('r');
    script.runs.start('r');
    emit(script, 3);
    script.runs.end('r', { outcome: 'lost' });
    expect(log).toEqual([
      `run ${RUN[0]} 1`,
      '1',
      'live',
      '2',
      `end ${RUN[0]} done`,
      `run ${RUN[1]} 1`,
      `run ${RUN[1]} 2`,
      '3',
      `end ${RUN[1]} lost`,
    ]);
    expect(subscription.getSnapshot().status).toBe('subscribed');
  });

  it('onEnd gets the result, the error or the reason of a run', async () => {
    const script = createRunScript();
    const ends: unknown[] = [];
    script.client.subscribe('r', () => {}, { onEnd: (end: unknown) => ends.push(end) });
    await script.open();
    const error = { code: 'run_limit', message: 'Too long.' };
    const runs = ([done, { outcome: 'failed', error }, { outcome: 'stopped', reason: 'user' }] as const).map(
      (end) => {
        script.runs.start('r');
        return script.runs.end('r', end);
      },
    );
    const none = { result: undefined, error: undefined, reason: undefined };
    expect(ends).toEqual([
      { ...none, run: runs[0], ...done },
      { ...none, run: runs[1], outcome: 'failed', error: new LinefeedError('run_limit', 'Too long.') },
      { ...none, run: runs[2], outcome: 'stopped', reason: 'user' },
    ]);
  });

  it('a subscription without from starts after the recorded events of a running run', async () => {
    const script = createRunScript();
    script.runs.start('r');
    emit(script, 1);
    const log: string[] = [];
    const subscription = script.follow(log);
    await script.open();
    emit(script, 2);
    expect(script.last().opening.entries).toEqual([{ address: 'r', key: '1', from: 'now' }]);
    expect(log).toEqual([`run ${RUN[0]} 1`, 'live', '2']);
    expect(subscription.startCursor()).toBe(`${script.runs.newest('r')!.run}.1`);
  });

  it('a subscription starts after the event whose id it gives as from', async () => {
    const script = createRunScript();
    const run = script.runs.start('r');
    emit(script, 1, 2, 3);
    const log: string[] = [];
    script.follow(log, { from: `${run}.2` });
    await script.open();
    expect(log).toEqual([`run ${RUN[0]} 1`, '3', 'live']);
  });

  it('the end of a run whose record was deleted has the outcome gone', async () => {
    const script = createRunScript();
    const log: string[] = [];
    script.follow(log, { from: '0000000aaaaaaaaaa.4' });
    await script.open();
    const end = { address: 'r', run: '0000000aaaaaaaaaa', outcome: 'gone' };
    script.last().send(FRAME.end, end, '~0000000aaaaaaaaaa.5.end');
    await script.resume();
    expect(script.last().opening.entries).toMatchObject([{ from: '~0000000aaaaaaaaaa.5.end' }]);
    expect(log).toEqual(['live', 'end 0000000aa gone', 'live']);
  });
});

describe('resuming a run', () => {
  /** Plays three runs to a subscription that starts with the first event of the first one. */
  async function play(script: RunScript, log: string[]): Promise<void> {
    script.runs.start('r');
    emit(script, 1, 2);
    script.follow(log, { from: 'start' });
    await script.open();
    emit(script, 3);
    script.runs.end('r', done);
    script.runs.start('r');
    emit(script, 4);
    script.runs.start('r');
    emit(script, 5, 6);
    script.runs.end('r', { outcome: 'failed', error: { code: 'source_failed', message: 'No.' } });
    script.runs.start('r');
    emit(script, 7, 8);
    await script.settle();
  }

  /** A reader that was away when an attempt began gets the newest attempt only, when it enters the run. */
  const withoutAttempts = (log: readonly string[]) => [
    ...new Set(withoutLive(log).map((line) => line.replace(/^(run \w+) \d$/, '$1'))),
  ];

  const withoutLive = (log: readonly string[]) => log.filter((line) => line !== 'live');

  it('a cut after each frame of several runs gives the handler each event once, in order', async () => {
    const whole: string[] = [];
    await play(createRunScript(), whole);
    expect(whole).toHaveLength(15);
    for (let frames = 1; frames < 18; frames += 1) {
      const script = createRunScript();
      const log: string[] = [];
      script.frames = frames;
      await play(script, log);
      script.frames = Infinity;
      await script.resume();
      expect([frames, withoutLive(log).filter((line) => /^\d|end/.test(line)).length]).toEqual([frames, 10]);
      expect([frames, ...withoutAttempts(log)]).toEqual([frames, ...withoutAttempts(whole)]);
    }
  });

  it('a connection that is cut again and again loses and doubles no event of several runs', async () => {
    for (const frames of [3, 4, 5, 7]) {
      const script = createRunScript();
      const log: string[] = [];
      script.frames = frames;
      await play(script, log);
      for (let round = 0; round < 12; round += 1) {
        script.frames = frames;
        await script.resume();
      }
      const events = log.filter((line) => /^\d/.test(line));
      expect([frames, ...events]).toEqual([frames, '1', '2', '3', '4', '5', '6', '7', '8']);
      expect(log.filter((line) => line.startsWith('end'))).toHaveLength(2);
    }
  });

  it.each([
    ['while a run runs', 1],
    ['before the first run', 0],
  ])('a subscription from now that is cut before its first frame loses no event, %s', async (_, events) => {
    const script = createRunScript();
    if (events > 0) script.runs.start('r');
    emit(script, ...Array.from({ length: events }, () => 1));
    const log: string[] = [];
    script.follow(log);
    script.frames = 1;
    await script.open();
    if (events === 0) script.runs.start('r');
    emit(script, 2);
    script.runs.end('r', done);
    script.runs.start('r');
    emit(script, 3);
    script.frames = Infinity;
    await script.resume();
    expect(withoutLive(log)).toEqual([`run ${RUN[0]} 1`, '2', `end ${RUN[0]} done`, `run ${RUN[1]} 1`, '3']);
  });

  it('a subscription that has the end of a run does not get it again', async () => {
    const script = createRunScript();
    const run = script.runs.start('r');
    const log: string[] = [];
    script.follow(log);
    await script.open();
    script.runs.end('r', done);
    await script.resume();
    expect(script.last().opening.entries).toMatchObject([{ from: `~${run}.1.end` }]);
    expect(withoutLive(log)).toEqual([`run ${RUN[0]} 1`, `end ${RUN[0]} done`]);
  });

  it('an event of a later run is delivered although the frame before it did not name the run', async () => {
    const script = createRunScript();
    script.runs.start('r');
    const log: string[] = [];
    script.follow(log);
    await script.open();
    script.last().send('r', 5, '~zzzzzzzzzzzzzzzzz.1');
    expect(log.at(-1)).toBe('5');
    expect(script.attempts).toHaveLength(1);
  });

  it('a run that is refused for now is requested again from its last event', async () => {
    const script = createRunScript();
    const run = script.runs.start('r');
    const log: string[] = [];
    script.follow(log);
    await script.open();
    emit(script, 1);
    script.last().refuse('r', { ...RETRYABLE, key: '1' });
    script.runs.leave('r');
    emit(script, 2);
    await script.clock.advance(2_000);
    expect(script.controls.at(-1)).toMatchObject({ add: [{ address: 'r', key: '1', from: `~${run}.1` }] });
    await script.add();
    expect(withoutLive(log)).toEqual([`run ${RUN[0]} 1`, '1', '2']);
  });

  it('events of runs move the cursor of the connection by the part before the tilde', async () => {
    const script = createRunScript();
    const { runs } = script;
    script.listen('a');
    const { promise, resolve } = Promise.withResolvers<void>();
    script.follow([], { on: (line) => (line === '1' ? promise : undefined) });
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5, { key: '1' });
    const { start, deliver } = runs.accept('r', 'now');
    script.last().send(FRAME.subscribed, { address: 'r', event: 'r', key: '2', run: start });
    deliver();
    const run = runs.start('r');
    script.last().send('r', 1, `e.7~${run}.1`);
    expect(script.client.cursor).toBe('e.5');
    resolve();
    await script.settle();
    expect(script.client.cursor).toBe('e.7');
    await script.cut();
    expect(script.last().opening).toMatchObject({
      cursor: 'e.7',
      entries: [
        { address: 'r', key: '2', from: `~${run}.1` },
        { address: 'a', key: '1' },
      ],
    });
  });

  it('persistCursor does not store an address of runs', async () => {
    const stored = new Map<string, string>();
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    };
    const script = createRunScript({ persist: persistCursor({ storage }) });
    script.follow([]);
    script.listen('a');
    await script.settle();
    script.last().hello('e.5');
    script.last().subscribed('a', 5, { key: '2' });
    const { start } = script.runs.accept('r', 'now');
    script.last().send(FRAME.subscribed, { address: 'r', event: 'r', key: '1', run: start });
    script.client.close();
    expect([...stored.values()]).toEqual(['e.5 a']);
  });
});

describe('several subscriptions to one address of runs', () => {
  it('a delivery that goes back for another subscription repeats nothing to the first one', async () => {
    const script = createRunScript();
    const first = script.runs.start('r');
    emit(script, 1);
    script.runs.end('r', done);
    script.runs.start('r');
    emit(script, 2);
    const log: string[] = [];
    script.follow(log, { from: 'start' });
    await script.open();
    const live = [...log];
    const past: string[] = [];
    script.follow(past, { from: `${first}.0` });
    await script.add();
    expect(log).toEqual(live);
    expect(past).toEqual([`run ${RUN[0]} 1`, '1', `end ${RUN[0]} done`, `run ${RUN[1]} 1`, '2', 'live']);
    emit(script, 3);
    expect([log.at(-1), past.at(-1)]).toEqual(['3', '3']);
    script.runs.end('r', done);
    expect([log.at(-1), past.at(-1)]).toEqual([`end ${RUN[1]} done`, `end ${RUN[1]} done`]);
  });

  it('a subscription from now joins one from now without a request, and gets the run and later events', async () => {
    const script = createRunScript();
    script.runs.start('r');
    const log: string[] = [];
    script.follow(log);
    await script.open();
    emit(script, 1);
    const joined: string[] = [];
    const { ready } = script.follow(joined);
    await ready;
    emit(script, 2);
    expect(script.controls).toEqual([]);
    expect(joined).toEqual([`run ${RUN[0]} 1`, 'live', '2']);
    expect(log.at(-1)).toBe('2');
  });

  it.each(['linefeed.caughtup', 'linefeed.run'])(
    'a run that was deleted before its end is gone for its subscription when %s is past it',
    async (frame) => {
      const script = createRunScript();
      const deleted = `${'0'.repeat(16)}1`;
      const log: string[] = [];
      script.follow(log, { from: `${deleted}.2` });
      await script.settle();
      script.last().hello();
      const answer = { address: 'r', event: 'r', key: '1', run: { cursor: `${deleted}.2` } };
      script.last().send(FRAME.subscribed, answer);
      const later = `${'0'.repeat(16)}2`;
      if (frame === FRAME.run)
        script.last().send(frame, { address: 'r', run: later, attempt: 1, startedAt: 2 }, `~${later}.0`);
      else script.last().send(frame, { address: 'r' }, `~${'0'.repeat(17)}.0.end`);
      await script.settle();
      expect(log).toEqual([
        `end ${'0'.repeat(9)} gone`,
        frame === FRAME.run ? `run ${'0'.repeat(9)} 1` : 'live',
      ]);
    },
  );

  it('a subscription that joins during a replay gets no replayed event', async () => {
    const script = createRunScript();
    const run = script.runs.start('r');
    const joined: string[] = [];
    script.follow([]);
    await script.open();
    emit(script, 1);
    script.last().lose();
    script.runs.leave();
    emit(script, 2, 3);
    await script.clock.advance(1_000);
    script.follow(joined);
    await script.open();
    emit(script, 4);
    expect(script.last().opening.entries).toEqual([{ address: 'r', key: '1', from: `~${run}.1` }]);
    expect(joined).toEqual([`run ${RUN[0]} 1`, 'live', '4']);
  });

  it('a subscription that joins after the end of a run waits for the next run', async () => {
    const script = createRunScript();
    script.runs.start('r');
    script.follow([]);
    await script.open();
    script.runs.end('r', done);
    const joined: string[] = [];
    script.follow(joined);
    await script.settle();
    script.runs.start('r');
    expect(joined).toEqual(['live', `run ${RUN[1]} 1`]);
  });

  it('a subscription that joins during a replay gets no onRun of a run that has ended', async () => {
    const script = createRunScript();
    script.runs.start('r');
    script.follow([]);
    await script.open();
    emit(script, 1);
    script.last().lose();
    script.runs.leave();
    script.runs.end('r', done);
    await script.clock.advance(1_000);
    const joined: string[] = [];
    script.follow(joined);
    await script.open();
    expect(joined).toEqual(['live']);
  });

  it('a subscription that joins after the end of a run does not get that end when another one replays it', async () => {
    const script = createRunScript();
    script.runs.start('r');
    const log: string[] = [];
    script.follow(log);
    await script.open();
    script.runs.end('r', done);
    script.follow([], { from: 'start' });
    await script.add();
    const joined: string[] = [];
    script.follow(joined);
    await script.settle();
    expect(joined).toEqual(['live']);
    expect(log).toEqual([`run ${RUN[0]} 1`, 'live', `end ${RUN[0]} done`]);
  });

  it('a subscription that joined while disconnected does not get the end of an earlier run', async () => {
    const script = createRunScript();
    const run = script.runs.start('r');
    const log: string[] = [];
    script.follow(log);
    await script.open();
    await script.cut();
    const joined: string[] = [];
    script.follow(joined);
    await script.settle();
    script.last().hello();
    const start = { cursor: `${run}.0`, tail: 'zzzzzzzzzzzzzzzzz.3' };
    script.last().send(FRAME.subscribed, { address: 'r', event: 'r', key: '1', run: start });
    script.last().send(FRAME.end, { address: 'r', run, outcome: 'gone' }, `~${run}.1.end`);
    await script.settle();
    expect(joined).toEqual([]);
    expect(log.at(-1)).toBe(`end ${RUN[0]} gone`);
  });
});

describe('handlers of runs that change subscriptions', () => {
  it.each(['run 1', 'end', '1', 'live'])(
    'a subscription that its handler ends at "%s" gets nothing more, and others get everything',
    async (start) => {
      const script = createRunScript();
      script.runs.start('r');
      emit(script, 1, 2);
      script.runs.end('r', done);
      const log: string[] = [];
      const other: string[] = [];
      const stop = script.follow(log, {
        from: 'start',
        on: (line) => (line.startsWith(start.split(' ')[0]!) ? stop() : undefined),
      });
      script.follow(other, { from: 'start' });
      await script.open();
      expect(log.filter((line) => line.startsWith(start.split(' ')[0]!))).toHaveLength(1);
      expect(log.at(-1)).toMatch(start.split(' ')[0]!);
      expect(other).toEqual([`run ${RUN[0]} 1`, '1', '2', `end ${RUN[0]} done`, 'live']);
    },
  );

  it('a handler of an end may subscribe to the same address, and that subscription gets the next run', async () => {
    const script = createRunScript();
    script.runs.start('r');
    const next: string[] = [];
    let isFirst = true;
    script.follow([], {
      on(line) {
        if (line.startsWith('end') && isFirst) script.follow(next, { from: 'start' });
        if (line.startsWith('end')) isFirst = false;
      },
    });
    await script.open();
    script.runs.end('r', done);
    script.runs.start('r');
    emit(script, 1);
    await script.add();
    emit(script, 2);
    expect(next).toEqual([`run ${RUN[1]} 1`, '1', 'live', '2']);
  });
});

describe('a slow handler of a run', () => {
  it('the end of a run is called after the promise of its last event has settled', async () => {
    const script = createRunScript();
    script.runs.start('r');
    const { handler, finish } = hold();
    const log: string[] = [];
    script.follow(log, { on: (line) => (line === '1' ? handler() : undefined) });
    await script.open();
    emit(script, 1);
    script.runs.end('r', done);
    await script.settle();
    expect(log.at(-1)).toBe('1');
    finish();
    await script.settle();
    expect(log.at(-1)).toBe(`end ${RUN[0]} done`);
  });

  it('a stalled handler of a run gets the dropped events and the end in order when it continues', async () => {
    const script = createRunScript({ maxQueuedEvents: 2, hello: { timeoutMs: 0 } });
    const run = script.runs.start('r');
    const { handler, finish } = hold();
    const log: string[] = [];
    const { getSnapshot } = script.follow(log, { on: (line) => (line === '1' ? handler() : undefined) });
    const fast: string[] = [];
    script.follow(fast, { from: 'start' });
    await script.open();
    emit(script, 1, 2, 3);
    await script.clock.advance(5_000);
    expect(getSnapshot().stalled).toBe(true);
    emit(script, 4);
    script.runs.end('r', done);
    script.runs.start('r');
    emit(script, 5);
    finish();
    await script.settle();
    expect(script.controls.at(-1)).toMatchObject({ add: [{ address: 'r', key: '1', from: `~${run}.3` }] });
    await script.add();
    const next = script.runs.newest('r')!.run.slice(0, 9);
    const rest = ['1', '2', '3', '4', `end ${RUN[0]} done`, `run ${next} 1`, '5'];
    expect(log.filter((line) => line !== 'live').slice(1)).toEqual(rest);
    expect(fast.filter((line) => line !== 'live').slice(1)).toEqual(rest);
  });

  it('the end of a run does not pass a stalled handler without an event in between', async () => {
    const script = createRunScript({ maxQueuedEvents: 1, hello: { timeoutMs: 0 } });
    script.runs.start('r');
    const { handler, finish } = hold();
    const log: string[] = [];
    script.follow(log, { on: (line) => (line === '1' ? handler() : undefined) });
    await script.open();
    emit(script, 1, 2);
    await script.clock.advance(5_000);
    script.runs.end('r', done);
    finish();
    await script.settle();
    await script.add();
    expect(log.slice(-3)).toEqual(['2', `end ${RUN[0]} done`, 'live']);
  });
});
