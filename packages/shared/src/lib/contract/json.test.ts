import * as fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import * as mini from 'zod/mini';
import { findJsonFault, findSchemaFault } from './json.ts';
import type { Schema } from './schema.ts';

interface Branch {
  at: Date;
  children: Branch[];
}
const lazy: z.ZodType<Branch> = z.lazy(() => z.object({ children: z.array(lazy), at: z.date() }));
const getter = z.object({
  text: z.string(),
  get next() {
    return z.optional(getter);
  },
  get when() {
    return z.array(z.date());
  },
});
const ring: v.GenericSchema = v.object({ next: v.optional(v.lazy(() => ring)), at: v.date() });

type Case = readonly [name: string, schema: Schema, path: string, what: string];

const REFUSED: readonly Case[] = [
  ['itself', z.date(), '', 'a Date'],
  ['a field', z.object({ at: z.date() }), 'at', 'a Date'],
  ['nested arrays', z.object({ a: z.array(z.object({ b: z.bigint() })) }), 'a.[].b', 'a bigint'],
  ['a union', z.union([z.string(), z.object({ x: z.map(z.string(), z.string()) })]), 'x', 'a Map'],
  [
    'a discriminated union',
    z.discriminatedUnion('k', [
      z.object({ k: z.literal('a') }),
      z.object({ k: z.literal('b'), d: z.set(z.string()) }),
    ]),
    'd',
    'a Set',
  ],
  ['an intersection', z.intersection(z.object({ a: z.string() }), z.object({ b: z.nan() })), 'b', 'NaN'],
  ['a tuple', z.tuple([z.string(), z.date()]), '1', 'a Date'],
  ['the rest of a tuple', z.tuple([z.string()], z.date()), '', 'a Date'],
  ['a record', z.object({ r: z.record(z.string(), z.symbol()) }), 'r.*', 'a symbol'],
  ['a catchall', z.object({}).catchall(z.date()), '', 'a Date'],
  ['an optional', z.object({ a: z.date().optional() }), 'a', 'a Date'],
  ['a nullable', z.date().nullable(), '', 'a Date'],
  ['a default', z.date().default(new Date(0)), '', 'a Date'],
  ['a readonly', z.date().readonly(), '', 'a Date'],
  ['a catch', z.date().catch(new Date(0)), '', 'a Date'],
  ['the end of a pipe', z.string().pipe(z.coerce.date()), '', 'a Date'],
  ['a literal', z.object({ n: z.literal([1, 2n]) }), 'n', 'a bigint'],
  ['a promise', z.promise(z.string()), '', 'a promise'],
  ['a file', z.file(), '', 'a File'],
  ['a lazy schema that is recursive', lazy, 'at', 'a Date'],
  ['a getter of a recursive schema', getter, 'when.[]', 'a Date'],
  ['zod/mini', mini.object({ at: mini.optional(mini.array(mini.date())) }), 'at.[]', 'a Date'],
  ['valibot', v.object({ a: v.array(v.object({ b: v.bigint() })) }), 'a.[].b', 'a bigint'],
  ["valibot's union", v.union([v.string(), v.object({ x: v.map(v.string(), v.string()) })]), 'x', 'a Map'],
  [
    "valibot's variant",
    v.variant('k', [v.object({ k: v.literal('a') }), v.object({ k: v.literal('b'), d: v.set(v.string()) })]),
    'd',
    'a Set',
  ],
  ["valibot's tuple", v.tuple([v.string(), v.date()]), '1', 'a Date'],
  ["valibot's record", v.record(v.string(), v.date()), '*', 'a Date'],
  ["valibot's wrappers", v.object({ a: v.nullish(v.exactOptional(v.blob())) }), 'a', 'a Blob'],
  ["valibot's intersection", v.intersect([v.object({}), v.object({ d: v.nan() })]), 'd', 'NaN'],
  ["valibot's lazy schema that is recursive", ring, 'at', 'a Date'],
  ["valibot's literal", v.literal(1n), '', 'a bigint'],
  ["the end of valibot's pipe", v.pipe(v.string(), v.toDate()), '', 'a Date'],
  [
    "a schema late in valibot's pipe",
    v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
      v.date(),
      v.minValue(new Date(0)),
    ),
    '',
    'a Date',
  ],
];

const ACCEPTED: ReadonlyArray<readonly [string, Schema]> = [
  [
    'every type of JSON',
    z.object({
      s: z.string(),
      n: z.number(),
      b: z.boolean(),
      x: z.null(),
      l: z.literal(['a', 1, true, null]),
    }),
  ],
  ['z.json()', z.json()],
  ['one schema in two places', z.object({ a: z.email(), b: z.array(z.email()) })],
  ['an enum', z.enum(['a', 'b'])],
  ['z.any()', z.any()],
  ['a transform with an unknown output', z.string().transform((text) => new Date(text))],
  [
    'a pipe that ends well',
    z
      .date()
      .pipe(z.transform((date) => date.toISOString()))
      .pipe(z.string()),
  ],
  ["valibot's picklist", v.picklist(['a', 'b'])],
  ["valibot's pipe of checks", v.pipe(v.string(), v.minLength(1), v.description('a name'))],
  [
    "valibot's pipe that ends well",
    v.pipe(
      v.date(),
      v.transform((date) => date.toISOString()),
      v.string(),
    ),
  ],
  [
    'a schema of an unknown library',
    { '~standard': { version: 1, vendor: 'x', validate: () => ({ value: 1 }) } },
  ],
];

describe('findSchemaFault', () => {
  test.for(REFUSED)('a schema is refused for a fault in %s', ([, schema, path, what]) => {
    const fault = findSchemaFault(schema);
    expect(fault?.path.join('.')).toBe(path);
    expect(fault?.what.split(';')[0]).toBe(what);
  });

  test.for(ACCEPTED)('a schema is accepted: %s', ([, schema]) => {
    expect(findSchemaFault(schema)).toBeUndefined();
  });

  test('the fault of a schema names the value to send instead', () => {
    expect(findSchemaFault(z.date())?.what).toBe(
      'a Date; send it as a string, with z.iso.datetime() or v.isoTimestamp()',
    );
  });
});

describe('findJsonFault', () => {
  class Point {
    x = 1;
  }
  const own: Record<string, unknown> = { list: [] };
  own['list'] = [own];

  test.for([
    ['undefined', '', undefined],
    ['NaN', '', Number.NaN],
    ['Infinity', 'a.1', { a: [1, Number.POSITIVE_INFINITY] }],
    ['a bigint', 'a.b', { a: { b: 1n } }],
    ['a function', 'f', { f: () => 1 }],
    ['a symbol', '0', [Symbol('s')]],
    ['a Date', 'at', { at: new Date(0) }],
    ['a Map', 'm', { m: new Map() }],
    ['a Set', 's', { s: new Set() }],
    ['a Point', 'p', { p: new Point() }],
    ['a Uint8Array', 'b', { b: new Uint8Array(1) }],
    ['undefined', '1', [1, undefined]],
    // oxlint-disable-next-line no-sparse-arrays -- this case tests a hole
    ['undefined', '1', [1, , 2]],
    ['a reference back to itself', 'list.0', own],
    ['a Object', '', Object.create({ inherited: 1 }) as object],
  ] as ReadonlyArray<[string, string, unknown]>)(
    'a value is refused for %s at "%s"',
    ([what, path, value]) => {
      const fault = findJsonFault(value);
      expect([fault?.path.join('.'), fault?.what.split(';')[0]]).toEqual([path, what]);
    },
  );

  test.for([
    [new Date(0), 'a Date; send it as a string, with z.iso.datetime() or v.isoTimestamp()'],
    [1n, 'a bigint; send it as a string'],
    [new Set(), 'a Set; send an array'],
    [NaN, 'NaN; send null or a string'],
    [undefined, 'undefined; send null'],
    [new Uint8Array(1), 'a Uint8Array; send a plain object'],
  ])('a value is refused with the remedy of the compiler error: %s', ([value, what]) => {
    expect(findJsonFault(value)?.what).toBe(what);
  });

  test('the fault of a value has its path of keys, even if keys have dots', () => {
    expect(findJsonFault({ 'a.b': { '': [1n] } })).toMatchObject({ path: ['a.b', '', '0'] });
  });

  test('a value with one object in two places is accepted', () => {
    const shared = { a: 1 };
    expect(findJsonFault({ x: shared, y: [shared, shared] })).toBeUndefined();
  });

  test('a value with undefined keys or without a prototype is accepted', () => {
    expect(findJsonFault({ a: undefined, b: Object.assign(Object.create(null), { c: 1 }) })).toBeUndefined();
  });

  test('an accepted value is unchanged by JSON, except for the sign of zero', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    fc.assert(
      fc.property(anything, (value) => {
        fc.pre(findJsonFault(value) === undefined);
        expect(JSON.parse(JSON.stringify(value))).toEqual(withoutNegativeZero(value));
      }),
      { numRuns: 2000 },
    );
  });

  test('every value from JSON is accepted', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(findJsonFault(value)).toBeUndefined();
      }),
    );
  });
});

function withoutNegativeZero(value: unknown): unknown {
  if (typeof value === 'number') return value + 0;
  if (Array.isArray(value)) return value.map(withoutNegativeZero);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutNegativeZero(inner)]));
}
