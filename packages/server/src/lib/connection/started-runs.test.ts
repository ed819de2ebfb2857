import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createManualClock } from '@linefeed/shared/testing';
import { createParser } from 'eventsource-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { range } from '../../../test-kit/feed-bench.ts';
import { createGate } from '../../../test-kit/gate.ts';
import { createRunBench } from '../../../test-kit/run-bench.ts';
import { toNodeHandler } from '../adapters/node/node-handler.ts';
import { systemClock } from '../base/clock.ts';
import { memoryRuns } from '../runs/memory-runs.ts';
import type { RunStore } from '../runs/run-store.ts';

const CHAT = { chat: '1' };
const ADDRESS = 'answer?chat=1';
const PATH = `/events/${ADDRESS}`;

describe('a run that the application starts', () => {
  it('a run goes on when all its readers have left, and a later reader gets all of it', async () => {
    const gate = createGate();
    const { feed, open, clock } = createRunBench();
    let aborted = false;
    await feed.start('answer', CHAT, async function* ({ signal }) {
      signal.addEventListener('abort', () => (aborted = true));
      yield 1;
      await gate.wait();
      yield 2;
      return 'the result';
    });
    const first = await open(PATH);
    first.leave();
    await clock.settle();
    gate.open();
    await clock.settle();
    const later = await open(PATH);
    expect([first.payloads, later.payloads, aborted]).toEqual([[1], [1, 2], false]);
    expect(later.dataOf('linefeed.end')).toMatchObject([{ outcome: 'done', result: 'the result' }]);
  });

  it('no reader gets an event of a run that is not recorded', async () => {
    const clock = createManualClock();
    const inner = memoryRuns({ clock });
    let held = Promise.resolve();
    const store: RunStore = {
      load: (key) => inner.load(key),
      read: (...query) => inner.read(...query),
      versions: (keys) => inner.versions(keys),
      list: (prefix) => inner.list(prefix),
      close: () => inner.close(),
      async commit(key, change) {
        await held;
        return inner.commit(key, change);
      },
    };
    const { feed, open } = createRunBench({ clock, runs: store });
    const gate = createGate();
    await feed.start('answer', CHAT, async function* () {
      yield 1;
      await gate.wait();
      yield 2;
    });
    const early = await open(PATH);
    const commit = createGate();
    held = commit.wait().then(() => undefined);
    gate.open();
    await clock.settle();
    const late = await open(PATH);
    expect([early.payloads, late.payloads]).toEqual([[1], [1]]);
    commit.open();
    await clock.advance(200);
    for (const tap of [early, late]) {
      expect([tap.payloads, tap.of('linefeed.end').length]).toEqual([[1, 2], 1]);
    }
  });

  it('the end of a failed run does not contain the message of the error', async () => {
    const { feed, open, clock, errors } = createRunBench();
    const failure = new Error('password=hunter2');
    await feed.start('answer', CHAT, async function* () {
      yield 1;
      throw failure;
    });
    await clock.settle();
    const tap = await open(PATH);
    expect(tap.dataOf('linefeed.end')).toMatchObject([
      { outcome: 'failed', error: { code: 'source_failed', message: 'The source of "answer" failed.' } },
    ]);
    expect([tap.text.includes('hunter2'), errors]).toEqual([false, [failure]]);
  });
});

describe('a run over sockets', () => {
  const { feed } = createRunBench({ clock: systemClock, authorize: () => true });
  const server = createServer(toNodeHandler(feed));
  const COUNT = 40;

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(async () => {
    await feed.close();
    server.closeAllConnections();
    server.close();
  });

  interface Received {
    readonly event: string | undefined;
    readonly id: string | undefined;
    readonly data: string;
  }

  /** The complete frames of a response that is cut after some bytes of the frames after `linefeed.subscribed`. */
  async function receive(lastEventId: string | undefined, bytes: number): Promise<Received[]> {
    const { port } = server.address() as AddressInfo;
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const [response] = (await once(get({ port, path: PATH, headers }), 'response')) as [IncomingMessage];
    const frames: Received[] = [];
    const parser = createParser({ onEvent: ({ event, id, data }) => void frames.push({ event, id, data }) });
    let whole = Buffer.alloc(0);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      whole = Buffer.concat([whole, chunk]);
      const start = whole.indexOf('\n\n', whole.indexOf('event: linefeed.subscribed')) + 2;
      if (whole.length >= start + bytes || whole.includes('event: linefeed.end')) {
        parser.feed(new TextDecoder().decode(whole.subarray(0, start + bytes)));
        break;
      }
    }
    response.destroy();
    return frames;
  }

  /** Reads a run to its end, over connections that are cut after different numbers of bytes. */
  async function readWithCuts(onProgress: (count: number) => void): Promise<Received[]> {
    const got: Received[] = [];
    let lastEventId: string | undefined;
    for (let bytes = 1; got.at(-1)?.event !== 'linefeed.end'; bytes = (bytes + 37) % 500) {
      for (const frame of await receive(lastEventId, bytes)) {
        lastEventId = frame.id ?? lastEventId;
        if (frame.event === ADDRESS || frame.event === 'linefeed.end') got.push(frame);
      }
      onProgress(got.length);
    }
    return got;
  }

  it('a run over a socket resumes after a cut at any byte, with no event missing and none twice', async () => {
    let received = 0;
    let wake = (): void => undefined;
    await feed.start('answer', CHAT, async function* () {
      for (const n of range(1, COUNT)) {
        // The run is some events ahead of its reader.
        while (n > received + 6) await new Promise<void>((resolve) => (wake = resolve));
        yield { n, text: 'é😀' };
      }
    });
    const live = await readWithCuts((count) => {
      received = count;
      wake();
    });
    const over = await readWithCuts(() => undefined);
    expect(live.slice(0, -1).map(({ data }) => (JSON.parse(data) as { n: number }).n)).toEqual(
      range(1, COUNT),
    );
    expect(over).toEqual(live);
  });
});
