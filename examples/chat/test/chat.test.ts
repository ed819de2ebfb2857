/** `useChat` of the published packages over runs, under StrictMode: cuts, reloads, tabs, and every outcome. */
import { memoryRuns, type RunStore } from '@linefeed/server';
import { expect, test } from 'vitest';
import { createWorld, type World } from './kit.ts';
import { mountChat, type Mounted } from './mount.tsx';

const ANSWER = ['The ', 'light ', 'is ', 'on.'];
const WHOLE = ['user: Hi', `assistant: ${ANSWER.join('')}`];

const expectSoon = (check: () => unknown) => expect.poll(check, { interval: 5, timeout: 10_000 });

/** Sends a message in a mounted chat, and waits until the model is called. */
async function ask({ chat }: Mounted, { model }: World): Promise<void> {
  const calls = model.calls();
  void chat.sendMessage({ text: 'Hi' });
  await expectSoon(() => model.calls()).toBe(calls + 1);
}

const outcomes = async ({ feed }: World) =>
  (await feed.runs('answer', { chat: 'c1' })).map(({ outcome }) => outcome);

test('a sent message is answered word by word', async () => {
  const world = createWorld();
  const page = mountChat(world.open());
  await ask(page, world);
  await world.model.say('The ');
  await expectSoon(page.lines).toEqual(['user: Hi', 'assistant: The ']);
  await expectSoon(() => page.chat.status).toBe('streaming');
  await world.model.say(...ANSWER.slice(1));
  await world.model.finish();
  await expectSoon(() => page.chat.status).toBe('ready');
  await expectSoon(page.lines).toEqual(WHOLE);
  expect(page.finishes).toEqual([{ isAbort: false, isDisconnect: false, isError: false }]);
  expect(page.chat.messages.at(-1)!.id).toBe(world.saved.messages.at(-1)!.id);
  expect(await outcomes(world)).toEqual(['done']);
});

test('a mount without a run under StrictMode opens one subscription, and stays ready', async () => {
  const world = createWorld();
  const page = mountChat(world.open());
  await expectSoon(() => world.streams()).toBe(1);
  await expectSoon(() => world.feed.stats().subscriptions['answer'] ?? 0).toBe(0);
  expect(page.chat.status).toBe('ready');
  expect([page.lines(), page.errors, page.finishes]).toEqual([[], [], []]);
});

test('a cut after any chunk is healed in the stream of the chat: nothing is missing or doubled', async () => {
  // start, start-step, text-start, 4 words, text-end, finish-step, finish.
  for (let cutAfter = 0; cutAfter <= 10; cutAfter += 1) {
    const world = createWorld();
    const page = mountChat(world.open({ cutAfter }), { resume: false });
    await ask(page, world);
    await world.model.say(...ANSWER);
    await world.model.finish();
    await expectSoon(() => page.finishes.length).toBe(1);
    await expectSoon(page.lines).toEqual(WHOLE);
    expect(page.finishes).toEqual([{ isAbort: false, isDisconnect: false, isError: false }]);
    expect(world.posts).toHaveLength(1);
    if (cutAfter < 10) expect(world.streams()).toBe(2);
    page.unmount();
  }
});

test('a reload in mid-answer shows the whole text once, and the answer goes on', async () => {
  const world = createWorld();
  const before = mountChat(world.open());
  await ask(before, world);
  await world.model.say(...ANSWER.slice(0, 2));
  await expectSoon(before.lines).toEqual(['user: Hi', 'assistant: The light ']);
  const messages = [before.chat.messages[0]!];
  before.unmount();

  const after = mountChat(world.open(), { messages });
  await expectSoon(after.lines).toEqual(['user: Hi', 'assistant: The light ']);
  await world.model.say(...ANSWER.slice(2));
  await world.model.finish();
  await expectSoon(() => after.chat.status).toBe('ready');
  expect(after.lines()).toEqual(WHOLE);
  expect(after.finishes).toHaveLength(1);
  expect(world.model.calls()).toBe(1);
});

test('a reload with a part of the message, or all of it, does not double the message', async () => {
  for (const words of [1, 4]) {
    const world = createWorld();
    const before = mountChat(world.open());
    await ask(before, world);
    await world.model.say(...ANSWER.slice(0, words));
    await expectSoon(() => before.lines()[1]).toBe(`assistant: ${ANSWER.slice(0, words).join('')}`);
    const messages = structuredClone(before.chat.messages);
    before.unmount();
    const after = mountChat(world.open(), { messages });
    await world.model.say(...ANSWER.slice(words));
    await world.model.finish();
    await expectSoon(() => after.finishes.length).toBe(1);
    await expectSoon(after.lines).toEqual(WHOLE);
  }
});

test('several tabs read one run, and a stop in one of them ends it in all', async () => {
  const world = createWorld();
  const asking = mountChat(world.open());
  await ask(asking, world);
  await world.model.say(...ANSWER.slice(0, 2));
  const { messages } = asking.chat;
  const pages = [world.open(), world.open()];
  const tabs = pages.map((page) => mountChat(page, { messages: [messages[0]!] }));
  for (const tab of [asking, ...tabs])
    await expectSoon(tab.lines).toEqual(['user: Hi', 'assistant: The light ']);
  const stopped = await pages[1]!.transport.stop('c1', { reason: 'user' });
  expect(stopped).toMatchObject({ outcome: 'stopped' });
  for (const tab of [asking, ...tabs]) {
    await expectSoon(() => tab.chat.status).toBe('ready');
    expect(tab.lines()).toEqual(['user: Hi', 'assistant: The light ']);
    expect(tab.errors).toEqual([]);
  }
  expect(world.model.isAborted()).toBe(true);
  // The server saved the part that the readers have.
  await expectSoon(() => world.saved.messages.at(-1)?.parts.at(-1)).toMatchObject({ text: 'The light ' });
  expect(await outcomes(world)).toEqual(['stopped']);
});

test('stop() of the chat and an unmount leave the run running', async () => {
  const world = createWorld();
  const page = mountChat(world.open());
  await ask(page, world);
  await world.model.say(...ANSWER.slice(0, 2));
  await expectSoon(page.lines).toEqual(['user: Hi', 'assistant: The light ']);
  await page.chat.stop();
  await expectSoon(() => page.chat.status).toBe('ready');
  page.unmount();
  expect(world.model.isAborted()).toBe(false);
  await world.model.say(...ANSWER.slice(2));
  await world.model.finish();
  await expectSoon(() => outcomes(world)).toEqual(['done']);
  expect(world.saved.messages).toHaveLength(2);
});

test('a failed model ends the chat with the text of its error, also after a reload', async () => {
  const world = createWorld();
  const page = mountChat(world.open());
  await ask(page, world);
  await world.model.say('The ');
  await world.model.fail(new Error('overloaded'));
  await expectSoon(() => page.chat.status).toBe('error');
  expect(page.errors.map(({ message }) => message)).toEqual(['The model failed: overloaded']);
  expect(page.lines()).toEqual(['user: Hi', 'assistant: The ']);
  await expectSoon(() => outcomes(world)).toEqual(['failed']);

  const after = mountChat(world.open(), { messages: [page.chat.messages[0]!] });
  await expectSoon(() => after.chat.status).toBe('error');
  expect(after.lines()).toEqual(['user: Hi', 'assistant: The ']);
});

/** A store that a process reaches until it is dead. */
function createMortal(store: RunStore) {
  let isDead = false;
  const reach = <Call extends (...rest: never[]) => Promise<unknown>>(call: Call): Call =>
    ((...rest) => (isDead ? Promise.reject(new Error('dead')) : call(...rest))) as Call;
  const mortal: RunStore = {
    load: reach(store.load.bind(store)),
    commit: reach(store.commit.bind(store)),
    read: reach(store.read.bind(store)),
    versions: reach(store.versions.bind(store)),
    list: reach(store.list.bind(store)),
    close: () => store.close(),
  };
  return { store: mortal, die: () => void (isDead = true) };
}

test('a run whose producer is lost ends with an error and never as a success', async () => {
  const store = memoryRuns();
  const process = createMortal(store);
  const producing = createWorld({ runs: process.store, leaseMs: 250 });
  const sender = mountChat(producing.open());
  await ask(sender, producing);
  await producing.model.say('The ');
  await expectSoon(sender.lines).toEqual(['user: Hi', 'assistant: The ']);
  const { messages } = sender.chat;

  const reading = createWorld({ runs: store });
  const reader = mountChat(reading.open(), { messages: [messages[0]!] });
  await expectSoon(reader.lines).toEqual(['user: Hi', 'assistant: The ']);
  process.die();
  await expectSoon(() => reader.chat.status).toBe('error');
  expect(reader.errors.map(({ message }) => message)).toEqual(['The answer was interrupted.']);
  expect(await outcomes(reading)).toEqual(['lost']);
});

test('a run that another process takes up begins its step again, without doubled text', async () => {
  const store = memoryRuns();
  const process = createMortal(store);
  const producing = createWorld({ runs: process.store, leaseMs: 250, attempts: 2 });
  const sender = mountChat(producing.open());
  await ask(sender, producing);
  await producing.model.say('The ', 'lamp ');
  await expectSoon(sender.lines).toEqual(['user: Hi', 'assistant: The lamp ']);

  const next = createWorld({ runs: store, leaseMs: 250, attempts: 2 });
  const reader = mountChat(next.open(), { messages: [sender.chat.messages[0]!] });
  await expectSoon(reader.lines).toEqual(['user: Hi', 'assistant: The lamp ']);
  process.die();
  await expectSoon(async () => (await next.feed.runs('answer', { chat: 'c1' }))[0]?.status).toBe('expired');
  await next.start(producing.posts[0]!);
  await next.model.say(...ANSWER);
  await next.model.finish();
  await expectSoon(() => reader.finishes.length).toBe(1);
  await expectSoon(reader.lines).toEqual(WHOLE);
  expect(reader.errors).toEqual([]);
  expect(await next.feed.runs('answer', { chat: 'c1' })).toMatchObject([{ outcome: 'done', attempt: 2 }]);
});

test('a client that gives up leaves the message as it is, and a resume completes it', async () => {
  const world = createWorld();
  const page = world.open({ client: { retry: { baseMs: 1, floorMs: 1, capMs: 1, maxAttempts: 2 } } });
  const mounted = mountChat(page);
  await ask(mounted, world);
  await world.model.say(...ANSWER.slice(0, 2));
  await expectSoon(mounted.lines).toEqual(['user: Hi', 'assistant: The light ']);
  const goOnline = page.goOffline();
  await expectSoon(() => mounted.chat.status).toBe('error');
  expect(mounted.finishes).toEqual([{ isAbort: false, isDisconnect: true, isError: true }]);
  goOnline();
  await world.model.say(...ANSWER.slice(2));
  await world.model.finish();
  await mounted.chat.resumeStream();
  await expectSoon(mounted.lines).toEqual(WHOLE);
  expect(mounted.chat.status).toBe('ready');
});

test('a reload after the end replays nothing if the page has the message, and the whole answer if not', async () => {
  const world = createWorld();
  const before = mountChat(world.open());
  await ask(before, world);
  await world.model.say(...ANSWER);
  await world.model.finish();
  await expectSoon(() => before.chat.status).toBe('ready');
  const { messages } = before.chat;
  const hasMessage = (id: string) => messages.some((message) => message.id === id);
  const having = mountChat(world.open({ hasMessage }), { messages });
  const lacking = mountChat(world.open({ hasMessage: () => false }), { messages: [messages[0]!] });
  await expectSoon(lacking.lines).toEqual(WHOLE);
  expect(having.lines()).toEqual(WHOLE);
  expect(having.finishes).toEqual([]);
  expect(having.chat.status).toBe('ready');
});

test('a second message while an answer runs joins it, or is refused with a text', async () => {
  for (const whenBusy of ['join', 'refuse'] as const) {
    const world = createWorld({ whenBusy });
    const first = mountChat(world.open());
    await ask(first, world);
    await world.model.say('The ');
    const second = mountChat(world.open(), { resume: false });
    void second.chat.sendMessage({ text: 'Hello?' });
    if (whenBusy === 'join') await expectSoon(second.lines).toEqual(['user: Hello?', 'assistant: The ']);
    else {
      await expectSoon(() => second.chat.status).toBe('error');
      expect(second.errors[0]!.message).toContain('is running');
    }
    expect(world.model.calls()).toBe(1);
    await world.model.finish();
    await expectSoon(() => first.chat.status).toBe('ready');
  }
});

test('a stop while the run is starting stops that run', async () => {
  const world = createWorld();
  const page = world.open();
  const mounted = mountChat(page);
  void mounted.chat.sendMessage({ text: 'Hi' });
  await expectSoon(() => mounted.chat.status).toBe('submitted');
  expect(await page.transport.stop('c1')).toMatchObject({ outcome: 'stopped' });
  await expectSoon(() => mounted.chat.status).toBe('ready');
  expect(mounted.errors).toEqual([]);
  expect(await outcomes(world)).toEqual(['stopped']);
});
