/** What can be read off a schema of zod (4, mini) or valibot; of other libraries, nothing. */

/** What both libraries show of a schema, under names of which some mean the same. */
interface Definition {
  readonly options?: readonly unknown[];
  readonly innerType?: unknown;
  readonly wrapped?: unknown;
  readonly out?: unknown;
  readonly getter?: unknown;
  readonly default?: unknown;
  readonly pipe?: readonly unknown[];
}

/**
 * The kinds of value a schema may give out, as its library calls them. Sees through unions, `nullable`, `readonly`,
 * `lazy` and pipes; `optional` and `default` stand for themselves, and an
 * `optional` with a default is a `default`.
 */
export function* topKinds(schema: unknown, seen: Set<unknown> = new Set()): Generator<string> {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return;
  seen.add(schema);
  const { _zod, type } = schema as { _zod?: { def: Definition & { type: string } }; type?: unknown };
  const kind = _zod?.def.type ?? type;
  if (typeof kind !== 'string') return;
  const definition = _zod?.def ?? (schema as Definition);
  if (_zod === undefined && kind === 'optional' && definition.default !== undefined) {
    yield 'default';
    return;
  }
  const inner: unknown[] =
    kind === 'union' || kind === 'variant'
      ? [...(definition.options ?? [])]
      : kind === 'nullable' || kind === 'readonly'
        ? [definition.innerType ?? definition.wrapped]
        : kind === 'lazy'
          ? [typeof definition.getter === 'function' ? (definition.getter as () => unknown)() : undefined]
          : kind === 'pipe'
            ? [definition.out]
            : [];
  if (inner.length === 0 || kind === 'nullable') yield kind;
  for (const each of inner) yield* topKinds(each, seen);
}
