/** The definition of a topic, and the three functions that create one. */
import { checkOptions, invalidOption, type OptionTypes } from '../base/options.ts';
import { isSchema, type Schema } from './schema.ts';

/**
 * Where the events of a topic come from.
 *
 * - `logged`: they are published and stored
 * - `stream`: a source makes them for one subscription
 * - `run`: a source makes them once, and they are recorded for all subscriptions
 */
export type TopicKind = 'logged' | 'stream' | 'run';

/** The definition of a topic. `topic()`, `stream()` and `run()` create it. */
export interface TopicDefinition<
  Params extends Schema | undefined = Schema | undefined,
  Data extends Schema = Schema,
  Kind extends TopicKind = TopicKind,
  Result extends Schema | undefined = Schema | undefined,
> {
  /** Where its events come from. */
  readonly kind: Kind;
  /** Schema of the params. `undefined`: the topic has none. */
  readonly params: Params;
  /** Schema of the payload. */
  readonly data: Data;
  /** Which events of an address the log holds: see `TopicOptions`. */
  readonly keep: 'all' | 'latest';
  /** Schema of the result of a run. `undefined`: it has none. */
  readonly result: Result;
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

const RUN_OPTIONS = { ...OPTIONS, result: 'any' } satisfies Record<
  keyof RunOptions<undefined, Schema, undefined> | 'keep',
  string
>;

function checkTopicOptions(owner: string, options: unknown, known: OptionTypes = OPTIONS): void {
  if (isSchema(options))
    throw invalidOption(`${owner} takes its schema as an option: ${owner}({ data: … }).`);
  checkOptions(owner, options, known);
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
): TopicDefinition<Params, Data, 'logged', undefined> {
  checkTopicOptions('topic', options);
  return {
    kind: 'logged',
    params: options.params as Params,
    data: options.data,
    keep: options.keep ?? 'all',
    result: undefined,
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
): TopicDefinition<Params, Data, 'stream', undefined> {
  checkTopicOptions('stream', options);
  // JavaScript can pass a `keep`. It is kept here, so that defineChannel rejects it by name.
  const { keep = 'all' } = options as TopicOptions<Params, Data>;
  return { kind: 'stream', params: options.params as Params, data: options.data, keep, result: undefined };
}

/** The options of `run()`. */
export interface RunOptions<
  Params extends Schema | undefined,
  Data extends Schema,
  Result extends Schema | undefined,
> extends Omit<TopicOptions<Params, Data>, 'keep'> {
  /**
   * Schema of the result: the value that the source returns. JSON must preserve its output.
   *
   * @default no result
   */
  readonly result?: Result;
}

/**
 * A topic whose source runs once for all subscriptions: an answer of a model, an import, a report. It is started by
 * `feed.start`, it is recorded, and it goes on when its readers leave.
 *
 * @example
 *   import { run } from '@linefeed/shared';
 *   import { z } from 'zod';
 *
 *   export const answer = run({
 *     params: z.object({ chat: z.string() }),
 *     data: z.object({ text: z.string() }),
 *     result: z.object({ tokens: z.number() }),
 *   });
 *
 * @param options `data` is required
 * @returns A definition for `defineChannel`, which checks it
 * @throws LinefeedError `invalid_option` for an unknown option
 */
export function run<
  Data extends Schema,
  Params extends Schema | undefined = undefined,
  Result extends Schema | undefined = undefined,
>(options: RunOptions<Params, Data, Result>): TopicDefinition<Params, Data, 'run', Result> {
  checkTopicOptions('run', options, RUN_OPTIONS);
  // JavaScript can pass a `keep`. It is kept here, so that defineChannel rejects it by name.
  const { keep = 'all' } = options as TopicOptions<Params, Data>;
  return {
    kind: 'run',
    params: options.params as Params,
    data: options.data,
    keep,
    result: options.result as Result,
  };
}

/** The argument of `defineChannel`: by topic name, a schema or the result of `topic()`, `stream()` or `run()`. */
export type TopicMap = Readonly<Record<string, Schema | TopicDefinition>>;

/** The schema of a topic's payload. */
export type DataSchema<T> = T extends TopicDefinition ? T['data'] : T;
/** The schema of a topic's params, or `undefined`. */
export type ParamsSchema<T> = T extends TopicDefinition ? T['params'] : undefined;
/** The schema of the result of a run, or `undefined`. */
export type ResultSchema<T> = T extends TopicDefinition ? T['result'] : undefined;
