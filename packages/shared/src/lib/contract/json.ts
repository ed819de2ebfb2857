/** Finds the place in a schema or in a value that JSON does not preserve. Runs when a channel is defined or used. */
import type { Schema } from './schema.ts';

/** A place in a schema or value that JSON does not preserve. */
export interface JsonFault {
  /** Keys from the outside in; a key may contain dots. Empty for the value itself. */
  readonly path: readonly string[];
  /** The value at this place, and the remedy. */
  readonly what: string;
}

const REFUSED_KINDS: Record<string, string> = {
  date: 'a Date; send it as a string, with z.iso.datetime() or v.isoTimestamp()',
  bigint: 'a bigint; send it as a string',
  map: 'a Map; send a record or an array of pairs',
  set: 'a Set; send an array',
  symbol: 'a symbol; send its description',
  nan: 'NaN; send null or a string',
  promise: 'a promise; await it first',
  function: 'a function; leave it out',
  file: 'a File',
  blob: 'a Blob',
};

/** The fields of a zod (4, mini) or valibot schema that this check reads. */
interface Inspectable {
  readonly type?: string;
  readonly _zod?: { readonly def: Record<string, unknown> & { readonly type: string } };
}

/** A step of valibot's pipe. */
interface PipeStep {
  readonly kind: 'schema' | 'validation' | 'transformation' | 'metadata';
  readonly type: string;
}

/**
 * Finds a place in the output of a schema that JSON does not preserve. It understands zod, zod/mini and
 * valibot. For other libraries and after transforms it finds nothing, and `findJsonFault` checks each published value
 * instead.
 */
export function findSchemaFault(schema: Schema): JsonFault | undefined {
  return inspect(schema, [], new Set());
}

function inspect(schema: unknown, path: readonly string[], seen: Set<unknown>): JsonFault | undefined {
  // A recursive schema refers to itself.
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return undefined;
  seen.add(schema);
  const { _zod, type } = schema as Inspectable;
  const definition: Record<string, unknown> = _zod?.def ?? (schema as Record<string, unknown>);
  const kind = _zod?.def.type ?? type;
  if (kind === undefined) return undefined;
  if (Array.isArray(definition['pipe'])) return inspectPipe(definition['pipe'], path, seen);
  const what = REFUSED_KINDS[kind];
  if (what !== undefined) return { path, what };
  if (kind === 'literal') {
    const values = definition['values'] ?? [definition['literal']];
    return (values as unknown[])
      .map((value) => below(path, findJsonFault(value)))
      .find((fault) => fault !== undefined);
  }
  for (const [child, childPath] of children(kind, definition, path)) {
    const fault = inspect(child, childPath, seen);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** In valibot's pipe, the last step that changes the value decides the output. */
function inspectPipe(
  steps: readonly unknown[],
  path: readonly string[],
  seen: Set<unknown>,
): JsonFault | undefined {
  const changes = (steps as readonly PipeStep[]).filter(
    ({ kind }) => kind === 'schema' || kind === 'transformation',
  );
  const last = changes.at(-1);
  if (last?.kind === 'schema') return inspect(last, path, seen);
  const what = REFUSED_KINDS[last?.type.replace(/^to_/, '') ?? ''];
  return what === undefined ? undefined : { path, what };
}

function* children(
  kind: string,
  definition: Record<string, unknown>,
  path: readonly string[],
): Generator<readonly [schema: unknown, path: readonly string[]]> {
  const fields = definition['shape'] ?? definition['entries'];
  if (typeof fields === 'object' && fields !== null) {
    for (const [name, field] of Object.entries(fields)) yield [field, [...path, name]];
  }
  const element = definition['element'] ?? definition['item'];
  if (element !== undefined) yield [element, [...path, '[]']];
  const items = definition['items'];
  if (Array.isArray(items))
    for (const [index, item] of items.entries()) yield [item, [...path, String(index)]];
  if (kind === 'record') yield [definition['valueType'] ?? definition['value'], [...path, '*']];
  // Only the output of a pipe reaches the wire.
  if (kind === 'pipe') yield [definition['out'], path];
  const alternatives = definition['options'];
  if (Array.isArray(alternatives)) for (const option of alternatives) yield [option, path];
  for (const inner of ['innerType', 'wrapped', 'catchall', 'rest', 'left', 'right']) {
    if (definition[inner] !== undefined && definition[inner] !== null) yield [definition[inner], path];
  }
  if (kind === 'lazy' && typeof definition['getter'] === 'function') {
    yield [(definition['getter'] as () => unknown)(), path];
  }
}

/** Finds a place in a value that JSON would drop or change, or that is nested deeper than `maxDepth`. */
export function findJsonFault(
  value: unknown,
  ancestors: readonly object[] = [],
  maxDepth: number = Infinity,
): JsonFault | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : { path: [], what: `${value}; send null or a string` };
    case 'object':
      break;
    default:
      return {
        path: [],
        what:
          value === undefined ? 'undefined; send null' : (REFUSED_KINDS[typeof value] ?? `a ${typeof value}`),
      };
  }
  if (value === null) return undefined;
  if (ancestors.includes(value)) return { path: [], what: 'a reference back to itself' };
  if (ancestors.length > maxDepth) return { path: [], what: `nested deeper than ${maxDepth} levels` };
  const chain = [...ancestors, value];
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const fault = findJsonFault(value[index], chain, maxDepth);
      if (fault !== undefined) return below([String(index)], fault);
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const name = (value.constructor as { name?: string } | undefined)?.name ?? 'class instance';
    const kind = name.toLowerCase();
    const known = Object.hasOwn(REFUSED_KINDS, kind) ? REFUSED_KINDS[kind] : undefined;
    return { path: [], what: known ?? `a ${name}; send a plain object` };
  }
  for (const key of Object.keys(value)) {
    const inner: unknown = (value as Record<string, unknown>)[key];
    if (inner === undefined) continue;
    const fault = findJsonFault(inner, chain, maxDepth);
    if (fault !== undefined) return below([key], fault);
  }
  return undefined;
}

/** Puts `path` before the path of a fault. Paths are built only if there is a fault. */
function below(path: readonly string[], fault: JsonFault | undefined): JsonFault | undefined {
  return fault && { path: [...path, ...fault.path], what: fault.what };
}
