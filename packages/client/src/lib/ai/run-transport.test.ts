import { LinefeedError } from '@linefeed/shared';
import { convertArrayToReadableStream } from 'ai/test';
import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai';
import { expect, test } from 'vitest';
import { createScriptedRuns, HELLO, type ScriptedRuns } from '../../../test/scripted-chat.ts';
import type { RunEnd } from '../subscriptions/types.ts';
import { runTransport, type RunTransport, type RunTransportOptions } from './run-transport.ts';
import type { StartedRun } from './start.ts';

const USER: UIMessage = { id: 'u1', role: 'user', parts: [{ type: 'text', text: 'Hi' }] };

interface World extends ScriptedRuns {
  readonly transport: RunTransport;
  readonly send: (
    change?: Partial<Parameters<ChatTransport<UIMessage>['sendMessages']>[0]>,
  ) => Promise<ReadableStream<UIMessageChunk>>;
  readonly reconnect: (abortSignal?: AbortSignal) => Promise<ReadableStream<UIMessageChunk> | null>;
}

function createWorld(options: Partial<RunTransportOptions> = {}): World {
  const runs = createScriptedRuns();
  const transport = runTransport(runs.client, 'answer', {
    params: (chat: string) => ({ chat }),
    start: async () => ({ run: 'r1' }),
    ...options,
  });
  return {
    ...runs,
    transport,
    send: (change) =>
      transport.sendMessages({
        trigger: 'submit-message',
        chatId: 'c1',
        messageId: undefined,
        messages: [USER],
        abortSignal: undefined,
        ...change,
      }),
    reconnect: (abortSignal) =>
      transport.reconnectToStream({ chatId: 'c1', ...(abortSignal && { abortSignal }) }),
  };
}

async function readAll(stream: ReadableStream<UIMessageChunk>): Promise<UIMessageChunk[]> {
  const chunks: UIMessageChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** Completes all work that needs no timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('a sent message reads the started run from its first chunk to its recorded finish', async () => {
  const { send, last } = createWorld();
  const reading = readAll(await send());
  expect(last()).toMatchObject({ params: { chat: 'c1' }, from: 'r1.0' });
  last().begin('r1');
  await last().send(...HELLO);
  last().end();
  expect(await reading).toEqual(HELLO);
  expect(last().isOpen()).toBe(false);
});

test('start gets the request of the chat and a key that differs for each message', async () => {
  const requests: unknown[] = [];
  const { send } = createWorld({
    start: async (request) => {
      requests.push(request);
      return { run: 'r1' };
    },
  });
  await send({ headers: { a: 'b' }, body: { model: 'x' }, metadata: 1 });
  await send({ trigger: 'regenerate-message', messageId: 'm1' });
  expect(requests).toMatchObject([
    { chatId: 'c1', messages: [USER], headers: { a: 'b' }, body: { model: 'x' }, metadata: 1 },
    { trigger: 'regenerate-message', messageId: 'm1' },
  ]);
  const keys = requests.map((request) => (request as { key: string }).key);
  expect(keys[0]).toMatch(/^[0-9a-z]{16,}$/);
  expect(keys[1]).not.toBe(keys[0]);
});

test('a run that is stopped, failed, lost or gone never ends its stream without a final chunk', async () => {
  const part = HELLO.slice(0, 4);
  for (const [outcome, final] of [
    ['done', { type: 'finish' }],
    ['stopped', { type: 'abort', reason: 'user' }],
    ['failed', { type: 'error', errorText: 'No.' }],
    ['lost', { type: 'error', errorText: 'The answer was interrupted.' }],
    ['gone', { type: 'error', errorText: 'The answer is no longer available.' }],
  ] as const) {
    const { send, last } = createWorld();
    const reading = readAll(await send());
    last().begin('r1');
    await last().send(...part);
    last().end({ outcome, reason: 'user', error: new LinefeedError('source_failed', 'No.') } as RunEnd);
    expect(await reading).toEqual([...part, final]);
  }
});

test('toErrorText replaces the text of an error', async () => {
  const { send, last } = createWorld({ toErrorText: ({ outcome }) => `Verloren: ${outcome}` });
  const reading = readAll(await send());
  last().begin('r1');
  last().end({ outcome: 'lost' });
  expect(await reading).toEqual([{ type: 'error', errorText: 'Verloren: lost' }]);
});

test('a run whose record is deleted before it is read ends with an error, and its successor is not read', async () => {
  const { send, last } = createWorld();
  const reading = readAll(await send());
  last().begin('r2');
  await last().send(...HELLO);
  expect(await reading).toEqual([{ type: 'error', errorText: 'The answer is no longer available.' }]);
  expect(last().isOpen()).toBe(false);
});

test('another attempt of a run continues its stream', async () => {
  const { send, last } = createWorld();
  const reading = readAll(await send());
  last().begin('r1');
  await last().send(...HELLO.slice(0, 4));
  last().begin('r1');
  await last().send(...HELLO.slice(4));
  last().end();
  expect(await reading).toEqual(HELLO);
});

test('a retryable failure breaks the stream with a network error, a refusal with its own error', async () => {
  for (const [code, retryable] of [
    ['network', true],
    ['retries_exhausted', false],
  ] as const) {
    const { send, last } = createWorld();
    const stream = await send();
    last().fail(new LinefeedError(code, 'away', { retryable }));
    const failure = await readAll(stream).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TypeError);
    expect(failure).toMatchObject({ message: 'network error', cause: { code } });
  }
  const { send, last } = createWorld();
  const stream = await send();
  last().fail(new LinefeedError('forbidden', 'Not yours.', { status: 403 }));
  await expect(readAll(stream)).rejects.toMatchObject({ code: 'forbidden' });
});

test('a client that is closed breaks the stream', async () => {
  const { send, last } = createWorld();
  const stream = await send();
  last().close();
  await expect(readAll(stream)).rejects.toThrow('network error');
});

test('a slow reader delays the subscription', async () => {
  const { send, last } = createWorld();
  const stream = await send();
  last().begin('r1');
  let taken = 0;
  const sending = (async () => {
    for (; taken < 200; taken += 1) await last().send({ type: 'text-delta', id: 't', delta: 'x' });
  })();
  await settle();
  expect(taken).toBe(63);
  const reader = stream.getReader();
  for (let n = 0; n < 10; n += 1) await reader.read();
  await settle();
  expect(taken).toBe(73);
  await reader.cancel();
  await sending;
  expect(last().isOpen()).toBe(false);
});

test('a reader that aborts leaves, and stops nothing', async () => {
  const { send, last, stops } = createWorld();
  const controller = new AbortController();
  const stream = await send({ abortSignal: controller.signal });
  controller.abort();
  await expect(readAll(stream)).rejects.toMatchObject({ name: 'AbortError' });
  expect(last().isOpen()).toBe(false);
  expect(stops).toEqual([]);
});

test('an aborted signal opens nothing', async () => {
  const world = createWorld();
  const aborted = AbortSignal.abort();
  await expect(world.send({ abortSignal: aborted })).rejects.toMatchObject({ name: 'AbortError' });
  await expect(world.reconnect(aborted)).rejects.toMatchObject({ name: 'AbortError' });
  expect(world.subscriptions).toEqual([]);
});

test('a reader that aborts while the run starts leaves at once, and the request continues', async () => {
  let answer!: (started: StartedRun) => void;
  const world = createWorld({ start: () => new Promise((resolve) => (answer = resolve)) });
  const controller = new AbortController();
  const sending = world.send({ abortSignal: controller.signal });
  controller.abort();
  await expect(sending).rejects.toMatchObject({ name: 'AbortError' });
  const stopping = world.transport.stop('c1');
  answer({ run: 'r1' });
  expect(await stopping).toEqual({ run: 'r1', outcome: 'stopped' });
  expect(world.stops).toEqual([['answer', { chat: 'c1' }, { run: 'r1' }]]);
  expect(world.subscriptions).toEqual([]);
});

test('stop stops the run of the chat, with a reason', async () => {
  const { send, transport, stops } = createWorld();
  await send();
  await transport.stop('c1', { reason: 'user' });
  expect(stops).toEqual([['answer', { chat: 'c1' }, { reason: 'user', run: undefined }]]);
});

test('a request that cannot start a run rejects, and stop then asks for any run', async () => {
  const { send, transport, stops, subscriptions } = createWorld({
    start: () => Promise.reject(new Error('Busy.')),
  });
  const sending = send();
  const stopping = transport.stop('c1');
  await expect(sending).rejects.toThrow('Busy.');
  await stopping;
  expect(stops).toHaveLength(1);
  expect(subscriptions).toEqual([]);
});

test('a resume of a running run replays it from its start, then continues', async () => {
  const { reconnect, last, transport } = createWorld();
  expect(transport.resumeStreamIsReplay).toBe(true);
  const resuming = reconnect();
  await settle();
  expect(last().from).toBe('start');
  last().begin('r1');
  await last().send(...HELLO.slice(0, 4));
  last().caughtUp();
  const reading = readAll((await resuming)!);
  await last().send(...HELLO.slice(4));
  last().end();
  expect(await reading).toEqual(HELLO);
});

test('a resume without a run, or after an empty run, is null', async () => {
  for (const endsFirst of [false, true]) {
    const { reconnect, last } = createWorld();
    const resuming = reconnect();
    await settle();
    if (endsFirst) {
      last().begin('r1');
      last().end();
    } else last().caughtUp();
    expect(await resuming).toBeNull();
    expect(last().isOpen()).toBe(false);
  }
});

test('a resume of a run without chunks waits for them if it is running, and tells the error if it has failed', async () => {
  const running = createWorld();
  const resuming = running.reconnect();
  await settle();
  running.last().begin('r1');
  running.last().caughtUp();
  expect(await resuming).not.toBeNull();

  const failed = createWorld();
  const failing = failed.reconnect();
  await settle();
  failed.last().begin('r1');
  failed.last().end({ outcome: 'lost' });
  expect(await readAll((await failing)!)).toMatchObject([{ type: 'error' }]);
});

test('a run that is over is null if the page has its message, and is replayed if not', async () => {
  const asked: string[][] = [];
  for (const hasIt of [true, false]) {
    const { reconnect, last } = createWorld({
      hasMessage: (...ids) => {
        asked.push(ids);
        return hasIt;
      },
    });
    const resuming = reconnect();
    await settle();
    last().begin('r1');
    const sending = last().send(...HELLO);
    if (hasIt) {
      await sending;
      last().end();
      expect(await resuming).toBeNull();
    } else {
      const reading = readAll((await resuming)!);
      await sending;
      last().end();
      expect(await reading).toEqual(HELLO);
    }
    expect(asked).toContainEqual(['m1', 'c1']);
  }
});

test('a run that is still running is read although the page has its message', async () => {
  const { reconnect, last } = createWorld({ hasMessage: () => true });
  const resuming = reconnect();
  await settle();
  last().begin('r1');
  await last().send(...HELLO.slice(0, 4));
  let isResumed = false;
  void resuming.then(() => (isResumed = true));
  await settle();
  expect(isResumed).toBe(false);
  last().caughtUp();
  const reading = readAll((await resuming)!);
  await last().send(...HELLO.slice(4));
  last().end();
  expect(await reading).toEqual(HELLO);
});

test('a message that was read in part counts as absent, until it is read to its end', async () => {
  const { send, reconnect, last } = createWorld({ hasMessage: () => true });
  const stream = await send();
  last().begin('r1');
  await last().send(...HELLO.slice(0, 4));
  last().fail(new LinefeedError('network', 'away', { retryable: true }));
  await expect(readAll(stream)).rejects.toThrow('network error');
  for (const expected of [HELLO, null]) {
    const resuming = reconnect();
    await settle();
    last().begin('r1');
    await last().send(...HELLO);
    last().end();
    const resumed = await resuming;
    expect(resumed && (await readAll(resumed))).toEqual(expected);
  }
});

test('a replay leaves transient parts out, and live delivery has them', async () => {
  const status = (data: string): UIMessageChunk => ({ type: 'data-status', data, transient: true });
  const { send, reconnect, last } = createWorld();
  const live = readAll(await send());
  last().begin('r1');
  await last().send(HELLO[0]!, status('a'));
  last().end();
  expect(await live).toContainEqual(status('a'));
  const resuming = reconnect();
  await settle();
  last().begin('r1');
  await last().send(HELLO[0]!, status('a'), { type: 'data-status', data: 'kept' });
  last().caughtUp();
  const reading = readAll((await resuming)!);
  await last().send(status('b'));
  last().end();
  expect(await reading).toEqual([
    HELLO[0],
    { type: 'data-status', data: 'kept' },
    status('b'),
    { type: 'finish' },
  ]);
});

test('a resume that is not answered yet gives way to a message, and ends at its abort', async () => {
  const { send, reconnect, subscriptions } = createWorld();
  const controller = new AbortController();
  const resuming = reconnect(controller.signal);
  await settle();
  const reading = readAll(await send());
  const [resumed, sent] = subscriptions;
  expect(resumed!.isOpen()).toBe(false);
  sent!.begin('r1');
  await sent!.send(...HELLO);
  sent!.end();
  expect(await reading).toEqual(HELLO);
  let isSettled = false;
  const settled = resuming.catch((error: unknown) => error).finally(() => (isSettled = true));
  await settle();
  expect(isSettled).toBe(false);
  controller.abort();
  expect(await settled).toMatchObject({ name: 'AbortError' });
});

test('a resume that fails before it has a run rejects', async () => {
  const { reconnect, last } = createWorld();
  const resuming = reconnect();
  await settle();
  last().fail(new LinefeedError('forbidden', 'Not yours.', { status: 403 }));
  await expect(resuming).rejects.toMatchObject({ code: 'forbidden' });
});

test('runTransport refuses options of a wrong type', () => {
  const { client } = createScriptedRuns();
  expect(() => runTransport(client, 'answer', {} as never)).toThrow('start');
  expect(() => runTransport(client, 'answer', { start: '/', params: {} } as never)).toThrow('params');
  expect(() => runTransport(client, 'answer', { begin: '/' } as never)).toThrow('"begin"');
});

test('the chunks of the test are a stream that the SDK itself accepts', async () => {
  const { readUIMessageStream } = await import('ai');
  const states = readUIMessageStream({ stream: convertArrayToReadableStream([...HELLO]) });
  let text: unknown;
  for await (const message of states) text = message.parts.at(-1);
  expect(text).toMatchObject({ type: 'text', text: 'Hello world', state: 'done' });
});
