import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createParser } from 'eventsource-parser';
import { describe, expect, it } from 'vitest';
import { board, createBench } from '../../../test-kit/feed-bench.ts';
import { Tap } from '../../../test-kit/tap.ts';
import { toNodeHandler } from '../adapters/node/node-handler.ts';
import { createFeed } from '../feed/create-feed.ts';
import { memoryLog } from '../log/memory-log.ts';

const BEHIND = 100_000;
/** A page, and the room of the socket when the page was requested. */
const PAGE_BYTES = 256 * 1024;
const PAGE_EVENTS = 500;
const ROOM_BYTES = 64 * 1024;

describe('a replay of 100,000 events', () => {
  it('a replay buffers at most one page for a reader that takes nothing', async () => {
    const { feed, open, publishNumbers } = createBench({ log: memoryLog({ maxEvents: BEHIND + 1 }) });
    const start = feed.cursor();
    await publishNumbers(1, BEHIND);
    const tap = await open(`/events/other?from=${start}`, {}, { roomBytes: ROOM_BYTES });
    expect(tap.bufferedBytes).toBeGreaterThan(ROOM_BYTES);
    expect(tap.bufferedBytes).toBeLessThan(ROOM_BYTES + PAGE_BYTES);
    tap.leave();
  });

  it('a replay over a socket is complete and in order while 2,000 events a second are published', async () => {
    const feed = createFeed(
      { ...board },
      { log: memoryLog({ maxEvents: 2 * BEHIND }), streams: { *report() {}, *tick() {} } },
    );
    const server = createServer(toNodeHandler(feed)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const start = feed.cursor();
    for (let n = 1; n <= BEHIND; n += 1) await feed.publish('other', { n });

    let published = BEHIND;
    const publishing = setInterval(() => {
      for (let count = 0; count < 20; count += 1) void feed.publish('other', { n: (published += 1) });
    }, 10);
    // Counts turns of the event loop. A busy machine makes them longer, but not fewer.
    let turns = 0;
    let counting = setImmediate(function count() {
      turns += 1;
      counting = setImmediate(count);
    });
    const { port } = server.address() as AddressInfo;
    const request = get(`http://127.0.0.1:${port}/events/other?from=${start}`);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let received = 0;
    let broken: string | undefined;
    const parser = createParser({
      onEvent({ event, data }) {
        if (event !== 'other') return;
        const { n } = JSON.parse(data) as { n: number };
        if (n !== received + 1) broken ??= `${n} after ${received}`;
        received = n;
      },
    });
    const decoder = new TextDecoder();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      // Caught up: all events published during the replay have arrived, except those of the last ticks.
      if (received > BEHIND + 1_000 && published - received < 200) break;
    }
    clearImmediate(counting);
    clearInterval(publishing);
    request.destroy();
    await feed.close();
    server.close();
    expect(broken).toBeUndefined();
    // At least one event-loop turn passes between two pages, so other connections are served.
    expect(turns).toBeGreaterThan(BEHIND / PAGE_EVENTS);
  });
});

describe('a page of a replay', () => {
  it('a replay page is encoded once for connections that read it in the same tick', async () => {
    const { feed, clock, ask } = createBench();
    const start = feed.cursor();
    for (let n = 1; n <= 3; n += 1) {
      await feed.publish('other', { n });
      await feed.publish('notice', { text: `${n}` });
    }
    const read = async (...topics: string[]): Promise<Tap[]> => {
      const answers = await Promise.all(topics.map((topic) => ask(`/events/${topic}?from=${start}`)));
      const taps = answers.map(({ body }) => {
        const tap = new Tap();
        if (typeof body === 'function') body(tap);
        return tap;
      });
      await clock.settle();
      return taps;
    };
    const valuesOf = (tap: Tap, event: string): unknown[] =>
      tap.frames.filter((frame) => frame.event === event).map(({ data }) => data);
    const [first, second, other] = (await read('other', 'other', 'notice')) as [Tap, Tap, Tap];
    expect(first.writes.at(-1)).toBe(second.writes.at(-1));
    expect(valuesOf(second, 'other')).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(valuesOf(other, 'notice')).toEqual(['1', '2', '3'].map((text) => ({ text })));
    const [later] = (await read('other')) as [Tap];
    expect(later.writes.at(-1)).toEqual(first.writes.at(-1));
    expect(later.writes.at(-1)).not.toBe(first.writes.at(-1));
  });
});
