import { defineChannel, run, topic } from '@linefeed/shared';
import { uiMessageChunk } from '@linefeed/shared/ai';
import type { ChatTransport, UIMessage } from 'ai';
import { describe, expectTypeOf, it } from 'vitest';
import * as z from 'zod';
import type { Client, StoppedRun } from '@linefeed/client';
import { runTransport, type RunTransport } from '@linefeed/client/ai';

const chats = defineChannel({
  answer: run({ params: z.object({ chat: z.string() }), data: uiMessageChunk }),
  single: run({ data: uiMessageChunk }),
  notice: topic({ data: z.string() }),
});
declare const client: Client<typeof chats>;

interface MyMessage extends UIMessage<{ model: string }> {}

describe('types of runTransport', () => {
  it('runTransport returns a chat transport with a stop', () => {
    const transport = runTransport(client, 'answer', { params: (chat) => ({ chat }), start: '/api/chat' });
    expectTypeOf(transport).toEqualTypeOf<RunTransport>();
    expectTypeOf(transport).toExtend<ChatTransport<UIMessage>>();
    expectTypeOf(transport.stop('a', { reason: 'user' })).resolves.toEqualTypeOf<StoppedRun | undefined>();
  });

  it('runTransport takes params only for a topic that has them', () => {
    runTransport(client, 'single', { start: '/api/chat' });
    // @ts-expect-error -- the topic has params
    runTransport(client, 'answer', { start: '/api/chat' });
    // @ts-expect-error -- a chat is a string
    runTransport(client, 'answer', { params: () => ({ chat: 1 }), start: '/api/chat' });
    // @ts-expect-error -- the topic has no params
    runTransport(client, 'single', { params: (chat: string) => ({ chat }), start: '/api/chat' });
  });

  it('runTransport refuses a topic that is not a run, and options that it does not have', () => {
    // @ts-expect-error -- a logged topic
    runTransport(client, 'notice', { start: '/api/chat' });
    // @ts-expect-error -- no start
    runTransport(client, 'single', {});
    // @ts-expect-error -- no such option
    runTransport(client, 'single', { start: '/api/chat', api: '/api/chat' });
  });

  it('start gets the messages of the chat, and returns the run', () => {
    const transport = runTransport<typeof chats, 'single', MyMessage>(client, 'single', {
      async start({ messages, key }) {
        expectTypeOf(messages).toEqualTypeOf<MyMessage[]>();
        return { run: key };
      },
    });
    expectTypeOf(transport).toExtend<ChatTransport<MyMessage>>();
    // @ts-expect-error -- no run
    runTransport(client, 'single', { start: async () => ({}) });
  });
});
