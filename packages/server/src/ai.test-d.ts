import { defineChannel, run } from '@linefeed/shared';
import { uiMessageChunk } from '@linefeed/shared/ai';
import { streamChunk } from '@linefeed/shared/tanstack-ai';
import type { StreamChunk, StreamDurability } from '@tanstack/ai';
import type { InferUIMessageChunk, UIMessage, UIMessageChunk } from 'ai';
import { describe, expectTypeOf, it } from 'vitest';
import * as z from 'zod';
import { createFeed } from '@linefeed/server';
import { uiMessageSource } from '@linefeed/server/ai';
import { runDurability } from '@linefeed/server/tanstack-ai';
import type { Payload } from '@linefeed/shared';

const chats = defineChannel({
  answer: run({ params: z.object({ chat: z.string() }), data: uiMessageChunk }),
  reply: run({ data: streamChunk }),
});
const feed = createFeed(chats, { authorize: () => true });
declare const chunks: ReadableStream<UIMessageChunk>;
declare const request: Request;

interface MyMessage extends UIMessage<{ model: string }, { status: string }> {}
declare const mine: ReadableStream<InferUIMessageChunk<MyMessage>>;

describe('types of the chunks of models', () => {
  it('the payload of a run of chunks is the union of the library', () => {
    expectTypeOf<Payload<typeof chats, 'answer'>>().toEqualTypeOf<UIMessageChunk>();
    expectTypeOf<Payload<typeof chats, 'reply'>>().toEqualTypeOf<StreamChunk>();
  });
});

describe('types of uiMessageSource', () => {
  it('feed.start takes a UI message stream as the source of a run', () => {
    void feed.start(
      'answer',
      { chat: 'a' },
      uiMessageSource(() => chunks),
    );
    void feed.start(
      'answer',
      { chat: 'a' },
      uiMessageSource(
        async ({ signal, run: id, attempt }) => {
          expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
          expectTypeOf(id).toEqualTypeOf<string>();
          expectTypeOf(attempt).toEqualTypeOf<number>();
          return chunks;
        },
        { messageId: 'm', recordTransient: false },
      ),
      { key: 'k', whenBusy: 'refuse' },
    );
  });

  it('uiMessageSource takes chunks of a message with its own metadata and data', () => {
    void feed.start(
      'answer',
      { chat: 'a' },
      uiMessageSource(() => mine),
    );
  });

  it('uiMessageSource refuses other content and unknown options', () => {
    // @ts-expect-error -- not chunks
    uiMessageSource(() => ['text']);
    // @ts-expect-error -- no such option
    uiMessageSource(() => chunks, { transient: false });
  });
});

describe('types of runDurability', () => {
  it('runDurability resolves with a StreamDurability and a controller', async () => {
    const durability = await runDurability(feed, 'answer', {
      params: { chat: 'a' },
      request,
      principal: 'ann',
    });
    expectTypeOf(durability).toExtend<StreamDurability>();
    expectTypeOf(durability.abortController).toEqualTypeOf<AbortController>();
    await runDurability(feed, 'reply', { request });
    // @ts-expect-error -- params are missing
    await runDurability(feed, 'answer', { request });
    // @ts-expect-error -- the request is missing
    await runDurability(feed, 'reply', {});
  });
});
