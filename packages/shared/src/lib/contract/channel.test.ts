import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import * as mini from 'zod/mini';
import { defineChannel } from './channel.ts';
import { paramNames } from './param-schema.ts';
import type { Schema } from './schema.ts';
import { run, stream, topic, type TopicMap } from './topic.ts';

/** Also takes contracts that the compiler would reject. */
const define = (topics: TopicMap) => defineChannel(topics as { readonly x: z.ZodString });
const text = z.string();

describe('a contract', () => {
  const libraries = {
    zod: { data: z.object({ bid: z.number() }), params: z.object({ symbol: z.string() }) },
    'zod/mini': { data: mini.object({ bid: mini.number() }), params: mini.object({ symbol: mini.string() }) },
    valibot: { data: v.object({ bid: v.number() }), params: v.object({ symbol: v.string() }) },
  };

  test.for(Object.entries(libraries))('a contract accepts schemas of %s', ([, { data, params }]) => {
    const { topics } = define({
      plain: data,
      price: topic({ params, data, keep: 'latest' }),
      report: stream({ params, data }),
    });
    expect([...topics]).toEqual([
      ['plain', { kind: 'logged', params: undefined, data, keep: 'all' }],
      ['price', { kind: 'logged', params, data, keep: 'latest' }],
      ['report', { kind: 'stream', params, data, keep: 'all' }],
    ]);
    expect(paramNames(params)).toEqual(['symbol']);
  });

  test('a contract can mix schema libraries, and accepts schemas that are functions', () => {
    const callable = Object.assign(() => true, {
      '~standard': {
        version: 1,
        vendor: 'x',
        validate: (value) => ({ value }),
      } satisfies StandardSchemaV1['~standard'],
    });
    expect([...define({ a: z.string(), b: v.string(), c: callable }).topics.keys()]).toEqual(['a', 'b', 'c']);
  });

  test('a contract accepts a schema with fields named kind and data', () => {
    const data = z.object({ kind: z.literal('logged'), data: z.string() });
    expect(define({ a: data }).topics.get('a')).toMatchObject({ kind: 'logged', data });
  });
});

describe('a topic name', () => {
  test.for([
    'a',
    'A',
    'price',
    'a.b',
    'a/b',
    'a_b-c.d/e9',
    'linefeed',
    'linefeedx.a',
    'opening',
    'errors',
    'a...b',
  ])('the topic name %s is accepted', (name) => {
    expect([...define({ [name]: text }).topics.keys()]).toEqual([name]);
  });

  test.for([
    '',
    '1a',
    '-a',
    '/a',
    '.a',
    '_a',
    'a b',
    'a?b',
    'a~b',
    'a%20',
    'ä',
    'a\n',
    'a&b',
    'a+b',
    'a#b',
    '__proto__x',
  ])('the topic name %j is malformed', (name) => {
    expect(() => define({ [name]: text })).toThrow(
      `"${name}" cannot name a topic: a name starts with a letter`,
    );
  });

  test.for(['open', 'error'])(
    'the topic name %s is refused, because EventSource dispatches its own event with that name',
    (name) => {
      expect(() => define({ [name]: text })).toThrow(
        `"${name}" cannot name a topic: EventSource dispatches its own event with that name.`,
      );
    },
  );

  test('a topic name that starts with linefeed. is reserved for control frames', () => {
    expect(() => define({ 'linefeed.hello': text })).toThrow(
      '"linefeed.hello" cannot name a topic: names that start with "linefeed." are control frames.',
    );
  });

  test.for(['a/', 'a//b', 'a/./b', 'a/..', 'a/../b'])(
    'the topic name %s is refused, because URL parsers change it',
    (name) => {
      expect(() => define({ [name]: text })).toThrow(`"${name}" cannot name a topic: every URL parser`);
    },
  );
});

describe('a value that is not a topic', () => {
  test.for([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, 'a number'],
    ['string', 'a string'],
    [{ bid: z.number() }, 'an object that is not a schema'],
    [() => z.string(), 'a function'],
  ] as const)('%s as a topic is refused with the name of the topic', ([value, description]) => {
    expect(() => define({ price: value as never })).toThrow(
      `Topic "price" is ${description}; it must be a schema of a Standard Schema library, topic({…}), stream({…}) or run({…}).`,
    );
  });

  test.for([
    [{}, 'undefined'],
    [{ data: 'string' }, 'a string'],
    [{ data: { bid: z.number() } }, 'an object that is not a schema'],
  ] as const)('a topic whose data is %j is refused', ([options, description]) => {
    expect(() => define({ price: topic(options as never) })).toThrow(
      `The data of topic "price" is ${description}; it must be a schema.`,
    );
  });

  test.for([
    ['zod', z.object({ bid: z.number() })],
    ['arktype', type({ bid: 'number' })],
  ] as const)('a schema of %s in place of the options of a topic is refused', ([, schema]) => {
    expect(() => topic(schema as never)).toThrow('topic takes its schema as an option: topic({ data: … }).');
    expect(() => stream(schema as never)).toThrow(
      'stream takes its schema as an option: stream({ data: … }).',
    );
  });

  test('a channel without topics is refused', () => {
    expect(() => define({})).toThrow('A channel needs at least one topic.');
  });

  test('the error of an invalid contract has the code invalid_channel', () => {
    expect(() => define({})).toThrow(
      expect.objectContaining({ name: 'LinefeedError', code: 'invalid_channel' }),
    );
  });
});

describe('a payload that JSON cannot represent', () => {
  test.for([
    ['zod', z.object({ seen: z.array(z.object({ at: z.date() })) })],
    ['zod/mini', mini.object({ seen: mini.array(mini.object({ at: mini.date() })) })],
    ['valibot', v.object({ seen: v.array(v.object({ at: v.date() })) })],
  ] as const)('a payload with a Date in a schema of %s is refused with its topic and field', ([, data]) => {
    const message =
      'The payload of topic "price" cannot be sent as JSON: "seen.[].at" is a Date; send it as a string';
    expect(() => define({ price: data })).toThrow(message);
    expect(() => define({ price: topic({ data }) })).toThrow(message);
    expect(() => define({ price: stream({ data }) })).toThrow(message);
  });

  test('a payload that is a bigint itself is refused', () => {
    expect(() => define({ price: z.bigint() })).toThrow('cannot be sent as JSON: it is a bigint');
  });

  test.for([
    ['z.undefined()', z.undefined()],
    ['z.void()', z.void()],
    ['an optional of zod', text.optional()],
    ['a nullish of zod', text.nullish()],
    ['an optional of zod/mini', mini.optional(mini.string())],
    ['an optional of valibot', v.optional(v.string())],
    ['a nullish of valibot', v.nullish(v.string())],
    ['a union of zod', z.union([text, z.undefined()])],
    ['a union of valibot', v.union([v.string(), v.undefined()])],
    ['an optional of zod in a union', z.union([z.null(), text.optional().nullable()])],
  ] as const)('a payload that can be undefined is refused: %s', ([, data]) => {
    expect(() => define({ price: data })).toThrow(
      'The payload of topic "price" cannot be sent as JSON: it may be undefined; use null.',
    );
  });

  test('an optional payload with a default is accepted', () => {
    expect(define({ a: text.default('x'), b: v.optional(v.string(), 'x') }).topics.size).toBe(2);
  });
});

describe('params', () => {
  test.for([
    ['zod', z.string(), 'string'],
    ['zod', z.array(z.string()), 'array'],
    ['zod', z.enum(['a']), 'enum'],
    ['zod/mini', mini.number(), 'number'],
    ['valibot', v.string(), 'string'],
    ['valibot', v.tuple([v.string()]), 'tuple'],
    ['valibot', v.picklist(['a']), 'picklist'],
  ] as const)('params that are not an object are refused: %s %#', ([, params, kind]) => {
    const message = `The params of topic "price" are or may be a schema of type ${kind}; they must always be an object.`;
    expect(() => define({ price: topic({ params, data: text }) })).toThrow(message);
    expect(() => define({ price: stream({ params, data: text }) })).toThrow(message);
  });

  const object = z.object({ symbol: z.string() });
  test.for([
    ['an optional of zod', object.optional(), 'optional'],
    ['a nullable of zod', object.nullable(), 'nullable'],
    ['a nullish of zod', object.nullish(), 'optional'],
    ['a default of zod', object.default({ symbol: 'x' }), 'default'],
    ['a prefault of zod', object.prefault({ symbol: 'x' }), 'prefault'],
    ['an optional in a readonly', object.optional().readonly(), 'optional'],
    ['a union with undefined', z.union([object, z.undefined()]), 'undefined'],
    ['a union with null', z.union([object, z.null()]), 'null'],
    ['a union with a string', z.union([object, z.string()]), 'string'],
    ['a lazy optional', z.lazy(() => object.optional()), 'optional'],
    ['an optional of zod/mini', mini.optional(mini.object({})), 'optional'],
    ['an optional of valibot', v.optional(v.object({})), 'optional'],
    ['an optional of valibot with a default', v.optional(v.object({}), {}), 'default'],
    ['a nullable of valibot', v.nullable(v.object({})), 'nullable'],
    ['a union of valibot', v.union([v.object({}), v.undefined()]), 'undefined'],
    ['a pipe of valibot', v.pipe(v.optional(v.object({})), v.readonly()), 'optional'],
  ] as const)('params that can be other than an object are refused: %s', ([, params, kind]) => {
    const message = `The params of topic "price" are or may be a schema of type ${kind}; they must always be an object. Make its fields optional instead.`;
    expect(() => define({ price: topic({ params, data: text }) })).toThrow(message);
    expect(() => define({ price: stream({ params, data: text }) })).toThrow(message);
  });

  test('params that are not a schema are refused', () => {
    const params = { symbol: z.string() } as never;
    expect(() => define({ price: topic({ params, data: text }) })).toThrow(
      'The params of topic "price" are an object that is not a schema; they must be a schema.',
    );
  });

  test('params that JSON cannot represent are refused with their topic and field', () => {
    const params = z.object({ range: z.object({ since: z.date() }) });
    expect(() => define({ price: topic({ params, data: text }) })).toThrow(
      'A param of topic "price" cannot be part of an address: "range.since" is a Date',
    );
  });

  test.for(['from', 'key', 'topic', 'last_event_id'])('a param cannot be named %s', (name) => {
    const message = `Topic "price" cannot have a param "${name}": in a URL that key belongs to the request itself.`;
    for (const params of [
      z.object({ [name]: z.string() }),
      z.object({ [name]: z.string() }).refine(() => true),
      mini.object({ [name]: mini.string() }),
      v.object({ [name]: v.string() }),
      v.pipe(
        v.object({ [name]: v.string() }),
        v.check(() => true),
      ),
    ]) {
      expect(() => define({ price: topic({ params, data: text }) })).toThrow(message);
    }
  });

  test('param names are read from every kind of schema', () => {
    const a = z.object({ a: z.string() });
    const b = z.object({ b: z.string() });
    const schemas: Record<string, Schema> = {
      'a union': z.union([a, b]),
      'an intersection': a.and(b),
      'a transform': z.object({ a: z.string(), b: z.string() }).transform(({ a: first }) => ({ c: first })),
      'a preprocess': z.preprocess((value) => value, z.object({ a: z.string(), b: z.string() })),
      'what else may be there': z.looseObject({ a: z.string(), b: z.string() }),
      'read only, of its own time': z.lazy(() => z.object({ a: z.string(), b: z.string() }).readonly()),
      'a union of valibot': v.union([v.object({ a: v.string() }), v.object({ b: v.string() })]),
      'a pipe of valibot': v.pipe(
        v.object({ a: v.string(), b: v.string() }),
        v.check(() => true),
      ),
      'arktype, which keeps what is undeclared': type({ a: 'string', 'b?': 'number' }),
      'a union of arktype': type({ a: 'string' }).or({ b: 'number' }),
    };
    for (const [name, params] of Object.entries(schemas)) {
      expect(define({ price: topic({ params, data: text }) }).topics.size, name).toBe(1);
      expect(paramNames(params)?.toSorted(), name).toEqual(['a', 'b']);
    }
  });

  const opaque: Schema = { '~standard': { version: 1, vendor: 'x', validate: (value) => ({ value }) } };
  test.for([
    ['a record', z.record(z.string(), z.string())],
    ['a record of arktype', type({ '[string]': 'string' })],
    ['a union with a record', z.union([z.object({ a: z.string() }), z.record(z.string(), z.string())])],
    ['a schema of an unknown library', opaque],
    ['anything', z.any()],
  ] as const)('params without known names are refused: %s', ([, params]) => {
    expect(() => define({ price: topic({ params, data: text }) })).toThrow(
      'The params of topic "price" have no names that Linefeed can read: give an object schema of zod, valibot or arktype, or one with Standard JSON Schema.',
    );
  });

  test.for([
    ['a number or a string', z.object({ n: z.union([z.number(), z.string()]) }), '0'],
    ['the same in zod/mini', mini.object({ n: mini.union([mini.number(), mini.string()]) }), '0'],
    ['the same in valibot', v.object({ n: v.union([v.number(), v.string()]) }), '0'],
    ['the same in arktype', type({ n: 'number | string' }), '5'],
    ['a boolean or a string', z.object({ n: z.union([z.string(), z.boolean()]) }), 'true'],
    ['a string or null', z.object({ n: z.string().nullable() }), 'null'],
    ['a string, null or nothing, in valibot', v.object({ n: v.nullish(v.string()) }), 'null'],
    ['literals with one text', z.object({ n: z.literal([42, '42']) }), '42'],
    ['a literal or a string', z.object({ n: z.union([z.literal(7), z.string()]) }), '7'],
    ['an object or a string', z.object({ n: z.union([z.looseObject({}), z.string()]) }), '{}'],
    ['anything', z.object({ n: z.unknown() }), '0'],
    ['one object of several', z.union([z.object({ a: z.string() }), z.object({ n: z.any() })]), '0'],
  ] as const)('a param with two values for one text is refused: %s', ([, params, value]) => {
    expect(() => define({ price: topic({ params, data: text }) })).toThrow(
      `Topic "price" has a param "n" that takes ${value} and the string "${value}", which are one address`,
    );
  });

  test.for([
    ['a coerced number', z.object({ n: z.coerce.number() })],
    ['a coerced string', z.object({ n: z.coerce.string() })],
    ['a number or a word', z.object({ n: z.union([z.number(), z.enum(['all', 'none'])]) })],
    ['a number that may be null', z.object({ n: z.number().nullable() })],
    ['a string that may be left out', z.object({ n: z.string().optional() })],
    [
      'a number or a string, chosen by another param',
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('id'), n: z.number() }),
        z.object({ kind: z.literal('name'), n: z.string() }),
      ]),
    ],
    ['a record in one param', z.object({ n: z.record(z.string(), z.union([z.string(), z.number()])) })],
    ['an asynchronous check', z.object({ n: z.string().refine(async () => true) })],
    [
      'a check that throws',
      z.object({ n: z.string().refine((value) => value.length > 0 || JSON.parse('{')) }),
    ],
  ] as const)('a param with one value for every text is accepted: %s', ([, params]) => {
    expect(define({ price: topic({ params, data: text }) }).topics.size).toBe(1);
  });
});

describe('keep', () => {
  test.for(['newest', '', true, 1] as const)('keep: %j is refused with the allowed values', (keep) => {
    expect(() => define({ price: topic({ data: text, keep: keep as never }) })).toThrow(
      `Topic "price" has keep: ${JSON.stringify(keep)}; it must be "all" or "latest".`,
    );
  });

  test('keep is "all" by default', () => {
    expect(define({ price: topic({ data: text, keep: undefined as never }) }).topics.get('price')?.keep).toBe(
      'all',
    );
  });

  test('keep is refused for a run', () => {
    expect(() => define({ answer: run({ data: text, keep: 'latest' } as never) })).toThrow(
      'Topic "answer" is a run. All its events are kept, so remove keep.',
    );
  });

  test('keep is refused for a stream', () => {
    expect(() => define({ report: stream({ data: text, keep: 'latest' } as never) })).toThrow(
      'Topic "report" is a stream. Its events are not kept, so remove keep.',
    );
  });
});

describe('the result of a run', () => {
  test('a run keeps the schemas of its events and of its result', () => {
    const result = z.object({ tokens: z.number() });
    expect(define({ answer: run({ data: text, result }) }).topics.get('answer')).toEqual({
      kind: 'run',
      params: undefined,
      data: text,
      keep: 'all',
      result,
    });
  });

  test.each([
    ['a Date', z.object({ at: z.date() }), /result of topic "answer" cannot be sent as JSON: "at" is a Date/],
    [
      'undefined',
      z.string().optional(),
      /result of topic "answer" cannot be sent as JSON: it may be undefined/,
    ],
    ['no schema', 5, /result of topic "answer" is a number; it must be a schema/],
  ])('a result that is %s is refused', (_, result, message) => {
    expect(() => define({ answer: run({ data: text, result: result as never }) })).toThrow(message);
  });
});
