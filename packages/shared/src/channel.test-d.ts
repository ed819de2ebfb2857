import * as v from 'valibot';
import { describe, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import * as mini from 'zod/mini';
import {
  type Channel,
  defineChannel,
  type LoggedName,
  type Params,
  type ParamsInput,
  type Payload,
  type PayloadInput,
  run,
  type RunName,
  type RunResult,
  type RunResultInput,
  type StreamName,
  stream,
  topic,
  type TopicName,
} from '@linefeed/shared';

interface Quote {
  bid: number;
  venue: { name: string; tags?: string[] };
}
interface Late {
  at: Date;
}
/** Seven objects deep: deeper than a usual payload. */
interface Deep {
  a: { b: { c: { d: { e: { f: { g: { at: Date } } } } } } };
}
/** Refers to itself in two ways, and has a Date deep inside. */
interface Branch {
  left: Branch;
  right: Branch[];
  leaf: { mark: { seen: { at: Date } } };
}
interface Expression {
  left?: Expression;
  right?: Expression;
  calls: Call[];
}
interface Call {
  callee: Expression;
  given: Expression[];
  extra: ReturnType<typeof JSON.parse>;
  more: unknown[];
}
interface Tree {
  value: number;
  children: Tree[];
}

const Level = z.enum(['info', 'warn']);
const board = defineChannel({
  notice: z.object({ text: z.string(), level: Level }),
  price: topic({
    params: z.object({ symbol: z.string(), depth: z.number().default(1), venue: z.string().optional() }),
    data: z.object({ bid: z.number(), size: z.number().default(0), note: z.string().optional() }),
    keep: 'latest',
  }),
  report: stream({
    params: z.object({ year: z.number() }),
    data: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('step'), done: z.number() }),
      z.object({ kind: z.literal('result'), rows: z.array(z.array(z.string().nullable())) }),
    ]),
  }),
  clock: stream({ data: z.iso.datetime() }),
  order: z.object({ id: z.string().brand<'OrderId'>() }),
  quote: z.custom<Quote>(),
  tree: z.custom<Tree>(),
  record: z.record(z.string(), z.number()),
  tuple: z.tuple([z.string(), z.number()]),
  small: mini.object({ n: mini.optional(mini.number()) }),
  other: topic({
    params: v.object({ id: v.optional(v.string(), 'x') }),
    data: v.object({ n: v.nullable(v.number()) }),
  }),
});
type Board = typeof board;

describe('types of topic names', () => {
  test('the topic names of a contract are typed by kind', () => {
    expectTypeOf<StreamName<Board>>().toEqualTypeOf<'report' | 'clock'>();
    expectTypeOf<LoggedName<Board>>().toEqualTypeOf<
      'notice' | 'price' | 'order' | 'quote' | 'tree' | 'record' | 'tuple' | 'small' | 'other'
    >();
    expectTypeOf<TopicName<Board>>().toEqualTypeOf<StreamName<Board> | LoggedName<Board>>();
  });

  test('a misspelt topic name does not compile', () => {
    // @ts-expect-error there is no such topic
    expectTypeOf<Payload<Board, 'prices'>>().toBeNever();
  });
});

describe('types of payloads', () => {
  test('a payload type keeps enums and strings', () => {
    expectTypeOf<Payload<Board, 'notice'>>().toEqualTypeOf<{ text: string; level: 'info' | 'warn' }>();
  });

  test('a field with a default is present for the handler and optional for the publisher', () => {
    expectTypeOf<Payload<Board, 'price'>>().toEqualTypeOf<{
      bid: number;
      size: number;
      note?: string | undefined;
    }>();
    expectTypeOf<PayloadInput<Board, 'price'>>().toEqualTypeOf<{
      bid: number;
      size?: number | undefined;
      note?: string | undefined;
    }>();
  });

  test('a payload type can be a union with nested arrays', () => {
    expectTypeOf<Payload<Board, 'report'>>().toEqualTypeOf<
      { kind: 'step'; done: number } | { kind: 'result'; rows: Array<Array<string | null>> }
    >();
  });

  test('a payload type keeps brands, interfaces, recursion, records and tuples', () => {
    expectTypeOf<Payload<Board, 'order'>>().toEqualTypeOf<{ id: string & z.$brand<'OrderId'> }>();
    expectTypeOf<Payload<Board, 'quote'>>().toEqualTypeOf<Quote>();
    expectTypeOf<Payload<Board, 'tree'>>().toEqualTypeOf<Tree>();
    expectTypeOf<Payload<Board, 'record'>>().toEqualTypeOf<Record<string, number>>();
    expectTypeOf<Payload<Board, 'tuple'>>().toEqualTypeOf<[string, number]>();
    expectTypeOf<Payload<Board, 'clock'>>().toBeString();
  });

  test('payload types come from schemas of every library', () => {
    expectTypeOf<Payload<Board, 'small'>>().toEqualTypeOf<{ n?: number | undefined }>();
    expectTypeOf<Payload<Board, 'other'>>().toEqualTypeOf<{ n: number | null }>();
  });
});

describe('types of params', () => {
  test('Params is the output of the schema, and ParamsInput is its input', () => {
    expectTypeOf<Params<Board, 'price'>>().toEqualTypeOf<{
      symbol: string;
      depth: number;
      venue?: string | undefined;
    }>();
    expectTypeOf<ParamsInput<Board, 'price'>>().toEqualTypeOf<{
      symbol: string;
      depth?: number | undefined;
      venue?: string | undefined;
    }>();
    expectTypeOf<Params<Board, 'other'>>().toEqualTypeOf<{ id: string }>();
    expectTypeOf<ParamsInput<Board, 'other'>>().toEqualTypeOf<{ id?: string | undefined }>();
  });

  test('the params of a topic without params are undefined', () => {
    expectTypeOf<Params<Board, 'notice'>>().toBeUndefined();
    expectTypeOf<ParamsInput<Board, 'clock'>>().toBeUndefined();
  });
});

describe('types of a channel', () => {
  test('a channel with topics is assignable to Channel', () => {
    expectTypeOf(board).toExtend<Channel>();
  });
});

describe('types of a contract that cannot work', () => {
  test('a payload that JSON cannot represent does not compile', () => {
    // @ts-expect-error a Date
    defineChannel({ a: z.object({ at: z.date() }) });
    // @ts-expect-error a Date in zod/mini
    defineChannel({ a: mini.object({ at: mini.date() }) });
    // @ts-expect-error a Date in valibot
    defineChannel({ a: v.object({ at: v.date() }) });
    // @ts-expect-error a Date in an interface
    defineChannel({ a: z.custom<Late>() });
    // @ts-expect-error a Date, seven objects deep
    defineChannel({ a: z.custom<Deep>() });
    // @ts-expect-error a Date, fourteen objects deep
    defineChannel({ a: z.object({ a: z.custom<{ b: { c: { d: { e: { f: Deep } } } } }>() }) });
    // @ts-expect-error a Date in a type that refers to itself
    defineChannel({ a: z.custom<Branch>() });
    // @ts-expect-error a bigint, nested
    defineChannel({ a: topic({ data: z.array(z.object({ n: z.array(z.bigint()) })) }) });
    // @ts-expect-error a Map
    defineChannel({ a: z.object({ m: z.map(z.string(), z.string()) }) });
    // @ts-expect-error a Set, in one branch of a union
    defineChannel({ a: stream({ data: z.union([z.string(), z.object({ s: z.set(z.string()) })]) }) });
    // @ts-expect-error a function
    defineChannel({ a: z.object({ f: z.custom<() => void>() }) });
    // @ts-expect-error undefined in an array
    defineChannel({ a: z.array(z.string().optional()) });
    // @ts-expect-error undefined as a whole
    defineChannel({ a: z.string().optional() });
    // @ts-expect-error undefined alone
    defineChannel({ a: z.undefined() });
  });

  test('a payload whose output is not valid input does not compile', () => {
    // @ts-expect-error a string becomes a number
    defineChannel({ a: z.object({ n: z.string().transform(Number) }) });
  });

  test('an invalid topic name does not compile', () => {
    // @ts-expect-error an event of EventSource
    defineChannel({ open: z.string() });
    // @ts-expect-error an event of EventSource
    defineChannel({ error: z.string() });
    // @ts-expect-error a control frame
    defineChannel({ 'linefeed.hello': z.string() });
    // @ts-expect-error nothing
    defineChannel({ '': z.string() });
    // @ts-expect-error a space
    defineChannel({ 'a b': z.string() });
    // @ts-expect-error a letter beyond ASCII
    defineChannel({ größe: z.string() });
    // @ts-expect-error a digit at the start
    defineChannel({ '1a': z.string() });
    // @ts-expect-error a question mark at the end
    defineChannel({ 'price?': z.string() });
    // @ts-expect-error an empty segment
    defineChannel({ 'a//b': z.string() });
    // @ts-expect-error an empty segment at the end
    defineChannel({ 'a/': z.string() });
    // @ts-expect-error a segment that every URL parser removes
    defineChannel({ 'a/../b': z.string() });
    // @ts-expect-error the same at the end
    defineChannel({ 'a/.': z.string() });
  });

  test('invalid params do not compile', () => {
    // @ts-expect-error no object
    defineChannel({ a: topic({ params: z.string(), data: z.string() }) });
    // @ts-expect-error no object
    defineChannel({ a: stream({ params: z.array(z.string()), data: z.string() }) });
    // @ts-expect-error may be undefined
    defineChannel({ a: topic({ params: z.object({ b: z.string() }).optional(), data: z.string() }) });
    // @ts-expect-error may be null
    defineChannel({ a: topic({ params: z.object({ b: z.string() }).nullable(), data: z.string() }) });
    // @ts-expect-error may be undefined
    defineChannel({ a: stream({ params: v.optional(v.object({ b: v.string() })), data: z.string() }) });
    const union = z.union([z.object({ b: z.string() }), z.undefined()]);
    // @ts-expect-error may be undefined
    defineChannel({ a: topic({ params: union, data: z.string() }) });
    const whole = z.object({ b: z.string() }).default({ b: 'c' });
    // @ts-expect-error may be absent as a whole
    defineChannel({ a: topic({ params: whole, data: z.string() }) });
    // @ts-expect-error may be no object
    defineChannel({ a: topic({ params: z.union([z.object({}), z.string()]), data: z.string() }) });
    // @ts-expect-error a Date
    defineChannel({ a: topic({ params: z.object({ since: z.date() }), data: z.string() }) });
    // @ts-expect-error a name of the request itself
    defineChannel({ a: topic({ params: z.object({ from: z.string() }), data: z.string() }) });
  });

  test('a contract entry that is not a topic does not compile', () => {
    // @ts-expect-error a number
    defineChannel({ a: 5 });
    // @ts-expect-error fields without a schema around them
    defineChannel({ a: { bid: z.number() } });
    // @ts-expect-error a stream is not kept
    defineChannel({ a: stream({ data: z.string(), keep: 'latest' }) });
  });

  test('topic names with every allowed character compile', () => {
    expectTypeOf(
      defineChannel({ 'aZ0_.-/b...c/d..': z.string(), linefeed: z.string(), opening: z.string() }),
    ).toExtend<Channel>();
    // Names that are known only at run time are checked at run time.
    const topics: Record<string, z.ZodString> = {};
    const numbered: Record<`topic${number}`, z.ZodString> = {};
    expectTypeOf(defineChannel(topics)).toExtend<Channel>();
    expectTypeOf(defineChannel(numbered)).toExtend<Channel>();
  });

  test('recursive payload types compile', () => {
    expectTypeOf(defineChannel({ a: z.custom<Expression>(), b: z.custom<Tree>() })).toExtend<Channel>();
  });

  test('payloads of type unknown or any compile', () => {
    expectTypeOf(defineChannel({ a: z.array(z.unknown()), b: z.array(z.any()) })).toExtend<Channel>();
    expectTypeOf(
      defineChannel({ a: z.unknown(), b: z.any(), c: z.object({ d: z.unknown() }) }),
    ).toExtend<Channel>();
    expectTypeOf(
      defineChannel({ a: topic({ params: z.record(z.string(), z.string()), data: z.json() }) }),
    ).toExtend<Channel>();
  });
});

describe('types of runs', () => {
  const chat = defineChannel({
    notice: z.string(),
    answer: run({
      params: z.object({ chat: z.string() }),
      data: z.object({ text: z.string() }),
      result: z.object({ tokens: z.number().default(0) }),
    }),
    job: run({ data: z.number() }),
    clock: stream({ data: z.number() }),
  });
  type Chat = typeof chat;

  test('runs are neither logged topics nor streams', () => {
    expectTypeOf<RunName<Chat>>().toEqualTypeOf<'answer' | 'job'>();
    expectTypeOf<LoggedName<Chat>>().toEqualTypeOf<'notice'>();
    expectTypeOf<StreamName<Chat>>().toEqualTypeOf<'clock'>();
  });

  test('the result of a run has a type for its source and one for its readers', () => {
    expectTypeOf<RunResult<Chat, 'answer'>>().toEqualTypeOf<{ tokens: number }>();
    expectTypeOf<RunResultInput<Chat, 'answer'>>().toEqualTypeOf<{ tokens?: number | undefined }>();
    expectTypeOf<RunResult<Chat, 'job'>>().toBeUndefined();
    expectTypeOf<RunResultInput<Chat, 'job'>>().toBeVoid();
    expectTypeOf<Payload<Chat, 'answer'>>().toEqualTypeOf<{ text: string }>();
    expectTypeOf<Params<Chat, 'answer'>>().toEqualTypeOf<{ chat: string }>();
  });

  test('a result that JSON changes does not compile', () => {
    // @ts-expect-error a Date
    defineChannel({ a: run({ data: z.string(), result: z.object({ at: z.date() }) }) });
  });
});
