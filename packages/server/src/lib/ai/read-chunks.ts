/** Reads a stream of chunks until it ends or a signal aborts, and then cancels it. */
import type { UIMessageChunk } from 'ai';
import { ignore } from '../base/promise.ts';

/** A UI message stream: a web stream, or any async iterable of chunks. */
export type ChunkStream = ReadableStream<UIMessageChunk> | AsyncIterable<UIMessageChunk>;

/** Cancels the stream at the abort, also while it waits for the model. `for await` alone would wait for a chunk. */
export async function* readChunks(
  stream: ChunkStream,
  signal: AbortSignal,
): AsyncGenerator<UIMessageChunk, void, void> {
  const { next, cancel } = toReader(stream);
  let isOver = false;
  const abort = (): void => {
    if (!isOver) cancel(signal.reason);
    isOver = true;
  };
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    while (!isOver) {
      const { done, value } = await next();
      if (done === true) isOver = true;
      else if (!signal.aborted) yield value;
    }
  } catch (error) {
    isOver = true;
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    if (!isOver) cancel(undefined);
  }
}

interface ChunkReader {
  readonly next: () => Promise<IteratorResult<UIMessageChunk, unknown>>;
  readonly cancel: (reason: unknown) => void;
}

function toReader(stream: ChunkStream): ChunkReader {
  if (stream instanceof ReadableStream) {
    const reader = stream.getReader();
    return {
      next: () => reader.read(),
      cancel: (reason) => void reader.cancel(reason).catch(ignore),
    };
  }
  const iterator = stream[Symbol.asyncIterator]();
  return {
    next: () => iterator.next(),
    cancel: () => void iterator.return?.().then(ignore, ignore),
  };
}
