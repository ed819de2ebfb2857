/** The definition of a topic, and the two functions that create one. */
import { checkOptions, invalidOption } from '../base/options.ts';
import { isSchema, type Schema } from './schema.ts';

/** The definition of a topic. `topic()` and `stream()` create it. */
export interface TopicDefinition<
  Params extends Schema | undefined = Schema | undefined,
  Data extends Schema = Schema,
  Kind extends 'logged' | 'stream' = 'logged' | 'stream',
> {
  /** `logged`: events are published and stored. `stream`: a source makes them. */
  readonly kind: Kind;
  /** Schema of the params. `undefined`: the topic has none. */
  readonly params: Params;
  /** Schema of the payload. */
  readonly data: Data;
  /** Which events of an address the log holds: see `TopicOptions`. */
  readonly keep: 'all' | 'latest';
}

/** The options of `topic()` and `stream()`. */
export interface TopicOptions<Params extends Schema | undefined, Data extends Schema> {
  /**
   * Object schema with declared names. Each value of the params is one address of this topic. No param may accept both
   * a value and its text (`5` and `"5"`).
   *
   * @default no params
   */
  readonly params?: Params;
  /** Schema of the payload. JSON must preserve its output. */
  readonly data: Data;
  /**
   * `all`: every event reaches every subscriber, for as long as the log holds it. `latest`: the log holds only the
   * newest value of an address. A new subscriber gets that value first, and a slow one skips superseded values.
   *
   * @default `all`
   */
  readonly keep?: 'all' | 'latest';
}

/** `defineChannel` checks the values, because it knows the name of the topic. */
const OPTIONS = {
  params: 'any',
  data: 'any',
  keep: 'any',
} satisfies Record<keyof TopicOptions<undefined, Schema>, string>;

function checkTopicOptions(owner: string, options: unknown): void {
  if (isSchema(options))
    throw invalidOption(`${owner} takes its schema as an option: ${owner}({ data: … }).`);
  checkOptions(owner, options, OPTIONS);
}

/**
 * A logged topic with params or a `keep` policy. A topic without either can be its bare schema.
 *
 * @example
 *   import { topic } from '@linefeed/shared';
 *   import { z } from 'zod';
 *
 *   export const price = topic({
 *     params: z.object({ symbol: z.string() }),
 *     data: z.object({ bid: z.number() }),
 *     keep: 'latest',
 *   });
 *
 * @param options `data` is required
 * @returns A definition for `defineChannel`, which checks it
 * @throws LinefeedError `invalid_option` for an unknown option
 */
export function topic<Data extends Schema, Params extends Schema | undefined = undefined>(
  options: TopicOptions<Params, Data>,
): TopicDefinition<Params, Data, 'logged'> {
  checkTopicOptions('topic', options);
  return {
    kind: 'logged',
    params: options.params as Params,
    data: options.data,
    keep: options.keep ?? 'all',
  };
}

/**
 * A topic whose source runs once for each subscription: progress of a job, a generated answer.
 *
 * @example
 *   import { stream } from '@linefeed/shared';
 *   import { z } from 'zod';
 *
 *   export const report = stream({
 *     params: z.object({ year: z.number() }),
 *     data: z.object({ step: z.number() }),
 *   });
 *
 * @param options `data` is required
 * @returns A definition for `defineChannel`, which checks it
 * @throws LinefeedError `invalid_option` for an unknown option
 */
export function stream<Data extends Schema, Params extends Schema | undefined = undefined>(
  options: Omit<TopicOptions<Params, Data>, 'keep'>,
): TopicDefinition<Params, Data, 'stream'> {
  checkTopicOptions('stream', options);
  // JavaScript can pass a `keep`. It is kept here, so that defineChannel rejects it by name.
  const { keep = 'all' } = options as TopicOptions<Params, Data>;
  return { kind: 'stream', params: options.params as Params, data: options.data, keep };
}

/** The argument of `defineChannel`: by topic name, a schema or the result of `topic()` or `stream()`. */
export type TopicMap = Readonly<Record<string, Schema | TopicDefinition>>;

/** The schema of a topic's payload. */
export type DataSchema<T> = T extends TopicDefinition ? T['data'] : T;
/** The schema of a topic's params, or `undefined`. */
export type ParamsSchema<T> = T extends TopicDefinition ? T['params'] : undefined;
