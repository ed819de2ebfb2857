import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ignore } from '../base/promise.ts';
import { callContent, isCallable, openContent } from './content.ts';

const context = { signal: new AbortController().signal, lastEventId: '7' };

async function drain(given: unknown): Promise<unknown[]> {
  const opened = await (isCallable(given) ? callContent(given, context) : openContent(given));
  const values: unknown[] = [];
  for await (const value of opened.content) values.push(value);
  return values;
}

function* generate(): Generator<number> {
  yield 1;
  yield 2;
}
async function* generateLater(): AsyncGenerator<number> {
  yield* generate();
}
class Numbers {
  *[Symbol.iterator](): Generator<number> {
    yield* generate();
  }
}
class NumbersLater {
  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    yield* generate();
  }
}
/** An iterator that is not iterable. */
class Counter {
  #n = 0;
  next(): IteratorResult<number> {
    this.#n += 1;
    return this.#n > 2 ? { done: true, value: undefined } : { done: false, value: this.#n };
  }
}
class CounterLater {
  readonly #counter = new Counter();
  async next(): Promise<IteratorResult<number>> {
    return this.#counter.next();
  }
}
const streamOf = (...values: unknown[]): ReadableStream =>
  new ReadableStream({
    start(controller) {
      for (const value of values) controller.enqueue(value);
      controller.close();
    },
  });

describe('content of an event stream', () => {
  it.each([
    ['a string', () => 'one event', ['one event']],
    ['an empty string', () => '', ['']],
    ['bytes', () => new Uint8Array([97]), [new Uint8Array([97])]],
    ['an ArrayBuffer', () => new Uint8Array([97]).buffer, [new Uint8Array([97]).buffer]],
    ['an array', () => [1, 2], [1, 2]],
    ['a Set', () => new Set([1, 2]), [1, 2]],
    ['a Map', () => new Map([['a', 1]]), [['a', 1]]],
    ['a generator', generate, [1, 2]],
    ['an async generator', generateLater, [1, 2]],
    ['an iterable object', () => new Numbers(), [1, 2]],
    ['an async iterable object', () => new NumbersLater(), [1, 2]],
    ['an iterator', () => new Counter(), [1, 2]],
    ['an async iterator', () => new CounterLater(), [1, 2]],
    ['an array iterator', () => [1, 2].values(), [1, 2]],
    ['a ReadableStream', () => streamOf(1, 2), [1, 2]],
    ['a Node stream', () => Readable.from([1, 2]), [1, 2]],
  ])('content may be %s, or a function that returns it', async (_, make, values) => {
    expect(await drain(make())).toEqual(values);
    expect(await drain(make)).toEqual(values);
    expect(await drain(async () => make())).toEqual(values);
  });

  it.each([
    ['iterable', Numbers],
    ['async iterable', NumbersLater],
    ['iterator', Counter],
    ['async iterator', CounterLater],
  ])('content may be a class of %s objects', async (_, given) => {
    expect(await drain(given)).toEqual([1, 2]);
  });

  it('functions and classes receive the signal and the last event id', async () => {
    class Echo {
      readonly given: unknown;
      constructor(given: unknown) {
        this.given = given;
      }
      *[Symbol.iterator](): Generator {
        yield this.given;
      }
    }
    expect(await drain((given: unknown) => [given])).toEqual([context]);
    expect(await drain(Echo)).toEqual([context]);
  });

  it('a function that is iterable is iterated, not called', async () => {
    const both = Object.assign(() => [3], { [Symbol.iterator]: generate });
    expect(await drain(both)).toEqual([1, 2]);
  });

  it.each([
    ['undefined', undefined, /^undefined cannot be the content/],
    ['null', null, /^null cannot be the content/],
    ['a number', 7, /^A number cannot be the content/],
    ['a boolean', false, /^A boolean/],
    ['a plain object', { a: 1 }, /^A plain object .*\[payload\]/],
    ['a Date', new Date(0), /^A Date/],
    ['a promise', Promise.resolve([]), /^A promise/],
  ])(
    'content that is %s, or a function that returns it, is refused as invalid_content',
    async (_, given, expected) => {
      const refused = expect.objectContaining({
        code: 'invalid_content',
        message: expect.stringMatching(expected),
      });
      expect(() => openContent(given)).toThrow(refused);
      if (!(given instanceof Promise)) {
        expect(() => callContent(() => given, context)).toThrow(refused);
        await expect(callContent(async () => given, context)).rejects.toEqual(refused);
      }
    },
  );

  it('a locked ReadableStream is refused', () => {
    const stream = streamOf(1);
    stream.getReader();
    expect(() => openContent(stream)).toThrow(/locked/);
  });
});

describe('content that is discarded or returned early', () => {
  it('a ReadableStream is cancelled when it is discarded, or returned during a pending read', async () => {
    const cancelled: string[] = [];
    const idle = (name: string): ReadableStream =>
      new ReadableStream({ cancel: () => void cancelled.push(name) });
    openContent(idle('unstarted')).discard(ignore);
    const { content } = openContent(idle('waiting'));
    const iterator = (content as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    const reading = iterator.next();
    await iterator.return?.();
    expect(await reading).toEqual({ done: true, value: undefined });
    expect(cancelled).toEqual(['unstarted', 'waiting']);
  });

  it('a Node stream is destroyed when it is discarded, or returned during a pending read', async () => {
    const idle = (): Readable => new Readable({ read: () => undefined });
    const unstarted = idle();
    openContent(unstarted).discard(ignore);
    const waiting = idle();
    const iterator = (openContent(waiting).content as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    const reading = iterator.next();
    reading.catch(() => undefined);
    await iterator.return?.();
    expect([unstarted.destroyed, waiting.destroyed]).toEqual([true, true]);
    await expect(reading).rejects.toThrow(/Premature close|aborted/i);
  });

  it('discard() returns an iterator and does not start an iterable', () => {
    const calls: string[] = [];
    const iterator = {
      next: () => ({ done: true, value: 1 }),
      return: () => (calls.push('return'), { done: true, value: 1 }),
    };
    openContent(iterator).discard(ignore);
    openContent({ [Symbol.iterator]: () => (calls.push('started'), iterator) }).discard(ignore);
    expect(calls).toEqual(['return']);
  });

  it('discard() reports errors of return() and cancel()', async () => {
    const errors: unknown[] = [];
    const failing = {
      next: () => ({ done: true, value: 1 }),
      return: () => Promise.reject(new Error('one')),
    };
    const stream = new ReadableStream({ cancel: () => Promise.reject(new Error('two')) });
    openContent(failing).discard((error) => errors.push(error));
    openContent(stream).discard((error) => errors.push(error));
    await new Promise((resolve) => setImmediate(resolve));
    expect(errors).toMatchObject([{ message: 'one' }, { message: 'two' }]);
  });

  it('an iterator over a failing ReadableStream rejects with its error once', async () => {
    const stream = new ReadableStream({ pull: () => Promise.reject(new Error('upstream')) });
    const iterator = (openContent(stream).content as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    await expect(iterator.next()).rejects.toThrow('upstream');
    await expect(iterator.return?.()).resolves.toEqual({ done: true, value: undefined });
  });
});
