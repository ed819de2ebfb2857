/** What JSON carries unchanged: the check by the compiler. */

type JsonPrimitive = string | number | boolean | null;
/** Any value that is the same after JSON.stringify and JSON.parse, up to keys that are `undefined`. */
type Json = JsonPrimitive | { readonly [key: string]: Json | undefined } | readonly Json[];

/** How many objects and arrays deep a type is looked into. A type may lead back to itself, or grow for ever. */
type DeepestLook = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/**
 * `never` where JSON carries every value of `T` unchanged, else a sentence naming the field. The first branch settles
 * nearly every payload by one assignability check; only what it rejects (interfaces, and what is really wrong) is
 * walked field by field.
 */
export type JsonProblem<T, Path extends string> = [T] extends [Json | undefined]
  ? never
  : [IsFaulty<T, DeepestLook>] extends [never]
    ? never
    : NearestProblem<T, Path>;

type Fault<T> = T extends Date
  ? 'is a Date, which JSON does not carry; send it as a string, with z.iso.datetime()'
  : T extends bigint
    ? 'is a bigint, which JSON does not carry; send it as a string'
    : T extends symbol | ((...args: never[]) => unknown)
      ? 'is a symbol or function, which JSON does not carry'
      : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>
        ? 'is a Map or Set, which JSON does not carry; send a record or an array'
        : T extends readonly (infer Item)[]
          ? undefined extends Item
            ? unknown extends Item
              ? never
              : 'is an array with undefined in it, which JSON turns into null'
            : never
          : never;

/**
 * `true` if something within `T` is at fault, else `never`. Without a path in its arguments the compiler remembers it for
 * each type and depth, so that types which lead back to themselves in several ways cost a step each and not 2^depth.
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

/** The sentences of those places at fault that are nearest to the top: one look deeper each time. */
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
