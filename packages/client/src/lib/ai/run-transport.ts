/** A chat transport of the AI SDK over runs: it starts a run by a request, and reads it as a subscription. */
import type { AnyChannel, ParamsInput, RunName } from '@linefeed/shared';
import { checkOptions, invalidOption } from '@linefeed/shared/wire';
import type { ChatTransport, UIMessage } from 'ai';
import { systemClock } from '../base/clock.ts';
import type { Client } from '../client/client.ts';
import type { StoppedRun, StopOptions } from '../client/stop.ts';
import type { RunEnd, Subscription } from '../subscriptions/types.ts';
import { createRunReader, type RunListener, type RunReader } from './run-reader.ts';
import { startByPost, type StartFunction } from './start.ts';

/** The option `params`: absent if the topic has none. */
export type ChatParams<P> = P extends undefined
  ? { readonly params?: undefined }
  : { readonly params: (chatId: string) => P };

/** The options of `runTransport` besides `params`. */
export interface RunTransportOptions<M extends UIMessage = UIMessage> {
  /**
   * The URL that the messages are posted to, or a function that sends them. The server starts a run and answers with
   * JSON: `{ "run": … }`.
   */
  readonly start: string | URL | StartFunction<M>;
  /**
   * Whether the page has the whole message, for example because it loaded the saved messages. A run that is over is
   * then not replayed. A message that this transport has read in part counts as absent.
   *
   * @default the page has no message: a kept run is replayed, which does not double the message, but runs `onToolCall`
   *   and `onData` again
   */
  readonly hasMessage?: ((messageId: string, chatId: string) => boolean) | undefined;
  /**
   * The text of the error that the chat gets when a run has failed, or was lost.
   *
   * @default the message of a failed run, else an English sentence
   */
  readonly toErrorText?: ((ending: RunEnd) => string) | undefined;
}

/** A chat transport over runs. */
export interface RunTransport<M extends UIMessage = UIMessage> extends ChatTransport<M> {
  /** A resumed chat gets the run from its start. */
  readonly resumeStreamIsReplay: true;
  /**
   * Stops the run of a chat for all its readers. `stop()` of the chat is another thing: this page leaves, and the run
   * continues. If the chat is starting a run, that run is stopped.
   *
   * @param chatId The id of the chat
   * @returns the run after its end is recorded; `undefined` if none was running.
   */
  stop(
    this: void,
    chatId: string,
    options?: Pick<StopOptions, 'reason' | 'signal'>,
  ): Promise<StoppedRun | undefined>;
}

/** The parts of a client that this file uses. */
interface RunClient {
  subscribe(
    topic: string,
    params: object | undefined,
    handler: RunListener['onEvent'],
    options: Omit<RunListener, 'onEvent'> & { readonly from: string },
  ): Subscription;
  stop(topic: string, params: object | undefined, options: StopOptions): Promise<StoppedRun | undefined>;
}

type LooseOptions = RunTransportOptions & { readonly params?: (chatId: string) => object };

const OPTIONS = { start: 'any', params: 'function', hasMessage: 'function', toErrorText: 'function' };

/**
 * Creates a chat transport of AI SDK 7. `sendMessages` starts a run and reads it, through cuts of the connection.
 * `reconnectToStream` reads the newest run of the chat from its start, so that a page can reload, and a second tab can
 * join. A reader that leaves does not stop the run.
 *
 * @example
 *   import { useChat } from '@ai-sdk/react';
 *   import { createClient } from '@linefeed/client';
 *   import { runTransport } from '@linefeed/client/ai';
 *   import type { chats } from './chats.ts';
 *
 *   const client = createClient<typeof chats>({ url: '/events' });
 *   const transport = runTransport(client, 'answer', {
 *     params: (chat) => ({ chat }),
 *     start: '/api/chat',
 *   });
 *   export const useAnswer = (id: string) => useChat({ id, transport, resume: true });
 *
 * @param client The client that reads the runs
 * @param topic A run of the channel whose payload is a `uiMessageChunk`
 * @param options `start` is required, and `params` if the topic has params
 * @throws LinefeedError `invalid_option` for an unknown option, or one of a wrong type
 */
export function runTransport<
  C extends AnyChannel,
  K extends { [N in RunName<C>]: N }[RunName<C>],
  M extends UIMessage = UIMessage,
>(
  client: Client<C>,
  topic: K,
  options: RunTransportOptions<M> & ChatParams<ParamsInput<C, K>>,
): RunTransport<M> {
  checkOptions('runTransport', options, OPTIONS);
  if (!options.start) throw invalidOption('runTransport needs the option start.');
  return createTransport(client as unknown as RunClient, topic, options as unknown as LooseOptions);
}

function createTransport<M extends UIMessage>(
  client: RunClient,
  topic: string,
  { start, params, hasMessage, toErrorText }: LooseOptions,
): RunTransport<M> {
  const post = typeof start === 'function' ? start : startByPost(start);
  /** By chat, the request that is starting a run. */
  const starting = new Map<string, ReturnType<StartFunction>>();
  /** By chat, the latest reader that looks for a run. */
  const resuming = new Map<string, RunReader>();
  /** By chat, the message that the page has only in part. */
  const partial = new Map<string, string>();

  const open = (chatId: string, signal: AbortSignal | undefined, from: string, run?: string): RunReader => {
    signal?.throwIfAborted();
    return createRunReader({
      run,
      signal,
      toErrorText,
      subscribe: ({ onEvent, ...rest }) =>
        client.subscribe(topic, params?.(chatId), onEvent, { ...rest, from }),
      isOnPage: (messageId) =>
        partial.get(chatId) !== messageId && (hasMessage?.(messageId, chatId) ?? false),
      onStart: (messageId) => partial.set(chatId, messageId),
      onComplete: () => partial.delete(chatId),
    });
  };

  return {
    resumeStreamIsReplay: true,
    async sendMessages(request) {
      const { chatId, abortSignal } = request;
      abortSignal?.throwIfAborted();
      // A page may send before its resume is answered. Two readers of the new run would both finish it, and a resume
      // without a stream would set the status to `ready`.
      resuming.get(chatId)?.giveWay();
      const started = post({ ...request, key: randomKey() });
      starting.set(chatId, started);
      const settle = () => {
        if (starting.get(chatId) === started) starting.delete(chatId);
      };
      started.then(settle, settle);
      const { run } = await leavable(started, abortSignal);
      return open(chatId, abortSignal, `${run}.0`, run).stream;
    },
    async reconnectToStream({ chatId, abortSignal }) {
      // React's StrictMode aborts the first of two calls directly after it.
      await Promise.resolve();
      const reader = open(chatId, abortSignal, 'start');
      resuming.set(chatId, reader);
      return (await reader.isNeeded) ? reader.stream : null;
    },
    async stop(chatId, options) {
      const started = await starting.get(chatId)?.catch(() => undefined);
      return client.stop(topic, params?.(chatId), { ...options, run: started?.run });
    },
  };
}

/** Rejects when the signal aborts, and leaves the promise as it is. */
function leavable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort);
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Is unique in the chats of a user. It opens nothing, so it needs no secrecy. */
function randomKey(): string {
  const part = () => systemClock.random().toString(36).slice(2);
  return part() + part();
}
