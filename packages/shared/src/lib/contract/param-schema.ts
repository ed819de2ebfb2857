/** Reads the names of params, and the texts they accept, from the schema of a topic's params in any library. */
import type { StandardJSONSchemaV1 } from '@standard-schema/spec';
import { canonicalJson } from '../wire/address.ts';
import type { Schema } from './schema.ts';

/** The fields of a zod (4, mini) or valibot schema that give names and alternatives. */
interface Inspectable {
  readonly _zod?: { readonly def: Readonly<Record<string, unknown>> };
  readonly type?: unknown;
}

/** A JSON Schema with unchecked content. */
type JsonSchema = Readonly<Record<string, unknown>>;

/** A param as its schema declares it. */
interface Field {
  /** The schemas of this param alone, if the library has them. In a union of objects, each object adds one. */
  readonly schemas: readonly unknown[];
  /** The same as JSON Schema, if the library provides that instead. */
  readonly json: readonly JsonSchema[];
}

const fieldsOf = new WeakMap<Schema, ReadonlyMap<string, Field> | undefined>();
const textSafe = new WeakMap<Schema, ReadonlySet<string>>();

/**
 * The names that a schema declares, or `undefined` if it exposes none. Names that it accepts without declaring are not
 * included.
 */
export function paramNames(schema: Schema): readonly string[] | undefined {
  const fields = readFields(schema);
  return fields && [...fields.keys()];
}

function readFields(schema: Schema): ReadonlyMap<string, Field> | undefined {
  if (!fieldsOf.has(schema)) fieldsOf.set(schema, inspectFields(schema, new Set()) ?? jsonFields(schema));
  return fieldsOf.get(schema);
}

type Fields = Map<string, Field>;

function inspectFields(schema: unknown, seen: Set<unknown>): Fields | undefined {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return undefined;
  seen.add(schema);
  const definition = definitionOf(schema);
  const shape = definition['shape'] ?? definition['entries'];
  if (typeof shape === 'object' && shape !== null) {
    return new Map(Object.entries(shape).map(([name, field]) => [name, { schemas: [field], json: [] }]));
  }
  const { options, left, right, getter } = definition;
  const alternatives = Array.isArray(options) ? options : left === undefined ? [] : [left, right];
  if (alternatives.length > 0) return mergeFields(alternatives.map((each) => inspectFields(each, seen)));
  if (typeof getter === 'function') return inspectFields((getter as () => unknown)(), seen);
  const inner = definition['innerType'] ?? definition['wrapped'];
  // The input of a zod pipe has the names. The input of a `preprocess` has none, so use its output.
  return inspectFields(inner ?? definition['in'], seen) ?? inspectFields(definition['out'], seen);
}

function mergeFields(all: ReadonlyArray<Fields | undefined>): Fields | undefined {
  const merged: Fields = new Map();
  for (const fields of all) {
    if (fields === undefined) return undefined;
    for (const [name, { schemas, json }] of fields) {
      const before = merged.get(name);
      merged.set(name, {
        schemas: [...(before?.schemas ?? []), ...schemas],
        json: [...(before?.json ?? []), ...json],
      });
    }
  }
  return merged;
}

function definitionOf(schema: object): Readonly<Record<string, unknown>> {
  return (schema as Inspectable)._zod?.def ?? (schema as Readonly<Record<string, unknown>>);
}

/** Reads Standard JSON Schema: https://standardschema.dev/json-schema. */
function jsonFields(schema: Schema): Fields | undefined {
  const { jsonSchema } = schema['~standard'] as Partial<StandardJSONSchemaV1.Props>;
  try {
    return propertiesOf(jsonSchema?.input({ target: 'draft-2020-12' }));
  } catch {
    // The library cannot write this schema as JSON Schema.
    return undefined;
  }
}

function propertiesOf(json: unknown, root: unknown = json, depth = 0): Fields | undefined {
  if (!isRecord(json) || depth > 8) return undefined;
  const { properties, $ref } = json;
  if (typeof $ref === 'string') {
    const parts = $ref.replace(/^#\/?/, '').split('/').filter(Boolean);
    const target = parts.reduce<unknown>((at, part) => (isRecord(at) ? at[part] : undefined), root);
    return propertiesOf(target, root, depth + 1);
  }
  const alternatives = [json['anyOf'], json['oneOf'], json['allOf']].flatMap((list) =>
    Array.isArray(list) ? list : [],
  );
  const merged = alternatives.map((each) => propertiesOf(each, root, depth + 1));
  if (isRecord(properties)) {
    merged.push(
      new Map(
        Object.entries(properties).map(([name, each]) => [
          name,
          { schemas: [], json: [isRecord(each) ? each : {}] },
        ]),
      ),
    );
  }
  // An object without any declared name can be intended: `type({})`.
  if (merged.length === 0)
    return json['type'] === 'object' && !isRecord(json['additionalProperties']) ? new Map() : undefined;
  return mergeFields(merged);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// One text, one value -------------------------------------------------------------------------------------------------

const NON_STRING_KINDS = new Set(
  'number int boolean null undefined nullable object strict_object loose_object array tuple record'.split(
    ' ',
  ),
);
const WRAPPERS = new Set(
  'optional exact_optional nullable nullish undefinedable default prefault nonoptional readonly'.split(' '),
);
const JSON_NON_STRINGS = new Set(['number', 'integer', 'boolean', 'null', 'object', 'array']);
/** One sample of each JSON kind that a text can be parsed as. */
const SAMPLES: readonly unknown[] = [0, 1, 5, -1, 1.5, true, false, null, [], {}];

/** The params whose schema never outputs a string. Their texts cannot also be the text of a string. */
export function textSafeParams(schema: Schema): ReadonlySet<string> {
  let safe = textSafe.get(schema);
  if (safe === undefined) {
    const fields = [...(readFields(schema) ?? [])];
    safe = new Set(fields.filter(([, field]) => isTextSafe(field)).map(([name]) => name));
    textSafe.set(schema, safe);
  }
  return safe;
}

function isTextSafe({ schemas, json }: Field): boolean {
  return json.every(takesNoString) && schemas.every((schema) => givesNoString(schema, new Set()));
}

function takesNoString(json: JsonSchema): boolean {
  const { type, anyOf } = json;
  if (Array.isArray(anyOf)) return anyOf.every((each) => isRecord(each) && takesNoString(each));
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  return types.every((each) => JSON_NON_STRINGS.has(String(each)));
}

function givesNoString(schema: unknown, seen: Set<unknown>): boolean {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return false;
  seen.add(schema);
  const definition = definitionOf(schema);
  const { type, options, pipe } = definition;
  // The first schema of a valibot pipe does not tell the type of its output.
  if (Array.isArray(pipe)) return false;
  if (type === 'union' && Array.isArray(options)) return options.every((each) => givesNoString(each, seen));
  if (WRAPPERS.has(String(type)))
    return givesNoString(definition['innerType'] ?? definition['wrapped'], seen);
  if (type === 'literal') return literalsOf(definition).every((value) => typeof value !== 'string');
  return NON_STRING_KINDS.has(String(type));
}

function literalsOf(definition: Readonly<Record<string, unknown>>): readonly unknown[] {
  const values = definition['values'] ?? [definition['literal']];
  return Array.isArray(values) ? values : [];
}

/** A param that accepts one text both as a string and as another value; `undefined` if none is found. */
export function findSharedText(schema: Schema): { readonly name: string; readonly text: string } | undefined {
  for (const [name, { schemas, json }] of readFields(schema) ?? []) {
    // Test each object of a union by itself: another param may decide which object applies.
    const text = [...schemas.map(probe), ...json.map(sharedJsonText)].find((found) => found !== undefined);
    if (text !== undefined) return { name, text };
  }
  return undefined;
}

function probe(schema: unknown): string | undefined {
  for (const sample of [...SAMPLES, ...allLiterals(schema, new Set())]) {
    const [value] = tryOut(schema, sample);
    if (typeof value === 'string' || value === undefined) continue;
    const text = toText(value);
    if (text !== undefined && tryOut(schema, text)[0] === text) return text;
  }
  return undefined;
}

function toText(value: unknown): string | undefined {
  try {
    return canonicalJson(value);
  } catch {
    return undefined;
  }
}

/** The output of a schema for a value. Empty if the schema rejects the value, throws or is asynchronous. */
function tryOut(schema: unknown, value: unknown): readonly unknown[] {
  try {
    const result = (schema as Schema)['~standard'].validate(value);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      return [];
    }
    return result.issues === undefined ? [result.value] : [];
  } catch {
    return [];
  }
}

function allLiterals(schema: unknown, seen: Set<unknown>): readonly unknown[] {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return [];
  seen.add(schema);
  const definition = definitionOf(schema);
  const { type, options, entries } = definition;
  if (type === 'literal') return literalsOf(definition);
  if (type === 'enum' && isRecord(entries)) return Object.values(entries);
  if (Array.isArray(options)) return options.flatMap((each) => allLiterals(each, seen));
  return WRAPPERS.has(String(type))
    ? allLiterals(definition['innerType'] ?? definition['wrapped'], seen)
    : [];
}

/** A text that the schema accepts as a string and as another type, judged by its types alone. */
function sharedJsonText(json: JsonSchema): string | undefined {
  const alternatives = Array.isArray(json['anyOf']) ? (json['anyOf'] as unknown[]) : [json];
  const types = alternatives.flatMap((each) => {
    const { type, ...rest } = isRecord(each) ? each : {};
    // A pattern, a format or an enum may exclude exactly the strings that are also JSON.
    return Object.keys(rest).every((key) => key === 'description' || key === 'default' || key === '$schema')
      ? [type].flat()
      : [];
  });
  if (!types.includes('string')) return undefined;
  if (types.includes('number') || types.includes('integer')) return '5';
  if (types.includes('boolean')) return 'true';
  return types.includes('null') ? 'null' : undefined;
}
