// @vitest-environment happy-dom
import { defineChannel, stream } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { act, Activity, createElement as h, type ReactNode } from 'react';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { mount } from '../../../test/page.ts';
import { createScript, type Script } from '../../../test/scripted-client.ts';
import type { Client } from '../client/client.ts';
import { createHooks, type Hooks } from './hooks.ts';

const board = defineChannel({ notice: z.number(), report: stream({ data: z.number() }) });
type Board = typeof board;
const { Provider, useTopic }: Hooks<Board> = createHooks<Board>();

/** Two ways to unsubscribe a component and subscribe it again. */
const ways: Record<string, (isShown: boolean, from: string | undefined) => ReactNode> = {
  'hidden by <Activity>': (isShown, from) =>
    h(Activity, {
      mode: isShown ? 'visible' : 'hidden',
      children: h(Numbers, { enabled: true, from }),
    }),
  'not enabled': (isShown, from) => h(Numbers, { enabled: isShown, from }),
};

const seen: string[] = [];

function Numbers({ enabled, from }: { enabled: boolean; from: string | undefined }): ReactNode {
  const { data } = useTopic('notice', {
    initial: [] as number[],
    reduce: (all, next) => [...all, next],
    enabled,
    from,
    onGap: ({ to }) => void seen.push(to),
  });
  return JSON.stringify(data);
}

const LINGER_MS = 1_000;

async function start(way: keyof typeof ways, from?: string) {
  seen.length = 0;
  const script = createScript();
  const client = script.client as Client<Board>;
  const page = await mount(h(Provider, { client }, ways[way]!(true, from)));
  const settle = async () => await act(async () => await script.settle());
  const show = async (isShown: boolean) => {
    await page.show(h(Provider, { client }, ways[way]!(isShown, from)));
    await settle();
  };
  const pass = async (ms: number) => await act(async () => await script.clock.advance(ms));
  await settle();
  return { script, client, page, show, pass };
}

const send = async (script: Script, ...positions: number[]) =>
  await act(async () => {
    for (const position of positions) script.last().send('notice', position, `e.${position}.${position - 1}`);
    await script.settle();
  });

const accept = async (script: Script, at: number, tail = at) =>
  await act(async () => {
    script.last().hello(`e.${tail}`);
    script.last().subscribed('notice', at, { tail: `e.${tail}` });
    await script.settle();
  });

const froms = (script: Script) => script.last().opening.entries.map(({ from }) => from);

describe.each(Object.keys(ways))('a component that is %s before its first event', (way) => {
  it('a component resumes from its accepted position after its address was unsubscribed', async () => {
    const { script, page, show, pass } = await start(way);
    await accept(script, 1);
    await show(false);
    await pass(LINGER_MS);
    expect(script.last().closed).toBe(true);
    await show(true);
    expect(froms(script)).toEqual(['e.1']);
    await accept(script, 1, 3);
    await send(script, 2, 3, 4);
    expect(page.text()).toBe('[2,3,4]');
    await page[Symbol.asyncDispose]();
  });

  it('a component gets the events of its absence while its address is still subscribed', async () => {
    const { script, page, show, pass } = await start(way);
    await accept(script, 1);
    await show(false);
    await pass(LINGER_MS / 2);
    await send(script, 2, 3);
    await show(true);
    await send(script, 4);
    expect(page.text()).toBe('[2,3,4]');
    expect(script.attempts).toHaveLength(1);
    await page[Symbol.asyncDispose]();
  });

  it('a component resumes from its own from, not from the newest event', async () => {
    const { script, page, show, pass } = await start(way, 'e.3');
    await accept(script, 3, 9);
    await show(false);
    await pass(LINGER_MS);
    await show(true);
    expect(froms(script)).toEqual(['e.3']);
    await page[Symbol.asyncDispose]();
  });

  it('a component resumes after the last gap that it was given', async () => {
    const { script, page, show, pass } = await start(way);
    await accept(script, 1);
    await act(async () =>
      script.last().send(FRAME.gap, { address: 'notice', from: 'e.1', to: 'e.6', reason: 'trimmed' }),
    );
    await show(false);
    await pass(LINGER_MS);
    await show(true);
    expect(froms(script)).toEqual(['e.6']);
    expect(seen).toEqual(['e.6']);
    await page[Symbol.asyncDispose]();
  });

  it('a component that joined an existing subscription resumes from the position where it joined', async () => {
    const { script, client, page, show, pass } = await start(way);
    await show(false);
    await pass(LINGER_MS);
    const stop = client.subscribe('notice', () => {});
    await script.settle();
    await accept(script, 1);
    await send(script, 2, 3);
    // This is a new component: the previous one was never accepted.
    await show(true);
    await show(false);
    stop();
    await pass(LINGER_MS);
    await show(true);
    expect(froms(script)).toEqual(['e.3']);
    await page[Symbol.asyncDispose]();
  });
});

it('a stream that is hidden before its first event starts from the beginning', async () => {
  const Report = () => String(useTopic('report').data);
  const script = createScript();
  const client = script.client as Client<Board>;
  const wrap = (mode: 'visible' | 'hidden') =>
    h(Provider, { client }, h(Activity, { mode, children: h(Report) }));
  const page = await mount(wrap('visible'));
  await act(async () => await script.settle());
  await act(async () => {
    const { key } = script.last().opening.entries[0]!;
    script.last().hello('e.4');
    script.last().send(FRAME.subscribed, { address: 'report', event: `report~${key}`, key });
    await script.settle();
  });
  await page.show(wrap('hidden'));
  await act(async () => await script.clock.advance(LINGER_MS));
  await page.show(wrap('visible'));
  await act(async () => await script.settle());
  expect(froms(script)).toEqual(['now']);
  await page[Symbol.asyncDispose]();
});
