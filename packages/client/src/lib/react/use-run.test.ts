// @vitest-environment happy-dom
import { defineChannel, run } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { act, Activity, createElement as h, type ReactNode } from 'react';
import { renderToString } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { mount, type PageOptions } from '../../../test/page.ts';
import { createRunScript } from '../../../test/scripted-runs.ts';
import { RETRYABLE } from '../../../test/scripted-transport.ts';
import type { Client } from '../client/client.ts';
import { createHooks, type Hooks, type RunState } from './hooks.ts';

const board = defineChannel({ r: run({ data: z.number(), result: z.number() }) });
type Board = typeof board;
const { Provider, useRun }: Hooks<Board> = createHooks<Board>();

interface AnswerProps {
  readonly enabled?: boolean | undefined;
  readonly from?: string | undefined;
  readonly keep?: (state: RunState<unknown, number>) => void;
}

let renders = 0;

/** Shows the state of the run `r`, the data as a list. */
function Answer({ enabled, from, keep }: AnswerProps): ReactNode {
  renders += 1;
  const state = useRun('r', { enabled, from });
  keep?.(state);
  return text(state);
}

function text({ data, status, outcome, result, replaying }: RunState<unknown, number>): string {
  return [replaying ? 'replaying' : '', status, outcome ?? '', result ?? '', JSON.stringify(data)]
    .filter(Boolean)
    .join(' ');
}

const done = { outcome: 'done', result: 7 } as const;

async function start(show: (isShown: boolean) => ReactNode, options?: PageOptions) {
  const script = createRunScript({ lingerMs: 10 });
  const client = script.client as unknown as Client<Board>;
  const page = await mount(h(Provider, { client }, show(true)), options);
  const pass = async (task: () => unknown) => {
    await act(async () => {
      await task();
      await script.settle();
    });
  };
  return {
    script,
    client,
    page,
    pass,
    emit: (...payloads: number[]) =>
      pass(() => payloads.forEach((payload) => script.runs.emit('r', String(payload)))),
    show: async (isShown: boolean) => {
      await page.show(h(Provider, { client }, show(isShown)));
      await pass(() => script.settle());
    },
  };
}

describe('useRun', () => {
  it('useRun shows all payloads of the newest run, its status, and how it ended', async () => {
    const { script, page, pass, emit } = await start(() => h(Answer));
    expect(page.text()).toBe('replaying idle []');
    await pass(script.open);
    expect(page.text()).toBe('idle []');
    await pass(() => script.runs.start('r'));
    expect(page.text()).toBe('running []');
    await emit(1);
    await emit(2);
    expect(page.text()).toBe('running [1,2]');
    await pass(() => script.runs.end('r', done));
    expect(page.text()).toBe('ended done 7 [1,2]');
    await page[Symbol.asyncDispose]();
    await script.clock.advance(1_000);
    expect(script.clock.pending).toBe(0);
  });

  it('useRun applies the recorded events in one render, in any number of chunks, and marks it until then', async () => {
    const { script, page, pass } = await start(() => h(Answer));
    script.runs.start('r');
    for (let payload = 1; payload <= 5; payload += 1) script.runs.emit('r', String(payload));
    renders = 0;
    script.frames = 4;
    await pass(script.open);
    expect([page.text(), renders]).toEqual(['replaying idle []', 0]);
    script.frames = Infinity;
    await pass(script.resume);
    expect([page.text(), renders]).toEqual(['running [1,2,3,4,5]', 1]);
    await page[Symbol.asyncDispose]();
  });

  it('useRun applies the events that it missed in a cut in one render, also over the end of a run', async () => {
    const { script, page, pass, emit } = await start(() => h(Answer));
    script.runs.start('r');
    await pass(script.open);
    await emit(1);
    await pass(() => script.last().lose());
    script.runs.leave();
    await emit(2, 3);
    script.runs.end('r', done);
    script.runs.start('r');
    await emit(4, 5);
    renders = 0;
    script.frames = 6;
    await pass(script.resume);
    expect([page.text(), renders]).toEqual(['running [1]', 0]);
    script.frames = Infinity;
    await pass(script.resume);
    expect([page.text(), renders]).toEqual(['running [4,5]', 1]);
    await emit(6);
    expect(page.text()).toBe('running [4,5,6]');
    await page[Symbol.asyncDispose]();
  });

  it('a new run starts useRun with new data, and a new attempt continues with the data', async () => {
    let last: RunState<unknown, number> | undefined;
    const { script, page, pass, emit } = await start(() => h(Answer, { keep: (state) => (last = state) }));
    await pass(script.open);
    let first: string;
    await pass(() => (first = script.runs.start('r')));
    await emit(1);
    await pass(() => script.runs.end('r', { outcome: 'lost', reason: 'shutdown' }));
    expect(last).toMatchObject({ run: first!, outcome: 'lost', reason: 'shutdown' });
    const before = last!.data;
    let second: string;
    await pass(() => (second = script.runs.start('r')));
    expect(last).toMatchObject({ run: second!, attempt: 1, data: [], outcome: undefined, reason: undefined });
    await emit(2);
    await pass(() => script.runs.start('r'));
    await emit(3);
    expect(last).toMatchObject({ run: second!, attempt: 2, data: [2, 3] });
    expect(before).toEqual([1]);
    await page[Symbol.asyncDispose]();
  });

  it('useRun with reduce starts each run with initial, and calls reduce once for each event', async () => {
    let calls = 0;
    const Sum = () => {
      const { data, status } = useRun('r', {
        initial: 0,
        reduce: (sum, payload, { run: of }) => {
          calls += of.length > 0 ? 1 : 0;
          return sum + payload;
        },
      });
      return `${status} ${data}`;
    };
    const { script, page, pass, emit } = await start(() => h(Sum));
    script.runs.start('r');
    await emit(1, 2);
    await pass(script.open);
    await emit(3, 4);
    expect([page.text(), calls]).toEqual(['running 10', 4]);
    await pass(() => script.runs.end('r', done));
    await pass(() => script.runs.start('r'));
    expect(page.text()).toBe('running 0');
    await page[Symbol.asyncDispose]();
  });

  it('useRun renders once for a burst of live events', async () => {
    const { script, page, pass, emit } = await start(() => h(Answer));
    await pass(script.open);
    await pass(() => script.runs.start('r'));
    renders = 0;
    await emit(1, 2, 3);
    expect([page.text(), renders]).toEqual(['running [1,2,3]', 1]);
    await page[Symbol.asyncDispose]();
  });

  it('useRun does not change data that it has returned', async () => {
    let last: readonly number[] = [];
    const { script, page, pass, emit } = await start(() =>
      h(Answer, { keep: ({ data }) => (last = data as readonly number[]) }),
    );
    script.runs.start('r');
    await emit(1);
    await pass(script.open);
    const before = last;
    await emit(2);
    expect([before, last]).toEqual([[1], [1, 2]]);
    await page[Symbol.asyncDispose]();
  });

  it('useRun shows the end of a run that was deleted before its first event', async () => {
    const { script, page, pass } = await start(() => h(Answer, { from: '0000000aaaaaaaaaa.4' }));
    await pass(script.open);
    const end = { address: 'r', run: '0000000aaaaaaaaaa', outcome: 'gone' };
    await pass(() => script.last().send(FRAME.end, end, '~0000000aaaaaaaaaa.5.end'));
    expect(page.text()).toBe('ended gone []');
    await page[Symbol.asyncDispose]();
  });

  it('useRun shows the error of a failed run', async () => {
    let error: unknown;
    const keep = (state: RunState<unknown, number>) => (error = state.error);
    const { script, page, pass } = await start(() => h(Answer, { keep }));
    await pass(script.open);
    await pass(() => script.runs.start('r'));
    const failure = { code: 'run_limit', message: 'Too long.' };
    await pass(() => script.runs.end('r', { outcome: 'failed', error: failure }));
    expect([page.text(), error]).toMatchObject(['ended failed []', failure]);
    await page[Symbol.asyncDispose]();
  });

  it('stop of useRun sends the run that is shown', async () => {
    let stop!: RunState<unknown, number>['stop'];
    const { script, page, pass } = await start(() => h(Answer, { keep: (state) => ({ stop } = state) }));
    await pass(script.open);
    const before = stop;
    let id: string;
    await pass(() => (id = script.runs.start('r')));
    await stop('user').catch(() => {});
    expect(script.controls.at(-1)).toEqual({ stop: { address: 'r', run: id!, reason: 'user' } });
    expect(stop).toBe(before);
    await page[Symbol.asyncDispose]();
  });
});

describe('a component with useRun', () => {
  it('useRun in StrictMode sends one request, and applies each event once', async () => {
    const { script, page, pass, emit } = await start(() => h(Answer), { strict: true });
    script.runs.start('r');
    await emit(1);
    await pass(script.open);
    await emit(2);
    expect(page.text()).toBe('running [1,2]');
    expect(script.attempts).toHaveLength(1);
    expect(script.last().opening.entries).toHaveLength(1);
    expect(script.controls).toEqual([]);
    await page[Symbol.asyncDispose]();
  });

  it.each<[string, (isShown: boolean) => ReactNode]>([
    [
      'hidden by <Activity>',
      (isShown) => h(Activity, { mode: isShown ? 'visible' : 'hidden', children: h(Answer) }),
    ],
    ['not enabled', (isShown) => h(Answer, { enabled: isShown })],
  ])('a component that was %s continues after its last event, and gets what it missed', async (_, show) => {
    const scene = await start(show);
    const { script, page, pass, emit } = scene;
    const id = script.runs.start('r');
    await emit(1);
    await pass(script.open);
    const leave = async () => {
      await scene.show(false);
      await pass(() => script.clock.advance(20));
      script.runs.leave();
    };
    await leave();
    await emit(2);
    await scene.show(true);
    expect(script.last().opening.entries).toMatchObject([{ from: `${id}.1` }]);
    await pass(script.open);
    await emit(3);
    expect(page.text()).toBe('running [1,2,3]');
    await leave();
    script.runs.end('r', done);
    script.runs.start('r');
    await emit(4);
    await scene.show(true);
    // Cut after the end of the first run, and the begin of the second one.
    script.frames = 4;
    await pass(script.open);
    expect(page.text()).toBe('running [1,2,3]');
    script.frames = Infinity;
    await pass(script.resume);
    expect(page.text()).toBe('running [4]');
    await page[Symbol.asyncDispose]();
  });

  it('a component that was hidden after the end of a run shows that end, also if the run was deleted', async () => {
    const scene = await start((isShown) => h(Answer, { enabled: isShown }));
    const { script, page, pass } = scene;
    await pass(script.open);
    let id = '';
    await pass(() => (id = script.runs.start('r')));
    await pass(() => script.runs.end('r', done));
    await scene.show(false);
    await pass(() => script.clock.advance(20));
    await scene.show(true);
    expect(script.last().opening.entries).toMatchObject([{ from: `${id}.0` }]);
    const key = script.last().opening.entries[0]!.key!;
    const subscribed = { address: 'r', event: 'r', key, run: { cursor: `${id}.0` } };
    await pass(() => {
      script.last().hello();
      script.last().send(FRAME.subscribed, subscribed);
      script.last().send(FRAME.end, { address: 'r', run: id, outcome: 'gone' }, `~${id}.1.end`);
      script.last().send(FRAME.caughtup, { address: 'r' });
    });
    expect(page.text()).toBe('ended done 7 []');
    await page[Symbol.asyncDispose]();
  });

  it('a component that is hidden before its first event resumes from its start', async () => {
    const scene = await start((isShown) => h(Answer, { enabled: isShown, from: 'now' }));
    const { script, page, pass, emit } = scene;
    await pass(script.open);
    await scene.show(false);
    expect(page.text()).toBe('idle []');
    await pass(() => script.clock.advance(20));
    script.runs.leave();
    script.runs.start('r');
    await emit(1);
    await scene.show(true);
    await pass(script.open);
    expect(page.text()).toBe('running [1]');
    await page[Symbol.asyncDispose]();
  });

  it('another from starts useRun again', async () => {
    let from: string | undefined;
    const scene = await start(() => h(Answer, { from }));
    const { script, page, pass, emit } = scene;
    script.runs.start('r');
    await emit(1, 2);
    await pass(script.open);
    expect(page.text()).toBe('running [1,2]');
    from = `${script.runs.newest('r')!.run}.1`;
    await scene.show(true);
    expect(page.text()).toBe('replaying idle []');
    await pass(script.add);
    expect(page.text()).toBe('running [2]');
    await page[Symbol.asyncDispose]();
  });

  it('two components with the same run share its frames, and both have all events', async () => {
    const { script, page, pass, emit } = await start(() => [h(Answer, { key: 1 }), h(Answer, { key: 2 })]);
    script.runs.start('r');
    await emit(1);
    await pass(script.open);
    await emit(2);
    expect(page.text()).toBe('running [1,2]'.repeat(2));
    await page[Symbol.asyncDispose]();
  });

  it('useRun shows the refusal of its subscription until the server accepts it', async () => {
    let code: string | undefined;
    const keep = (state: RunState<unknown, number>) => (code = state.error?.code);
    const { script, page, pass, emit } = await start(() => h(Answer, { keep }));
    script.runs.start('r');
    await emit(1);
    await pass(script.settle);
    await pass(() => {
      script.last().hello();
      script.last().refuse('r', { ...RETRYABLE, key: script.last().opening.entries[0]!.key! });
    });
    expect(code).toBe('timeout');
    await pass(() => script.clock.advance(5_000));
    await pass(script.add);
    expect([page.text(), code]).toEqual(['running [1]', undefined]);
    await page[Symbol.asyncDispose]();
  });

  it('useRun shows the error `closed` when its client is closed', async () => {
    let code: string | undefined;
    const keep = (state: RunState<unknown, number>) => (code = state.error?.code);
    const client = createRunScript().client as unknown as Client<Board>;
    client.close();
    await using page = await mount(h(Provider, { client }, h(Answer, { keep })));
    expect([page.text(), code]).toEqual(['replaying idle []', 'closed']);
  });

  it('server rendering shows the start of useRun and opens nothing', () => {
    const script = createRunScript();
    const client = script.client as unknown as Client<Board>;
    expect(renderToString(h(Provider, { client }, h(Answer)))).toBe('replaying idle []');
    expect(script.attempts).toEqual([]);
  });
});
