/** The content of an event stream, converted into something that can be iterated. */
import { LinefeedError, type Awaitable } from '@linefeed/shared/wire';
import type { SSEData } from '../stream/message.ts';
import { ignore, isThenable } from '../base/promise.ts';
import { endIterator, type SourceContent } from '../base/source.ts';

/** The argument of a function or class that is given as content. */
export interface ContentContext {
  /** Aborts when the response is over, for example because the client left. */
  readonly signal: AbortSignal;
  /** If the client reconnects: the id of the last event that it received. Continue after it. */
  readonly lastEventId: string | undefined;
}

/** Content that needs no call. Text and bytes are one event each; everything else is iterated. */
export type IterableContent<T> =
  | string
  | Uint8Array
  | ArrayBuffer
  | Iterable<SSEData<T>>
  | AsyncIterable<SSEData<T>>
  | Iterator<SSEData<T>>
  | AsyncIterator<SSEData<T>>
  | ReadableStream<SSEData<T>>;

/** The content of an event stream, or a function or class that returns it. */
export type EventStreamContent<T> =
  | IterableContent<T>
  | ((context: ContentContext) => Awaitable<IterableContent<T>>)
  | (new (context: ContentContext) => IterableContent<T>);

/** Content that is available but not started. */
export interface OpenContent {
  readonly content: SourceContent;
  /** Closes content that is never started. Failures go to `onError`. */
  readonly discard: (onError: (error: unknown) => void) => void;
}

type AnyIterator = Iterator<unknown> | AsyncIterator<unknown>;

/** Whether content must be called. Something that can be iterated is never called. */
export function isCallable(content: unknown): content is CallableContent {
  return typeof content === 'function' && !isIterable(content) && !isIterator(content);
}

export type CallableContent =
  | ((context: ContentContext) => unknown)
  | (new (context: ContentContext) => unknown);

/**
 * Calls a function, or creates an instance of a class.
 *
 * @throws whatever it throws, and LinefeedError `invalid_content` for content that cannot be iterated.
 */
export function callContent(
  callable: CallableContent,
  context: ContentContext,
): OpenContent | Promise<OpenContent> {
  const given = isClass(callable) ? new callable(context) : callable(context);
  return isThenable(given) && !isIterable(given)
    ? Promise.resolve(given).then(openContent)
    : openContent(given);
}

/** @throws LinefeedError `invalid_content` */
export function openContent(content: unknown): OpenContent {
  if (typeof content === 'string' || isBytes(content)) return { content: [content], discard: ignore };
  if (isObject(content)) {
    if (isReadableStream(content)) return fromReadableStream(content);
    if (isNodeReadable(content)) return fromNodeReadable(content);
    if (isIterable(content)) return { content, discard: (onError) => discardIterator(content, onError) };
    if (isIterator(content)) {
      // Only a call shows whether `next` returns promises, so the iterator is treated as asynchronous.
      const iterator = content as AsyncIterator<unknown>;
      return {
        content: { [Symbol.asyncIterator]: () => iterator },
        discard: (onError) => discardIterator(content, onError),
      };
    }
  }
  throw new LinefeedError(
    'invalid_content',
    `${describe(content)} cannot be the content of an event stream. Give a string, bytes, an iterable, an iterator, a ReadableStream, or a function that returns one of these; a single payload goes into an array: [payload].`,
  );
}

/** Whether a value is text as bytes. Checks the tag, because each realm has classes of its own. */
export function isBytes(value: unknown): value is Uint8Array | ArrayBuffer {
  const tag = Object.prototype.toString.call(value);
  return tag === '[object Uint8Array]' || tag === '[object ArrayBuffer]';
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function isIterable(value: object): value is SourceContent {
  return (
    (Symbol.asyncIterator in value && typeof value[Symbol.asyncIterator] === 'function') ||
    (Symbol.iterator in value && typeof value[Symbol.iterator] === 'function')
  );
}

function isIterator(value: object): value is AnyIterator {
  return 'next' in value && typeof value.next === 'function';
}

// Only a class has a read-only `prototype`. Calling a class without `new` throws.
function isClass(callable: CallableContent): callable is new (context: ContentContext) => unknown {
  return Object.getOwnPropertyDescriptor(callable, 'prototype')?.writable === false;
}

function isReadableStream(value: object): value is ReadableStream<unknown> {
  return 'getReader' in value && typeof value.getReader === 'function';
}

/** The parts of Node's own streams that are needed to recognise and end one. */
interface NodeReadable extends AsyncIterable<unknown> {
  pipe(): unknown;
  destroy(): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
}

function isNodeReadable(value: object): value is NodeReadable {
  return (
    Symbol.asyncIterator in value &&
    'pipe' in value &&
    'destroy' in value &&
    typeof value.destroy === 'function'
  );
}

/** An unstarted generator ends without running. An iterable that is not an iterator holds no resources yet. */
function discardIterator(content: object, onError: (error: unknown) => void): void {
  if (isIterator(content)) endIterator(content, onError);
}

function fromReadableStream(stream: ReadableStream<unknown>): OpenContent {
  if (stream.locked) {
    throw new LinefeedError('invalid_content', 'The ReadableStream is locked: other code reads it already.');
  }
  // The stream's own iterator is not used: its return() waits for the read in flight, which may never end.
  const iterate = (): AsyncIterator<unknown> => {
    const reader = stream.getReader();
    let failed = false;
    return {
      next: () =>
        reader.read().catch((error: unknown) => {
          failed = true;
          throw error;
        }) as Promise<IteratorResult<unknown>>,
      async return() {
        if (!failed) await reader.cancel();
        return { done: true, value: undefined };
      },
    };
  };
  return {
    content: { [Symbol.asyncIterator]: iterate },
    discard: (onError) => void stream.cancel().catch(onError),
  };
}

function fromNodeReadable(stream: NodeReadable): OpenContent {
  // The iterator's own return() is not used: it waits while the stream waits for data.
  const iterate = (): AsyncIterator<unknown> => {
    const iterator = stream[Symbol.asyncIterator]();
    return {
      next: () => iterator.next(),
      async return() {
        stream.destroy();
        return { done: true, value: undefined };
      },
    };
  };
  const discard: OpenContent['discard'] = (onError) => {
    stream.on('error', onError);
    stream.destroy();
  };
  return { content: { [Symbol.asyncIterator]: iterate }, discard };
}

function describe(content: unknown): string {
  if (content === null) return 'null';
  if (typeof content === 'function') return 'A function';
  if (content === undefined) return 'undefined';
  if (typeof content !== 'object') return `A ${typeof content}`;
  if (isThenable(content)) return 'A promise';
  const name = (content.constructor as { name?: string } | undefined)?.name;
  return name === undefined || name === 'Object' ? 'A plain object' : `A ${name}`;
}
