/** The compile-time check of a contract. The compiler prints each fault as a sentence. */
import type { JsonProblem } from './json-type.ts';
import type { CONTROL_PREFIX } from '../wire/protocol.ts';
import type { Input, Output, Schema } from './schema.ts';
import type { DataSchema, ParamsSchema, ResultSchema } from './topic.ts';

/** A property that no value has. Its name is the sentence, so the compiler prints the sentence in its error. */
type Fault<Sentence extends string> = [Sentence] extends [never]
  ? unknown
  : { readonly [S in Sentence]: never };

type ParamsFault<P, Name extends string> =
  | JsonProblem<P, `${Name}: params`>
  | (Extract<keyof P, 'from' | 'key' | 'last_event_id' | 'topic'> extends infer Key extends string
      ? `${Name}: a param cannot be named "${Key}", which in a URL belongs to the request itself`
      : never);

type ParamsProblem<Name extends string, S> =
  Output<S> extends object
    ? Output<S> extends readonly unknown[]
      ? `${Name}: params must be an object`
      : undefined extends Input<S>
        ? unknown extends Input<S>
          ? ParamsFault<Output<S>, Name>
          : `${Name}: params may be left out as a whole; make the fields optional instead`
        : ParamsFault<Output<S>, Name>
    : `${Name}: params must be an object`;

type DataProblem<Name extends string, S> =
  | JsonProblem<Output<S>, Name>
  | (undefined extends Output<S>
      ? unknown extends Output<S>
        ? never
        : `${Name} may be undefined, which JSON cannot represent; use null`
      : never)
  | ([Output<S>] extends [Input<S>]
      ? never
      : `${Name}: the schema's output must be accepted as its own input, because the output is sent`);

type Letter = LowerLetter | Uppercase<LowerLetter>;
// oxfmt-ignore
type LowerLetter =
  | 'a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l' | 'm'
  | 'n' | 'o' | 'p' | 'q' | 'r' | 's' | 't' | 'u' | 'v' | 'w' | 'x' | 'y' | 'z';
type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9';
type NameCharacter = Letter | Digit | '_' | '.' | '/' | '-';

/** The first character that a topic name cannot contain, else `never`. */
type StrayCharacter<Rest extends string> = Rest extends `${infer Head}${infer Tail}`
  ? Head extends NameCharacter
    ? StrayCharacter<Tail>
    : Head
  : never;

/** Path segments that every URL parser removes. */
type LostSegment = '' | '.' | '..';

type NameFault<Name extends string> = Name extends `${typeof CONTROL_PREFIX}${string}` | 'open' | 'error' | ''
  ? `"${Name}" is reserved and cannot name a topic`
  : Name extends `${infer First}${string}`
    ? First extends Letter
      ? [StrayCharacter<Name>] extends [never]
        ? Name extends `${string}/${string}`
          ? LostSegments<Name>
          : never
        : MalformedName<Name>
      : MalformedName<Name>
    : never;

type LostSegments<Name extends string> = Name extends
  | `${string}/${LostSegment}`
  | `${string}/${LostSegment}/${string}`
  ? `"${Name}" cannot name a topic: every URL parser would remove its empty, "." or ".." segment`
  : never;

/** A name that is not a literal (an index signature) is checked only at run time. */
type MalformedName<Name extends string> =
  {} extends Record<Name, 1>
    ? never
    : `"${Name}" cannot name a topic: a name starts with a letter and continues with letters, digits, "_", ".", "/" or "-"`;

type TopicFault<Name extends string, T> =
  | NameFault<Name>
  | DataProblem<Name, DataSchema<T>>
  | (ResultSchema<T> extends Schema ? DataProblem<`${Name}: result`, ResultSchema<T>> : never)
  | (ParamsSchema<T> extends Schema ? ParamsProblem<Name, ParamsSchema<T>> : never);

/** Constraint of `defineChannel`: rejects at compile time the contracts that it rejects at run time. */
export type CheckedTopics<T> = undefined extends string
  ? // Without strictNullChecks every type accepts undefined, so every topic would seem faulty.
    Fault<'Linefeed needs strict, or at least strictNullChecks, in the compilerOptions of tsconfig.json'>
  : { readonly [K in keyof T]: Fault<TopicFault<K & string, T[K]>> };
