/** Turns a UI message stream of the AI SDK into the source of a run. */
import { LinefeedError } from '@linefeed/shared';
import type { UIMessageChunk } from 'ai';
import { readChunks, type ChunkStream } from './read-chunks.ts';

/** The part of a source's context that this file uses. */
export interface UIMessageRun {
  /** The id of the run. */
  readonly run: string;
  /** Aborts when the run is stopped, or cannot continue. */
  readonly signal: AbortSignal;
  /** The chunks that earlier attempts have recorded. */
  readonly stored: readonly unknown[];
}

/** The options of `uiMessageSource`. */
export interface UIMessageSourceOptions {
  /**
   * The id of the message if the stream's `start` chunk has none. With it, chunks that come before `start` are recorded
   * at once; without it, data parts wait for `start`.
   *
   * @default the id of the run
   */
  readonly messageId?: string | undefined;
  /**
   * `false` leaves out data parts with `transient: true`. Then no reader gets them.
   *
   * @default `true`: readers that are connected get them, and a replay leaves them out
   */
  readonly recordTransient?: boolean | undefined;
}

/**
 * Returns the source of a run that records a UI message stream. The record starts with one `start` chunk that has the
 * id of the message. An `error` chunk is the last one, and the run then ends as `failed`.
 *
 * @example
 *   import { createFeed } from '@linefeed/server';
 *   import { uiMessageSource } from '@linefeed/server/ai';
 *   import { generateId, streamText, toUIMessageStream } from 'ai';
 *   import { chats } from './chats.ts';
 *
 *   const feed = createFeed(chats);
 *   const source = uiMessageSource(({ signal }) => {
 *     const { stream } = streamText({ model, prompt: 'Hello', abortSignal: signal });
 *     return toUIMessageStream({ stream, generateMessageId: generateId });
 *   });
 *   const { run } = await feed.start('answer', { chat: 'a' }, source);
 *
 * @param open Returns the stream. Called once for each attempt of the run. Pass its `signal` to the model.
 * @param options The id of the message, and whether transient parts are recorded
 * @returns A source for `feed.start`
 */
export function uiMessageSource<Context extends UIMessageRun>(
  open: (context: Context) => ChunkStream | PromiseLike<ChunkStream>,
  options: UIMessageSourceOptions = {},
): (context: Context) => AsyncGenerator<UIMessageChunk, undefined, void> {
  return async function* uiMessages(context) {
    const { run, signal, stored } = context;
    const message = new Message(options.messageId, run);
    if (stored.length > 0) yield message.continue();
    let failure: LinefeedError | undefined;
    for await (const chunk of readChunks(await open(context), signal)) {
      // A chat ignores all chunks after an error. The stream is still read to its end, for its `onEnd`.
      if (failure !== undefined) continue;
      if (options.recordTransient === false && 'transient' in chunk && chunk.transient === true) continue;
      for (const each of message.add(chunk)) yield toJson(each);
      if (chunk.type === 'error') failure = toFailure(chunk.errorText);
    }
    yield* message.end();
    if (failure !== undefined) throw failure;
    return undefined;
  };
}

/** The text is recorded, so readers may have it: a status below 500 lets it pass. */
function toFailure(text: string): LinefeedError {
  return new LinefeedError('source_failed', text, { status: 422 });
}

/** Ensures that the record of a message begins with one `start` chunk that has its id. */
class Message {
  readonly #messageId: string | undefined;
  readonly #run: string;
  #hasStarted = false;
  /** Chunks that came before the start of the message. */
  #waiting: UIMessageChunk[] = [];

  constructor(messageId: string | undefined, run: string) {
    this.#messageId = messageId;
    this.#run = run;
  }

  /** An earlier attempt has recorded the start, and perhaps a part of a step. This attempt begins that step again. */
  continue(): UIMessageChunk {
    this.#hasStarted = true;
    return { type: 'reset-step' };
  }

  /** The chunks to record for one chunk of the stream. */
  add(chunk: UIMessageChunk): readonly UIMessageChunk[] {
    if (chunk.type !== 'start') {
      if (this.#hasStarted) return [chunk];
      // Only parts of the application come before the start that the SDK writes, and it may have another id.
      const mayWait = chunk.type.startsWith('data-') || chunk.type === 'message-metadata';
      if (!mayWait || this.#messageId !== undefined) return [...this.end(), chunk];
      this.#waiting.push(chunk);
      return [];
    }
    if (!this.#hasStarted) {
      return this.#start({ ...chunk, messageId: chunk.messageId ?? this.#messageId ?? this.#run });
    }
    // With a second start the reader would begin a second message.
    const { messageMetadata } = chunk;
    return messageMetadata === undefined ? [] : [{ type: 'message-metadata', messageMetadata }];
  }

  /** The chunks that are still missing: without a start of the stream, one with the default id. */
  end(): readonly UIMessageChunk[] {
    return this.#hasStarted ? [] : this.#start({ type: 'start', messageId: this.#messageId ?? this.#run });
  }

  #start(chunk: UIMessageChunk): readonly UIMessageChunk[] {
    this.#hasStarted = true;
    const chunks = [chunk, ...this.#waiting];
    this.#waiting = [];
    return chunks;
  }
}

/** The SDK sends JSON, where a tool may return a `Date` and leave fields `undefined`. A delta has neither. */
function toJson(chunk: UIMessageChunk): UIMessageChunk {
  if (chunk.type === 'text-delta' || chunk.type === 'reasoning-delta') return chunk;
  return JSON.parse(JSON.stringify(chunk)) as UIMessageChunk;
}
