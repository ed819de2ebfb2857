/** The kinds of value that a zod (4, mini) or valibot schema outputs. Other libraries expose no kinds. */

/** Fields of a schema in both libraries. Some of these names mean the same. */
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
 * The kinds of value that a schema may output, by the names its library uses. It looks into unions, `nullable`,
 * `readonly`, `lazy` and pipes. `optional` and `default` are kinds of their own, and an `optional` with a default is a
 * `default`.
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
