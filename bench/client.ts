/** The client process of a measurement: bytes of a response, in memory, to a handler; and to a parser alone. */
import { createClient } from '@linefeed/client';
import { FRAME, encodeCleanFrame, encodeFrame } from '@linefeed/shared/wire';
import { createParser } from 'eventsource-parser';
import { answerCalls } from './lib/calls.ts';
import { makePayload } from './lib/contender.ts';

const CHUNK_BYTES = 64 * 1_024;
const EPOCH = '0123456789abcdef';

/** A whole response: hello, subscribed, events. */
function encodeResponse(events: number, bytes: number): Uint8Array {
  const hello = { protocol: 1, connection: 'c', pingMs: 15_000, timeoutMs: 35_000, maxDurationMs: 0 };
  const subscribed = { address: 'news', event: 'news', cursor: `${EPOCH}.0`, tail: `${EPOCH}.0` };
  let text = encodeFrame({
    retryMs: 1_000,
    event: FRAME.hello,
    data: JSON.stringify(hello),
    id: `${EPOCH}.0`,
  });
  text += encodeFrame({ event: FRAME.subscribed, data: JSON.stringify(subscribed) });
  for (let n = 1; n <= events; n += 1) {
    const id = `${EPOCH}.${n.toString(36)}.${(n - 1).toString(36)}`;
    text += encodeCleanFrame('news', JSON.stringify(makePayload(n, bytes)), id);
  }
  return new TextEncoder().encode(text);
}

/** Like a socket: one chunk for each read. It stays open, as event streams do. */
function toResponse(body: Uint8Array): Response {
  let at = 0;
  const readable = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= body.byteLength) return;
      controller.enqueue(body.subarray(at, at + CHUNK_BYTES));
      at += CHUNK_BYTES;
    },
  });
  return new Response(readable, { headers: { 'content-type': 'text/event-stream' } });
}

interface Run {
  readonly events: number;
  readonly bytes: number;
}

let made: { readonly key: string; readonly body: Uint8Array } | undefined;

function bodyOf({ events, bytes }: Run): Uint8Array {
  const key = `${events} ${bytes}`;
  if (made?.key !== key) made = { key, body: encodeResponse(events, bytes) };
  return made.body;
}

async function timed(run: () => Promise<void>): Promise<{ readonly cpuUs: number; readonly ms: number }> {
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await run();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuUs: user + system, ms: performance.now() - began };
}

answerCalls({
  linefeed: async (asked: Run) => {
    const body = bodyOf(asked);
    return await timed(
      () =>
        new Promise((resolve, reject) => {
          let count = 0;
          let sum = 0;
          const client = createClient({
            url: 'http://localhost/events',
            fetch: () => Promise.resolve(toResponse(body)),
            onError: reject,
          });
          client.subscribe(
            'news' as never,
            ((payload: { readonly n: number }) => {
              sum += payload.n;
              count += 1;
              if (count < asked.events) return;
              client.close();
              if (sum === (count * (count + 1)) / 2) resolve();
              else reject(new Error('The client lost or doubled events.'));
            }) as never,
          );
        }),
    );
  },
  parser: async (asked: Run) => {
    const body = bodyOf(asked);
    return await timed(async () => {
      let count = 0;
      const parser = createParser({
        onEvent({ data }) {
          if ((JSON.parse(data) as { readonly n?: number }).n !== undefined) count += 1;
        },
      });
      const decoder = new TextDecoder();
      const reader = toResponse(body).body!.getReader();
      while (count < asked.events) {
        const { value } = await reader.read();
        parser.feed(decoder.decode(value, { stream: true }));
      }
      await reader.cancel();
    });
  },
});
