/** Tools that run in the page: once for each call, through cuts, reloads and replays. */
import { tool, lastAssistantMessageIsCompleteWithToolCalls, type UIMessage } from 'ai';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { createWorld } from './kit.ts';
import { mountChat, type Mounted } from './mount.tsx';

const expectSoon = (check: () => unknown) => expect.poll(check, { interval: 5, timeout: 10_000 });
const tools = {
  look: tool({
    description: 'Looks outside.',
    inputSchema: z.object({ at: z.string() }),
    outputSchema: z.string(),
  }),
};

/** Runs each tool once for its id, as docs/ai.md shows it. */
function createTools() {
  const done = new Set<string>();
  const calls: string[] = [];
  let mounted: Mounted | undefined;
  return {
    calls,
    done,
    use: (page: Mounted) => (mounted = page),
    options: {
      onToolCall({ toolCall: { toolCallId } }: { toolCall: { toolCallId: string } }) {
        calls.push(toolCallId);
        if (done.has(toolCallId)) return;
        done.add(toolCallId);
        void mounted!.chat.addToolOutput({ tool: 'look' as never, toolCallId, output: 'rain' });
      },
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
    },
  };
}

async function askWithTool(cutAfter?: number) {
  const world = createWorld({ tools });
  const page = createTools();
  const mounted = mountChat(world.open(cutAfter === undefined ? {} : { cutAfter }), {
    resume: false,
    ...page.options,
  });
  page.use(mounted);
  void mounted.chat.sendMessage({ text: 'Weather?' });
  await world.model.callTool('call-1', 'look', { at: 'sea' });
  await world.model.finish('tool-calls');
  await expectSoon(() => world.model.calls()).toBe(2);
  await world.model.say('Rain.');
  await world.model.finish();
  await expectSoon(() => mounted.lines().at(-1)).toBe('assistant: Rain.');
  await expectSoon(() => mounted.chat.status).toBe('ready');
  return { world, page, mounted };
}

test('a tool runs once, and its output continues the message, through a cut after any chunk', async () => {
  for (const cutAfter of [undefined, 0, 1, 2, 3, 4, 5]) {
    const { world, page, mounted } = await askWithTool(cutAfter);
    expect(page.calls).toEqual(['call-1']);
    expect(world.posts).toHaveLength(2);
    expect(mounted.chat.messages).toHaveLength(2);
    const [, answer] = mounted.chat.messages as [UIMessage, UIMessage];
    expect(answer.parts.filter(({ type }) => type === 'tool-look')).toMatchObject([
      { toolCallId: 'call-1', state: 'output-available', output: 'rain' },
    ]);
    mounted.unmount();
  }
});

test('a reload after the end runs no tool and sends nothing, if the page has the message', async () => {
  const { world, mounted } = await askWithTool();
  const { messages } = mounted.chat;
  const page = createTools();
  const after = mountChat(world.open({ hasMessage: (id) => messages.some((message) => message.id === id) }), {
    messages,
    ...page.options,
  });
  page.use(after);
  const streams = world.streams();
  await expectSoon(() => world.streams()).toBeGreaterThanOrEqual(streams);
  await expectSoon(() => world.feed.stats().subscriptions['answer'] ?? 0).toBe(0);
  expect(page.calls).toEqual([]);
  expect(world.posts).toHaveLength(2);
});

test('a replay calls onToolCall again: a tool that is run by its id runs once', async () => {
  const world = createWorld({ tools });
  const first = createTools();
  const mounted = mountChat(world.open(), { onToolCall: first.options.onToolCall });
  first.use(mounted);
  void mounted.chat.sendMessage({ text: 'Weather?' });
  await world.model.callTool('call-1', 'look', { at: 'sea' });
  await expectSoon(() => first.calls).toEqual(['call-1']);
  mounted.unmount();
  // The page reloads while the run is running. The ids of its tools are in its storage.
  const again = mountChat(world.open(), {
    messages: [mounted.chat.messages[0]!],
    onToolCall: first.options.onToolCall,
  });
  first.use(again);
  await expectSoon(() => first.calls).toEqual(['call-1', 'call-1']);
  expect([...first.done]).toEqual(['call-1']);
});
