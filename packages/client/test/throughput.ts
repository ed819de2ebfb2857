/**
 * Bytes to handler: events per second of the client thread's CPU time. The baseline is eventsource-parser and
 * JSON.parse alone.
 *
 * `pnpm throughput [--events N] [--rounds N] [--chunk BYTES] [--subscriptions N]`
 */
import { parseArgs } from 'node:util';
import type { AnyChannel } from '@linefeed/shared';
import { createParser } from 'eventsource-parser';
import { createClient } from '../src/lib/client/client.ts';
import { frame, hello, subscribed } from './frames.ts';

export interface ThroughputOptions {
  /** Events in one run. */
  readonly events: number;
  /** Subscribed addresses. The events are spread over them in turn. */
  readonly subscriptions: number;
  readonly chunkBytes: number;
}

/** Events per second of the thread's CPU time, from one run of each variant. A busy machine changes it little. */
export interface Throughput {
  readonly baseline: number;
  readonly client: number;
}

const toBase36 = (position: number) => position.toString(36);

/** Encodes the output of a feed in chunks of one size. Each event has about 100 bytes of payload. */
function toChunks({ events, subscriptions, chunkBytes }: ThroughputOptions): Uint8Array[] {
  let text = hello('k3v9x0aq.0');
  for (let n = 0; n < subscriptions; n += 1) {
    text += subscribed(`price?symbol=S${n}`, 0, { cursor: 'k3v9x0aq.0', tail: 'k3v9x0aq.0' });
  }
  for (let at = 1; at <= events; at += 1) {
    const payload = {
      symbol: `S${at}`,
      bid: at / 7,
      ask: at / 6,
      note: 'as a payload of a hundred bytes is',
    };
    const prev = toBase36(Math.max(0, at - subscriptions));
    text += frame(`price?symbol=S${at % subscriptions}`, payload, `k3v9x0aq.${toBase36(at)}.${prev}`);
  }
  const bytes = new TextEncoder().encode(text);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.slice(at, at + chunkBytes));
  return chunks;
}

function toStream(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next < chunks.length) controller.enqueue(chunks[next++]);
    },
  });
}

async function readWith(
  feed: (chunk: Uint8Array) => void,
  chunks: readonly Uint8Array[],
  isDone: () => boolean,
): Promise<void> {
  const reader = toStream(chunks).getReader();
  while (!isDone()) feed((await reader.read()).value!);
}

async function timed(events: number, run: (onEvent: (payload: unknown) => boolean) => Promise<void>) {
  let count = 0;
  const start = process.threadCpuUsage();
  await run((payload) => {
    if (payload !== undefined) count += 1;
    return count === events;
  });
  const { user, system } = process.threadCpuUsage(start);
  return events / ((user + system) / 1_000_000);
}

/** Runs each variant once over the same bytes. */
export async function measureThroughput(options: ThroughputOptions): Promise<Throughput> {
  const chunks = toChunks(options);
  const { events } = options;
  const isEvent = (event: string | undefined) => event?.startsWith('price') ?? false;
  return {
    baseline: await timed(events, async (onEvent) => {
      let done = false;
      const decoder = new TextDecoder();
      const parser = createParser({
        onEvent({ event, data }) {
          const payload: unknown = JSON.parse(data);
          if (isEvent(event)) done = onEvent(payload);
        },
      });
      await readWith(
        (chunk) => parser.feed(decoder.decode(chunk, { stream: true })),
        chunks,
        () => done,
      );
    }),
    client: await timed(
      events,
      (onEvent) =>
        new Promise((resolve) => {
          const headers = { 'content-type': 'text/event-stream' };
          const client = createClient<AnyChannel>({
            url: 'http://localhost/events',
            fetch: async () => new Response(toStream(chunks), { headers }),
          });
          const handle = (payload: unknown) => {
            if (!onEvent(payload)) return;
            client.close();
            resolve();
          };
          for (let n = 0; n < options.subscriptions; n += 1) {
            client.subscribe('price', { symbol: `S${n}` }, handle);
          }
        }),
    ),
  };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      events: { type: 'string', default: '200000' },
      rounds: { type: 'string', default: '7' },
      chunk: { type: 'string', default: '32768' },
      subscriptions: { type: 'string', default: '1,200' },
    },
  });
  for (const subscriptions of values.subscriptions.split(',').map(Number)) {
    const options = { events: Number(values.events), subscriptions, chunkBytes: Number(values.chunk) };
    const rounds: Throughput[] = [];
    // The first round is a warm-up.
    for (let round = 0; round <= Number(values.rounds); round += 1) {
      rounds.push(await measureThroughput(options));
    }
    rounds.shift();
    const of = (way: keyof Throughput) => median(rounds.map((round) => round[way]));
    const ratio = median(rounds.map(({ client, baseline }) => client / baseline));
    const thousands = (way: keyof Throughput) => `${Math.round(of(way) / 1_000)}k/s`;
    process.stdout.write(
      `${subscriptions} subscriptions: eventsource-parser + JSON.parse ${thousands('baseline')}, ` +
        `client ${thousands('client')} (${ratio.toFixed(2)})\n`,
    );
  }
}
