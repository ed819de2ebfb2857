import {
  createUIMessageStream,
  streamText,
  toUIMessageStream,
  type UIMessage,
  type UIMessageChunk,
} from 'ai';
import { convertArrayToReadableStream, MockLanguageModelV4, simulateReadableStream } from 'ai/test';
import { defineChannel, run } from '@linefeed/shared';
import { uiMessageChunk } from '@linefeed/shared/ai';
import { expect, onTestFinished, test } from 'vitest';
import { createFeed } from '../feed/create-feed.ts';
import type { ChunkStream } from './read-chunks.ts';
import { uiMessageSource, type UIMessageRun, type UIMessageSourceOptions } from './ui-message-source.ts';

type ModelStream = Awaited<ReturnType<MockLanguageModelV4['doStream']>>['stream'];
type ModelPart = ModelStream extends ReadableStream<infer Part> ? Part : never;

const USAGE = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};
const ANSWER: ModelPart[] = [
  { type: 'stream-start', warnings: [] },
  { type: 'text-start', id: 't' },
  { type: 'text-delta', id: 't', delta: 'Hello' },
  { type: 'text-delta', id: 't', delta: ' world' },
  { type: 'text-end', id: 't' },
  { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage: USAGE },
];
const MESSAGES: UIMessage[] = [{ id: 'u1', role: 'user', parts: [{ type: 'text', text: 'Hi' }] }];

function modelOf(stream: ModelStream): MockLanguageModelV4 {
  return new MockLanguageModelV4({ doStream: async () => ({ stream }) });
}

interface Recorded {
  readonly chunks: readonly UIMessageChunk[];
  readonly error: unknown;
}

/** Runs a source to its end. */
async function record(
  open: (run: UIMessageRun) => ChunkStream,
  options: UIMessageSourceOptions = {},
  change: Partial<UIMessageRun> = {},
): Promise<Recorded> {
  const { signal } = new AbortController();
  const chunks: UIMessageChunk[] = [];
  try {
    const source = uiMessageSource(open, options);
    for await (const chunk of source({ run: 'r1', signal, stored: [], ...change })) chunks.push(chunk);
    return { chunks, error: undefined };
  } catch (error) {
    return { chunks, error };
  }
}

const list = (...chunks: UIMessageChunk[]) => convertArrayToReadableStream(chunks);
const START: UIMessageChunk = { type: 'start', messageId: 'm1' };
const TEXT: UIMessageChunk = { type: 'text-start', id: 't' };
const status = (transient?: boolean): UIMessageChunk => ({
  type: 'data-status',
  data: 'searching',
  ...(transient !== undefined && { transient }),
});

test('an answer of streamText is recorded chunk by chunk, with the id of its message', async () => {
  const { stream } = streamText({ model: modelOf(simulateReadableStream({ chunks: ANSWER })), prompt: 'Hi' });
  const { chunks, error } = await record(() =>
    toUIMessageStream({ stream, originalMessages: MESSAGES, generateMessageId: () => 'm1' }),
  );
  expect(error).toBeUndefined();
  expect(chunks).toEqual([
    START,
    { type: 'start-step' },
    { type: 'text-start', id: 't' },
    { type: 'text-delta', id: 't', delta: 'Hello' },
    { type: 'text-delta', id: 't', delta: ' world' },
    { type: 'text-end', id: 't' },
    { type: 'finish-step' },
    { type: 'finish', finishReason: 'stop' },
  ]);
});

test('a start without an id gets the given id, or the id of the run', async () => {
  const open = () => list({ type: 'start', messageMetadata: 1 }, TEXT);
  expect((await record(open)).chunks).toEqual([{ type: 'start', messageMetadata: 1, messageId: 'r1' }, TEXT]);
  expect((await record(open, { messageId: 'mine' })).chunks[0]).toMatchObject({ messageId: 'mine' });
});

test('a stream without a start gets one before its first chunk', async () => {
  const start = { type: 'start', messageId: 'r1' };
  expect((await record(() => list(TEXT))).chunks).toEqual([start, TEXT]);
  expect((await record(() => list())).chunks).toEqual([start]);
  expect((await record(() => list(status()))).chunks).toEqual([start, status()]);
});

test('data parts before the start come after it, so that a replay keeps them', async () => {
  const open = () =>
    createUIMessageStream({
      execute({ writer }) {
        writer.write(status());
        writer.write(START);
        writer.write(TEXT);
      },
    });
  expect((await record(open)).chunks).toEqual([START, status(), TEXT]);
});

test('with a given id, the start is recorded before the first data part', async () => {
  const { chunks } = await record(() => list(status(), START, TEXT), { messageId: 'mine' });
  expect(chunks).toEqual([{ type: 'start', messageId: 'mine' }, status(), TEXT]);
});

test('a later start becomes its metadata: it begins no second message', async () => {
  const { chunks } = await record(() =>
    list(START, TEXT, { type: 'start', messageId: 'm2' }, { type: 'start', messageMetadata: { a: 1 } }),
  );
  expect(chunks).toEqual([START, TEXT, { type: 'message-metadata', messageMetadata: { a: 1 } }]);
});

test('transient parts are recorded, or with recordTransient false left out', async () => {
  const open = () => list(START, status(true), status(false), status());
  expect((await record(open)).chunks).toEqual([START, status(true), status(false), status()]);
  expect((await record(open, { recordTransient: false })).chunks).toEqual([START, status(false), status()]);
});

test('an error chunk is the last one, and fails the run with its text', async () => {
  let isEnded = false;
  const parts: ModelPart[] = [...ANSWER.slice(0, 3), { type: 'error', error: new Error('secret') }];
  const { stream } = streamText({
    model: modelOf(convertArrayToReadableStream(parts)),
    prompt: 'Hi',
    onError() {},
  });
  const { chunks, error } = await record(() =>
    toUIMessageStream({
      stream,
      onError: () => 'The model is away.',
      onEnd: () => void (isEnded = true),
    }),
  );
  expect(chunks.at(-1)).toEqual({ type: 'error', errorText: 'The model is away.' });
  expect(error).toMatchObject({ code: 'source_failed', message: 'The model is away.' });
  // The application saves the message there.
  expect(isEnded).toBe(true);
});

test('a feed records the chunks of a message as a run, and its outcome', async () => {
  const chats = defineChannel({ answer: run({ data: uiMessageChunk }) });
  const feed = createFeed(chats, { authorize: () => true, onError() {} });
  onTestFinished(() => feed.close());
  const endOf = async (...chunks: UIMessageChunk[]) => {
    const started = await feed.start(
      'answer',
      uiMessageSource(() => list(...chunks)),
    );
    await expect.poll(async () => (await feed.runs('answer')).at(-1)?.status).toBe('ended');
    const info = (await feed.runs('answer')).at(-1);
    expect(info?.run).toBe(started.run);
    return info;
  };
  expect(await endOf(START, TEXT, { type: 'finish' })).toMatchObject({ outcome: 'done', events: 3 });
  expect(await endOf(START, { type: 'error', errorText: 'Away.' })).toMatchObject({
    outcome: 'failed',
    events: 2,
    error: { code: 'source_failed', message: 'Away.' },
  });
});

test('a stream that breaks fails the run', async () => {
  const failure = new Error('broken');
  const { chunks, error } = await record(async function* () {
    yield START;
    throw failure;
  });
  expect(chunks).toEqual([START]);
  expect(error).toBe(failure);
});

test('an abort cancels a model that waits, and its onEnd gets the part of the answer', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let cancelled = 0;
  let saved: UIMessage | undefined;
  const model = modelOf(
    new ReadableStream({
      start: (stream) => ANSWER.slice(0, 3).forEach((part) => stream.enqueue(part)),
      cancel: () => void (cancelled += 1),
    }),
  );
  const source = uiMessageSource(() =>
    toUIMessageStream({
      stream: streamText({ model, prompt: 'Hi', abortSignal: signal }).stream,
      onEnd: ({ responseMessage }) => void (saved = responseMessage),
    }),
  )({ run: 'r1', signal, stored: [] });
  const chunks: UIMessageChunk[] = [];
  for await (const chunk of source) {
    chunks.push(chunk);
    if (chunk.type === 'text-delta') queueMicrotask(() => controller.abort());
  }
  expect(chunks.at(-1)).toMatchObject({ type: 'text-delta', delta: 'Hello' });
  await expect.poll(() => saved?.parts).toMatchObject([{ type: 'step-start' }, { text: 'Hello' }]);
  expect(cancelled).toBe(1);
});

test('an iterable that waits is returned at the abort, and one that is left is cancelled', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let returned = 0;
  const waiting: AsyncIterable<UIMessageChunk> = {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => resolve({ done: true, value: undefined })),
        ),
      return: async () => ({ done: true, value: (returned += 1) }),
    }),
  };
  const recording = record(() => waiting, {}, { signal });
  controller.abort();
  expect((await recording).error).toBeUndefined();
  expect(returned).toBe(1);

  let cancelled = 0;
  const stream = new ReadableStream<UIMessageChunk>({
    start: (given) => given.enqueue(START),
    cancel: () => void (cancelled += 1),
  });
  const source = uiMessageSource(() => stream)({
    run: 'r1',
    signal: new AbortController().signal,
    stored: [],
  });
  await source.next();
  await source.return(undefined);
  expect(cancelled).toBe(1);
});

test('a later attempt begins the unfinished step again, without a second start', async () => {
  const { chunks } = await record(() => list(START, TEXT), {}, { stored: [START, TEXT] });
  expect(chunks).toEqual([{ type: 'reset-step' }, TEXT]);
});

test('the output of a tool is recorded as the JSON that the SDK would send', async () => {
  const at = new Date(0);
  const { chunks } = await record(() =>
    list(START, { type: 'tool-output-available', toolCallId: 'c', output: { at, none: undefined } }),
  );
  expect(chunks[1]).toEqual({ type: 'tool-output-available', toolCallId: 'c', output: { at: at.toJSON() } });
});
