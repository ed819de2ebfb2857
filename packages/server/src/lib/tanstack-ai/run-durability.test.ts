import { defineChannel, run } from '@linefeed/shared';
import { streamChunk } from '@linefeed/shared/tanstack-ai';
import { resumeServerSentEventsResponse, toServerSentEventsResponse, type StreamChunk } from '@tanstack/ai';
import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { createFeed } from '../feed/create-feed.ts';
import type { Feed } from '../feed/types.ts';
import { memoryRuns } from '../runs/memory-runs.ts';
import type { RunStore } from '../runs/run-store.ts';
import { runDurability, type RunDurabilityOptions } from './run-durability.ts';

const chats = defineChannel({
  answer: run({ params: z.object({ chat: z.string() }), data: streamChunk }),
});
type Chats = typeof chats;

const URL = 'http://app.test/api/chat';
const post = (runId: string, headers: Record<string, string> = {}) =>
  new Request(URL, { method: 'POST', body: '{}', headers: { 'x-run-id': runId, ...headers } });
const get = (query: string) => new Request(`${URL}?${query}`);

const chunk = (type: string, rest: object = {}) =>
  ({ type, timestamp: 1, ...rest }) as unknown as StreamChunk;
const delta = (text: string) => chunk('TEXT_MESSAGE_CONTENT', { messageId: 'm', delta: text });
const STARTED = chunk('RUN_STARTED', { runId: 'r', threadId: 't' });
const FINISHED = chunk('RUN_FINISHED', { runId: 'r', threadId: 't' });

function createChats(store?: RunStore, options: object = {}): Feed<Chats> {
  const feed = createFeed<Chats>(chats, {
    authorize: () => true,
    ...(store && { runs: store }),
    onError: () => {},
    ...options,
  });
  onTestFinished(() => feed.close());
  return feed;
}

const open = (feed: Feed<Chats>, request: Request, options: Partial<RunDurabilityOptions> = {}) =>
  runDurability(feed, 'answer', { params: { chat: 'c' }, request, ...options });

/** A model whose chunks the test pushes. */
function createModel() {
  const waiting: Array<StreamChunk | Error> = [];
  let wake = () => {};
  let pulls = 0;
  return {
    pulls: () => pulls,
    push(...chunks: Array<StreamChunk | Error>) {
      waiting.push(...chunks);
      wake();
    },
    async *stream(signal: AbortSignal): AsyncGenerator<StreamChunk> {
      pulls += 1;
      signal.addEventListener('abort', () => wake());
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next instanceof Error) throw next;
        if (next !== undefined) yield next;
        if (next === FINISHED) return;
        if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

type Model = ReturnType<typeof createModel>;

/** The handler of an application: a POST produces or resumes, a GET resumes. */
async function answer(
  feed: Feed<Chats>,
  request: Request,
  model: Model,
  options?: Partial<RunDurabilityOptions>,
) {
  const adapter = await open(feed, request, options);
  if (request.method === 'GET') return resumeServerSentEventsResponse({ adapter });
  const { abortController } = adapter;
  return toServerSentEventsResponse(model.stream(abortController.signal), {
    abortController,
    durability: { adapter, batch: 1 },
    debug: false,
  });
}

interface Frame {
  readonly id: string | undefined;
  readonly chunk: { readonly type: string; readonly delta?: string; readonly message?: string };
}

/** Reads frames until the body ends, or until `enough`. */
async function readFrames(response: Response, enough: (frames: readonly Frame[]) => boolean = () => false) {
  const frames: Frame[] = [];
  let text = '';
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  while (!enough(frames)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const id = /^id: (.*)$/m.exec(block)?.[1];
      frames.push({ id, chunk: JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as Frame['chunk'] });
    }
  }
  await reader.cancel();
  return frames;
}

const typesOf = (frames: readonly Frame[]) => frames.map(({ chunk: { type } }) => type);
const textOf = (frames: readonly Frame[]) => frames.map(({ chunk: { delta: part = '' } }) => part).join('');

test('a run records each chunk before the response has it, and ends with the response', async () => {
  const feed = createChats();
  const model = createModel();
  const response = await answer(feed, post('a'), model);
  model.push(STARTED, delta('Hello'), delta(' world'), FINISHED);
  const frames = await readFrames(response);
  expect(typesOf(frames)).toEqual([
    'CUSTOM',
    'RUN_STARTED',
    'TEXT_MESSAGE_CONTENT',
    'TEXT_MESSAGE_CONTENT',
    'RUN_FINISHED',
  ]);
  const [info] = await feed.runs('answer', { chat: 'c' });
  expect(info).toMatchObject({ key: 'a', status: 'ended', outcome: 'done', events: 5 });
  expect(frames.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5].map((n) => `${info!.run}.${n}`));
});

test('for every offset, the chunks before it and a resume from it are the whole run, live and after the end', async () => {
  const feed = createChats();
  const model = createModel();
  const live = await answer(feed, post('a'), model);
  model.push(STARTED, delta('a'), delta('b'), delta('c'));
  const first = await readFrames(live, (frames) => frames.length === 5);
  const resumed = first.map(async ({ id }) =>
    readFrames(await answer(feed, post('a', { 'last-event-id': id! }), model)),
  );
  model.push(delta('d'), FINISHED);
  const rests = await Promise.all(resumed);
  const whole = await readFrames(await answer(feed, get('offset=-1&runId=a'), model));
  expect(textOf(whole)).toBe('abcd');
  for (const [k, rest] of rests.entries()) {
    expect([...whole.slice(0, k + 1), ...rest]).toEqual(whole);
    const late = await readFrames(await answer(feed, post('a', { 'last-event-id': first[k]!.id! }), model));
    expect(late).toEqual(rest);
  }
  expect(model.pulls()).toBe(1);
});

test('a second request with the same run id starts nothing, and reads the run from its start', async () => {
  const feed = createChats();
  const model = createModel();
  const one = readFrames(await answer(feed, post('a'), model));
  const two = readFrames(await answer(feed, post('a'), model));
  model.push(STARTED, delta('x'), FINISHED);
  expect(await two).toEqual(await one);
  expect(model.pulls()).toBe(1);
  expect(await feed.runs('answer', { chat: 'c' })).toHaveLength(1);
});

test('another run while one is running is refused, and with replace the first one is stopped', async () => {
  const feed = createChats();
  const model = createModel();
  const first = readFrames(await answer(feed, post('a'), model));
  await expect(open(feed, post('b'))).rejects.toMatchObject({ code: 'run_busy', status: 409 });
  const second = createModel();
  const replaced = readFrames(await answer(feed, post('b'), second, { whenBusy: 'replace' }));
  second.push(FINISHED);
  expect(typesOf(await replaced)).toEqual(['CUSTOM', 'RUN_FINISHED']);
  await first;
  expect((await feed.runs('answer', { chat: 'c' })).map(({ outcome }) => outcome)).toEqual([
    'stopped',
    'done',
  ]);
});

test('a reader that leaves does not end the run', async () => {
  const feed = createChats();
  const model = createModel();
  await readFrames(await answer(feed, post('a'), model), (frames) => frames.length === 1);
  model.push(STARTED, delta('late'), FINISHED);
  const joined = await readFrames(await answer(feed, get('offset=-1&runId=a'), model));
  expect(textOf(joined)).toBe('late');
  expect(model.pulls()).toBe(1);
});

test('a stop aborts the model as a cancellation, and readers end with a RUN_ERROR', async () => {
  const feed = createChats();
  const model = createModel();
  const adapter = await open(feed, post('a'));
  const { abortController } = adapter;
  const live = readFrames(
    toServerSentEventsResponse(model.stream(abortController.signal), {
      abortController,
      durability: { adapter, batch: 1 },
      debug: false,
    }),
  );
  model.push(STARTED, delta('a'));
  const joined = readFrames(await answer(feed, get('offset=-1&runId=a'), model));
  await expect.poll(async () => (await feed.runs('answer', { chat: 'c' }))[0]?.events).toBe(3);
  expect(await feed.stop('answer', { chat: 'c' })).toMatchObject({ outcome: 'stopped' });
  expect(abortController.signal.reason).toBe('tanstack-ai:cancel-requested');
  await live;
  const frames = await joined;
  expect(frames.at(-1)!.chunk).toMatchObject({
    type: 'RUN_ERROR',
    message: 'Request aborted',
    code: 'aborted',
  });
  expect(frames.at(-1)!.id).toBe(`${adapter.run}.4`);
  // The client has the end: a resume from it has nothing more.
  const rest = await readFrames(
    await answer(feed, post('a', { 'last-event-id': frames.at(-1)!.id! }), model),
  );
  expect(rest).toEqual([]);
});

test('a model that fails ends the run as failed, with one RUN_ERROR in its record', async () => {
  const feed = createChats();
  const model = createModel();
  const live = readFrames(await answer(feed, post('a'), model));
  model.push(STARTED, new Error('The model is away.'));
  expect(typesOf(await live)).toEqual(['CUSTOM', 'RUN_STARTED', 'RUN_ERROR']);
  const joined = await readFrames(await answer(feed, get('offset=-1&runId=a'), model));
  expect(typesOf(joined)).toEqual(['CUSTOM', 'RUN_STARTED', 'RUN_ERROR']);
  const [info] = await feed.runs('answer', { chat: 'c' });
  expect(info).toMatchObject({
    outcome: 'failed',
    error: { code: 'source_failed', message: 'The model is away.' },
    events: 3,
  });
});

test('several RUN_FINISHED do not end the readers: only the close does', async () => {
  const feed = createChats();
  const adapter = await open(feed, post('a'));
  const joined = readFrames(await answer(feed, get('offset=-1&runId=a'), createModel()));
  await adapter.append([STARTED, FINISHED]);
  await adapter.append([delta('more'), FINISHED]);
  await adapter.close();
  expect(typesOf(await joined)).toEqual([
    'RUN_STARTED',
    'RUN_FINISHED',
    'TEXT_MESSAGE_CONTENT',
    'RUN_FINISHED',
  ]);
});

test('a snapshot has what is recorded now, and waits for nothing', async () => {
  const feed = createChats();
  const adapter = await open(feed, post('a'));
  expect(await adapter.snapshot()).toEqual([]);
  const offsets = await adapter.append([STARTED, delta('x')]);
  const expected = [STARTED, delta('x')].map((each, n) => ({ offset: offsets[n], chunk: each }));
  expect(await adapter.snapshot()).toEqual(expected);
  expect(await (await open(feed, get('offset=-1&runId=a'))).snapshot()).toEqual(expected);
  expect(await (await open(feed, get('offset=-1&runId=unknown'))).snapshot()).toEqual([]);
  await adapter.close();
});

test('the offset now reads only what comes later', async () => {
  const feed = createChats();
  const adapter = await open(feed, post('a'));
  await adapter.append([STARTED, delta('old')]);
  const joined = readFrames(await answer(feed, get('offset=now&runId=a'), createModel()));
  await adapter.append([delta('new'), FINISHED]);
  await adapter.close();
  expect(textOf(await joined)).toBe('new');
});

test('an offset of another chat, of another principal or of a deleted run is not read', async () => {
  const feed = createChats();
  const adapter = await open(feed, post('a'), { principal: 'ann' });
  const [offset] = await adapter.append([STARTED, delta('secret')]);
  const refused = async (request: Request, options: Partial<RunDurabilityOptions> & { params?: never }) => {
    const reader = await open(feed, request, options);
    expect(reader.run).toBeUndefined();
    expect(await reader.snapshot()).toEqual([]);
    return expect(reader.read(reader.resumeFrom()!)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      message: 'The run of this offset is not kept here.',
    });
  };
  const resume = post('a', { 'last-event-id': offset! });
  await refused(resume, { params: { chat: 'other' } as never });
  await refused(resume, { principal: 'bob' });
  await refused(get('offset=-1&runId=a'), { principal: 'bob' });
  await refused(post('b', { 'last-event-id': offset! }), { principal: 'ann' });
  await refused(post('a', { 'last-event-id': '0'.repeat(17) + '.1' }), {});
  await refused(post('a', { 'last-event-id': 'memory:v1:a:1' }), {});
  const own = await open(feed, resume, { principal: 'ann' });
  expect(own.run).toBe(adapter.run);
  await adapter.close();
});

test('a request that reads records nothing', async () => {
  const feed = createChats();
  const reader = await open(feed, get('runId=a'));
  expect(reader.resumeFrom()).toBeNull();
  expect((await answer(feed, get('runId=a'), createModel())).status).toBe(400);
  await expect(reader.append([STARTED])).rejects.toMatchObject({ code: 'bad_request' });
  await reader.close();
  expect(await feed.runs('answer', { chat: 'c' })).toEqual([]);
});

/** A store that a process can no longer reach, as if the process were suspended. */
function suspendable(store: RunStore) {
  let isSuspended = false;
  const waiting: Array<() => void> = [];
  const pass = async <T>(call: () => Promise<T>): Promise<T> => {
    if (isSuspended) await new Promise<void>((resolve) => waiting.push(resolve));
    return call();
  };
  const suspended: RunStore = {
    load: (key) => pass(() => store.load(key)),
    commit: (key, change) => pass(() => store.commit(key, change)),
    read: (...rest) => pass(() => store.read(...rest)),
    versions: (keys) => pass(() => store.versions(keys)),
    list: (prefix) => pass(() => store.list(prefix)),
    close: async () => {},
  };
  return {
    store: suspended,
    suspend: () => (isSuspended = true),
    resume() {
      isSuspended = false;
      for (const go of waiting.splice(0)) go();
    },
  };
}

test('readers of a lost run end with a RUN_ERROR, and its producer records nothing more when it is back', async () => {
  const store = memoryRuns();
  const link = suspendable(store);
  const producing = createChats(link.store, { runPollMs: 20 });
  const reading = createChats(store, { runPollMs: 20 });
  const adapter = await open(producing, post('a'), { leaseMs: 300 });
  await adapter.append([STARTED, delta('part')]);
  const joined = readFrames(await answer(reading, get('offset=-1&runId=a'), createModel()));
  link.suspend();
  const frames = await joined;
  expect(typesOf(frames)).toEqual(['RUN_STARTED', 'TEXT_MESSAGE_CONTENT', 'RUN_ERROR']);
  expect(frames.at(-1)).toMatchObject({ id: `${adapter.run}.3`, chunk: { code: 'run_lost' } });

  const next = await open(reading, post('b'));
  await next.append([STARTED]);
  const late = adapter.append([delta('late')]);
  link.resume();
  await expect(late).rejects.toMatchObject({ message: 'This process no longer produces the run.' });
  expect(adapter.abortController.signal.aborted).toBe(true);
  await adapter.close();
  // The close of the old producer does not end the run of the new one.
  await next.append([FINISHED]);
  await next.close();
  const runs = await reading.runs('answer', { chat: 'c' });
  expect(runs.map(({ outcome, events }) => [outcome, events])).toEqual([
    ['lost', 2],
    ['done', 2],
  ]);
});

test('a run over a bound fails, and the append names the bound', async () => {
  const feed = createChats(undefined, { maxRunEvents: 2 });
  const adapter = await open(feed, post('a'));
  await adapter.append([STARTED, delta('x')]);
  await expect(adapter.append([delta('y')])).rejects.toThrow('maxRunEvents (2)');
  await adapter.close();
  const joined = await readFrames(await answer(feed, get('offset=-1&runId=a'), createModel()));
  expect(joined.at(-1)!.chunk).toMatchObject({ type: 'RUN_ERROR', code: 'run_limit' });
});

test('chunks are recorded as JSON, with the objects of providers in them', async () => {
  const feed = createChats();
  const adapter = await open(feed, post('a'));
  await adapter.append([chunk('CUSTOM', { value: { at: new Date(0), none: undefined } })]);
  const [first] = await adapter.snapshot();
  expect(first!.chunk).toMatchObject({ value: { at: '1970-01-01T00:00:00.000Z' } });
  await adapter.close();
});

test('runDurability refuses a request that is not one of fetch, and unknown options', async () => {
  const feed = createChats();
  await expect(open(feed, {} as Request)).rejects.toMatchObject({ code: 'invalid_option' });
  await expect(open(feed, post('a'), { bacth: 1 } as never)).rejects.toThrow('"bacth"');
});
