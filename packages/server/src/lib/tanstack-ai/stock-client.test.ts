/** With the published packages on both sides: `chat()` of TanStack AI, and the client of TanStack AI. */
import { defineChannel, run } from '@linefeed/shared';
import { streamChunk } from '@linefeed/shared/tanstack-ai';
import {
  chat,
  resumeServerSentEventsResponse,
  toServerSentEventsResponse,
  type AnyTextAdapter,
  type StreamChunk,
} from '@tanstack/ai';
import { ChatClient, fetchServerSentEvents } from '@tanstack/ai-client';
import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { createFeed } from '../feed/create-feed.ts';
import { runDurability } from './run-durability.ts';

const WORDS = ['The ', 'light ', 'is ', 'on.'];

/** A model that answers with WORDS. It waits for the test before each word. */
function createModel() {
  let free = 0;
  let wake = () => {};
  let calls = 0;
  const adapter = {
    kind: 'text',
    name: 'test',
    model: 'test',
    '~types': {},
    async *chatStream({
      runId,
      threadId,
    }: {
      runId?: string;
      threadId?: string;
    }): AsyncIterable<StreamChunk> {
      calls += 1;
      const emit = (type: string, rest: object) =>
        ({ type, timestamp: 1, model: 'test', ...rest }) as unknown as StreamChunk;
      yield emit('RUN_STARTED', { runId, threadId });
      yield emit('TEXT_MESSAGE_START', { messageId: 'm', role: 'assistant' });
      for (const delta of WORDS) {
        while (free === 0) await new Promise<void>((resolve) => (wake = resolve));
        free -= 1;
        yield emit('TEXT_MESSAGE_CONTENT', { messageId: 'm', delta });
      }
      yield emit('TEXT_MESSAGE_END', { messageId: 'm' });
      yield emit('RUN_FINISHED', { runId, threadId, finishReason: 'stop' });
    },
  } as unknown as AnyTextAdapter;
  return {
    adapter,
    calls: () => calls,
    release(words = WORDS.length) {
      free += words;
      wake();
    },
  };
}

interface WorldOptions {
  /** Cuts each response after this number of frames. */
  readonly cutAfter?: number;
}

function createWorld({ cutAfter = Infinity }: WorldOptions = {}) {
  // A channel of its own: two open feeds of one channel print a warning.
  const chats = defineChannel({
    answer: run({ params: z.object({ thread: z.string() }), data: streamChunk }),
  });
  const feed = createFeed(chats, { authorize: () => true, onError: () => {} });
  onTestFinished(() => feed.close());
  const model = createModel();
  const requests: Request[] = [];
  const answer = async (request: Request): Promise<Response> => {
    requests.push(request);
    const adapter = await runDurability(feed, 'answer', { params: { thread: 't' }, request });
    if (request.method === 'GET') return resumeServerSentEventsResponse({ adapter });
    const { abortController } = adapter;
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const stream = chat({ adapter: model.adapter, messages, abortController });
    return toServerSentEventsResponse(stream as AsyncIterable<StreamChunk>, {
      abortController,
      durability: { adapter, batch: 1 },
    });
  };
  const fetchClient: typeof fetch = async (url, init) => {
    const { signal: _, ...rest } = init ?? {};
    const response = await answer(new Request(url, rest));
    return new Response(response.body!.pipeThrough(cutStream(cutAfter)), response);
  };
  const connection = fetchServerSentEvents('http://app.test/chat', {
    fetchClient,
    reconnect: { delayMs: 1, maxAttempts: 20 },
  });
  /** A page of this chat. */
  const openPage = () => {
    const errors: Error[] = [];
    const page = new ChatClient({ connection, threadId: 't', onError: (error) => errors.push(error) });
    onTestFinished(() => page.stop());
    const texts = () =>
      page
        .getMessages()
        .filter(({ role }) => role === 'assistant')
        .map(({ parts }) => parts.map((part) => (part.type === 'text' ? part.content : '')).join(''));
    return { page, errors, texts };
  };
  return { feed, model, requests, connection, openPage };
}

/** Passes frames, and breaks after some of them. */
function cutStream(frames: number): TransformStream<Uint8Array, Uint8Array> {
  let left = frames;
  return new TransformStream({
    transform(bytes, controller) {
      if (left <= 0) return controller.error(new TypeError('network error'));
      left -= 1;
      controller.enqueue(bytes);
    },
  });
}

test('the client of TanStack AI reads an answer through a run', async () => {
  const { model, openPage, feed } = createWorld();
  const { page, errors, texts } = openPage();
  model.release();
  await page.sendMessage('Hi');
  expect(texts()).toEqual([WORDS.join('')]);
  expect(errors).toEqual([]);
  expect(await feed.runs('answer', { thread: 't' })).toMatchObject([{ outcome: 'done' }]);
});

test('the client of TanStack AI gets each chunk once through a cut after any number of frames', async () => {
  for (let cutAfter = 1; cutAfter <= 9; cutAfter += 1) {
    const { model, openPage, requests, feed } = createWorld({ cutAfter });
    const { page, errors, texts } = openPage();
    model.release();
    await page.sendMessage('Hi');
    expect(texts(), `cut after ${cutAfter} frames`).toEqual([WORDS.join('')]);
    expect(errors).toEqual([]);
    expect(model.calls()).toBe(1);
    if (cutAfter < 9) expect(requests.length).toBeGreaterThan(1);
    expect(await feed.runs('answer', { thread: 't' })).toHaveLength(1);
  }
});

test('a reload in mid-answer joins the run by its id, and reads it once', async () => {
  const { model, connection, requests, openPage } = createWorld();
  const { page } = openPage();
  const sending = page.sendMessage('Hi');
  model.release(2);
  await expect.poll(() => requests.length).toBe(1);
  const runId = requests[0]!.headers.get('x-run-id')!;
  page.stop();
  await sending;

  let text = '';
  const joining = (async () => {
    for await (const chunk of connection.joinRun(runId)) {
      text += 'delta' in chunk ? chunk.delta : '';
    }
  })();
  await expect.poll(() => text).toBe('The light ');
  model.release(2);
  await joining;
  expect(text).toBe(WORDS.join(''));
  expect(model.calls()).toBe(1);
});

test('a stop on the server ends the chat with an error, and calls no model again', async () => {
  const { feed, model, openPage } = createWorld();
  const { page, errors, texts } = openPage();
  const sending = page.sendMessage('Hi');
  model.release(2);
  await expect.poll(() => texts()).toEqual(['The light ']);
  const stopping = feed.stop('answer', { thread: 't' }, { reason: 'user' });
  model.release();
  expect(await stopping).toMatchObject({ outcome: 'stopped' });
  await sending;
  expect(errors.map(({ message }) => message)).toEqual(['Request aborted']);
  expect(model.calls()).toBe(1);
});
