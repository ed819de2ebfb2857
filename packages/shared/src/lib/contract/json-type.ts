/** Compile-time check of types that JSON preserves. */

type JsonPrimitive = string | number | boolean | null;
/** Any value that survives JSON.stringify and JSON.parse, except for keys that are `undefined`. */
type Json = JsonPrimitive | { readonly [key: string]: Json | undefined } | readonly Json[];

/** Depth limit in objects and arrays. A recursive type would otherwise be expanded without end. */
type DeepestLook = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/**
 * `never` if JSON preserves every value of `T`, else a sentence that names the field. The first branch decides
 * nearly every payload by one assignability check. Only types that it rejects (interfaces, and faulty types) are
 * checked field by field.
 */
export type JsonProblem<T, Path extends string> = [T] extends [Json | undefined]
  ? never
  : [IsFaulty<T, DeepestLook>] extends [never]
    ? never
    : NearestProblem<T, Path>;

type Fault<T> = T extends Date
  ? 'is a Date, which JSON cannot represent; send it as a string, with z.iso.datetime()'
  : T extends bigint
    ? 'is a bigint, which JSON cannot represent; send it as a string'
    : T extends symbol | ((...args: never[]) => unknown)
      ? 'is a symbol or function, which JSON cannot represent'
      : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
        ? 'is a Map or Set, which JSON cannot represent; send a record or an array'
        : T extends readonly (infer Item)[]
          ? undefined extends Item
            ? unknown extends Item
              ? never
              : 'is an array with undefined in it, which JSON turns into null'
            : never
          : never;

/**
 * `true` if some part of `T` is faulty, else `never`. Without a path in its arguments, the compiler caches the result
 * for each type and depth. So a type that is recursive in several ways costs one step for each depth and not 2^depth.
 */
type IsFaulty<T, Depth extends readonly 0[]> = unknown extends T
  ? never
  : T extends JsonPrimitive | undefined
    ? never
    : [Fault<T>] extends [never]
      ? Depth extends readonly [0, ...infer Rest extends readonly 0[]]
        ? T extends readonly (infer Item)[]
          ? IsFaulty<Item, Rest>
          : { [K in keyof T & string]-?: IsFaulty<T[K], Rest> }[keyof T & string]
        : never
      : true;

/** The sentences of the faulty places nearest to the top. It searches one level deeper each time. */
type NearestProblem<T, Path extends string, Depth extends readonly 0[] = []> = [IsFaulty<T, Depth>] extends [
  never,
]
  ? NearestProblem<T, Path, [0, ...Depth]>
  : FieldProblem<T, Path, Depth>;

type FieldProblem<T, Path extends string, Depth extends readonly 0[]> = T extends unknown
  ? [IsFaulty<T, Depth>] extends [never]
    ? never
    : [Fault<T>] extends [never]
      ? Depth extends readonly [0, ...infer Rest extends readonly 0[]]
        ? T extends readonly (infer Item)[]
          ? FieldProblem<Item, `${Path}[]`, Rest>
          : { [K in keyof T & string]-?: FieldProblem<T[K], `${Path}.${K}`, Rest> }[keyof T & string]
        : never
      : `${Path} ${Fault<T>}`
  : never;
