// @vitest-environment happy-dom
import { defineChannel, topic } from '@linefeed/shared';
import { act, createElement as h, version } from 'react';
import { renderToString } from 'react-dom/server';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { mount } from '../../../test/page.ts';
import { createTestClient } from '../testing/test-client.ts';
import { createHooks, type Hooks } from './hooks.ts';

const board = defineChannel({ notice: topic({ data: z.string() }) });
const { Provider, useTopic }: Hooks<typeof board> = createHooks<typeof board>();

const Notice = () => useTopic('notice', { initial: 'none' }).data;

it('these tests run on the React version that their project names', () => {
  expect(version.split('.')[0]).toBe(process.env['REACT_MAJOR'] ?? '19');
});

it('the Provider gives its client to the hooks in its children', async () => {
  const { client, emit } = createTestClient(board);
  await using page = await mount(h(Provider, { client }, h(Notice)));
  await act(async () => await emit('notice', 'hello'));
  expect(page.text()).toBe('hello');
});

it('server rendering writes nothing to the console', () => {
  const { client } = createTestClient(board);
  const written = [vi.spyOn(console, 'error'), vi.spyOn(console, 'warn')];
  expect(renderToString(h(Provider, { client }, h(Notice)))).toBe('none');
  for (const spy of written) expect(spy).not.toHaveBeenCalled();
});
