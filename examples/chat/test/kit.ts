/** A server with a chat and pages of it, in one process: the pages reach the server by a `fetch` that can break. */
import { createClient, type Client, type ClientOptions } from '@linefeed/client';
import { runTransport, type RunTransport, type RunTransportOptions } from '@linefeed/client/ai';
import { createFeed, type Feed, type RunStore } from '@linefeed/server';
import { uiMessageSource, type UIMessageSourceOptions } from '@linefeed/server/ai';
import { defineChannel, run } from '@linefeed/shared';
import { uiMessageChunk } from '@linefeed/shared/ai';
import { convertToModelMessages, streamText, toUIMessageStream, type ToolSet, type UIMessage } from 'ai';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import { createModel, type Model } from './model.ts';

const define = () =>
  defineChannel({ answer: run({ params: z.object({ chat: z.string() }), data: uiMessageChunk }) });
export type Chats = ReturnType<typeof define>;

/** The body of a request that starts a run. */
export interface StartBody {
  readonly id: string;
  readonly messages: UIMessage[];
  readonly key: string;
}

export interface WorldOptions {
  readonly runs?: RunStore;
  readonly whenBusy?: 'join' | 'refuse' | 'replace';
  readonly leaseMs?: number;
  readonly attempts?: number;
  readonly tools?: ToolSet;
  readonly source?: UIMessageSourceOptions;
  readonly model?: Model;
}

export interface World {
  readonly feed: Feed<Chats>;
  readonly model: Model;
  /** The messages that the server has saved. */
  readonly saved: { messages: readonly UIMessage[] };
  /** Bodies of the requests that start a run. */
  readonly posts: StartBody[];
  /** Starts a run as the request of a page does. */
  readonly start: (body: StartBody) => Promise<Response>;
  /** Number of requests that opened an event stream. */
  readonly streams: () => number;
  /** A page: a client and a transport. */
  readonly open: (options?: PageOptions) => Page;
}

export interface PageOptions extends Partial<RunTransportOptions> {
  /** Breaks the first event stream after this number of events. */
  readonly cutAfter?: number;
  readonly client?: Partial<ClientOptions>;
}

export interface Page {
  readonly client: Client<Chats>;
  readonly transport: RunTransport;
  /** Breaks the open event stream, and all requests fail until the returned function is called. */
  readonly goOffline: () => () => void;
}

const ORIGIN = 'http://app.test';
const QUICK = { baseMs: 5, floorMs: 1, capMs: 20 };

export function createWorld(options: WorldOptions = {}): World {
  const { runs, whenBusy = 'join', leaseMs, attempts = 1, tools, model = createModel() } = options;
  const feed: Feed<Chats> = createFeed(define(), {
    path: '/events',
    authorize: () => true,
    stopFromClients: true,
    runPollMs: 20,
    onError() {},
    ...(runs && { runs }),
  });
  onTestFinished(() => feed.close());
  const posts: StartBody[] = [];
  const saved: World['saved'] = { messages: [] };
  let streams = 0;

  const start = async (body: StartBody): Promise<Response> => {
    posts.push(body);
    const source = uiMessageSource(async ({ signal, run: id }) => {
      const { stream } = streamText({
        model: model.language,
        messages: await convertToModelMessages(body.messages),
        abortSignal: signal,
        ...(tools && { tools }),
        onError() {},
      });
      return toUIMessageStream({
        stream,
        originalMessages: body.messages,
        generateMessageId: () => `answer-${id}`,
        onError: (error) => `The model failed: ${(error as Error).message}`,
        onEnd: ({ messages }) => void (saved.messages = messages),
      });
    }, options.source);
    try {
      const chat = { chat: body.id };
      return Response.json(
        await feed.start('answer', chat, source, {
          key: body.key,
          whenBusy,
          attempts,
          ...(leaseMs && { leaseMs }),
        }),
      );
    } catch (error) {
      return new Response((error as Error).message, { status: (error as { status?: number }).status ?? 500 });
    }
  };

  return {
    feed,
    model,
    posts,
    saved,
    start,
    streams: () => streams,
    open({ cutAfter, client: clientOptions, ...transportOptions } = {}) {
      let isOffline = false;
      let left = cutAfter ?? Infinity;
      const broken = new Set<() => void>();
      const fetch: typeof globalThis.fetch = async (url, init) => {
        if (isOffline) throw new TypeError('fetch failed');
        const request = new Request(url, init);
        if (new URL(request.url).pathname === '/api/chat') return start((await request.json()) as StartBody);
        const response = await feed.handle(request);
        if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response;
        streams += 1;
        const bound = left;
        left = Infinity;
        return breakable(response, bound, broken);
      };
      const client = createClient<Chats>({
        url: `${ORIGIN}/events`,
        fetch,
        retry: QUICK,
        onError() {},
        ...clientOptions,
      });
      onTestFinished(() => client.close());
      const transport = runTransport(client, 'answer', {
        params: (chat) => ({ chat }),
        start: async ({ chatId: id, messages, trigger, messageId, key, body }) => {
          const sent = JSON.stringify({ ...body, id, messages, trigger, messageId, key });
          const response = await fetch(`${ORIGIN}/api/chat`, { method: 'POST', body: sent });
          if (!response.ok) throw new Error(await response.text());
          return (await response.json()) as { run: string };
        },
        ...transportOptions,
      });
      return {
        client,
        transport,
        goOffline() {
          isOffline = true;
          for (const breakNow of broken) breakNow();
          return () => void (isOffline = false);
        },
      };
    },
  };
}

/** A response that breaks after a number of frames that have an event of a run, or when it is told to. */
function breakable(response: Response, events: number, broken: Set<() => void>): Response {
  const decoder = new TextDecoder();
  let left = events;
  const reader = response.body!.getReader();
  let breakNow = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      breakNow = () => {
        controller.error(new TypeError('network error'));
        void reader.cancel();
      };
      broken.add(breakNow);
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      // The cut is after a whole frame, and perhaps inside a chunk of bytes.
      const frames = decoder.decode(value, { stream: true }).split(/(?<=\n\n)/);
      for (const frame of frames) {
        if (left === 0) {
          broken.delete(breakNow);
          controller.error(new TypeError('network error'));
          return void reader.cancel();
        }
        controller.enqueue(new TextEncoder().encode(frame));
        if (/^event: answer/m.test(frame)) left -= 1;
      }
    },
    cancel(reason) {
      broken.delete(breakNow);
      return reader.cancel(reason);
    },
  });
  return new Response(body, response);
}
