/** What a topic is made of, and the two ways to write one. */
import { checkOptions, invalidOption } from './options.ts';
import { isSchema, type Schema } from './schema.ts';

/** What a topic is made of; written by `topic()` and `stream()`. */
export interface TopicDefinition<
  Params extends Schema | undefined = Schema | undefined,
  Data extends Schema = Schema,
  Kind extends 'logged' | 'stream' = 'logged' | 'stream',
> {
  readonly kind: Kind;
  readonly params: Params;
  readonly data: Data;
  readonly keep: 'all' | 'latest';
}

export interface TopicOptions<Params extends Schema | undefined, Data extends Schema> {
  /**
   * Schema of an object whose names it shows: what makes one address of this topic differ from another. No param takes both a
   * value and its text (`5` and `"5"`). Default: no params.
   */
  readonly params?: Params;
  /** Schema of the payload. Its output must be what JSON carries unchanged. */
  readonly data: Data;
  /**
   * `all`: every event reaches every subscriber, for as long as the log holds it. `latest`: only the newest value of
   * an address is held; a new subscriber gets it first, and one that fell behind skips what was superseded.
   * Default: `all`.
   */
  readonly keep?: 'all' | 'latest';
}

/** `defineChannel` checks the values: there the name of the topic is known. */
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
 * A logged topic with params or a policy of its own; a topic without either is just its schema.
 *
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
 * A topic that is a run of its own for each subscription: progress of a job, a generated answer.
 *
 * @throws LinefeedError `invalid_option` for an unknown option
 */
export function stream<Data extends Schema, Params extends Schema | undefined = undefined>(
  options: Omit<TopicOptions<Params, Data>, 'keep'>,
): TopicDefinition<Params, Data, 'stream'> {
  checkTopicOptions('stream', options);
  // From JavaScript a `keep` may come along; defineChannel refuses it by name instead of passing it over here.
  const { keep = 'all' } = options as TopicOptions<Params, Data>;
  return { kind: 'stream', params: options.params as Params, data: options.data, keep };
}

/** What `defineChannel` takes: by topic name, a schema or what `topic()` and `stream()` made of it. */
export type TopicMap = Readonly<Record<string, Schema | TopicDefinition>>;

export type DataSchema<T> = T extends TopicDefinition ? T['data'] : T;
export type ParamsSchema<T> = T extends TopicDefinition ? T['params'] : undefined;
