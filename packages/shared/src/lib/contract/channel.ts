/** The contract: topics with their schemas, checked on definition, and the types that both sides infer from it. */
import { checkTopic, invalidChannel } from './check.ts';
import type { CheckedTopics } from './type.ts';
import type { Input, Output, Schema } from './schema.ts';
import type {
  DataSchema,
  ParamsSchema,
  ResultSchema,
  TopicDefinition,
  TopicKind,
  TopicMap,
} from './topic.ts';

/** A contract. Both sides use its type; only the server needs its value. */
export interface Channel<Topics extends TopicMap = TopicMap> {
  /** Every topic by name. A bare schema is completed to a definition. */
  readonly topics: ReadonlyMap<string, TopicDefinition>;
  /** Holds the types for inference. At run time it is always absent. */
  readonly '~types'?: Topics | undefined;
}

/** Any channel, for constraints. */
export type AnyChannel = Channel<any>;

/** The topics of a channel, as `defineChannel` got them. */
export type TopicsOf<C> = C extends Channel<infer T> ? T : never;

/** Names of all topics of a channel. */
export type TopicName<C extends AnyChannel> = keyof TopicsOf<C> & string;
/** Names of the topics of one kind. */
export type TopicNameOfKind<C extends AnyChannel, Wanted extends TopicKind> = {
  [K in keyof TopicsOf<C>]: TopicsOf<C>[K] extends TopicDefinition<any, any, infer Kind>
    ? Wanted extends Kind
      ? K
      : never
    : never;
}[keyof TopicsOf<C>] &
  string;
/** Names of the topics of kind `stream`. */
export type StreamName<C extends AnyChannel> = TopicNameOfKind<C, 'stream'>;
/** Names of the topics of kind `run`. */
export type RunName<C extends AnyChannel> = TopicNameOfKind<C, 'run'>;
/** Names of the topics that `publish` takes. */
export type LoggedName<C extends AnyChannel> = Exclude<TopicName<C>, StreamName<C> | RunName<C>>;

/** The payload that a handler of a topic gets: the schema's output. */
export type Payload<C extends AnyChannel, K extends TopicName<C>> = Output<DataSchema<TopicsOf<C>[K]>>;
/** The payload that `publish` takes, or that the source of a stream yields: the schema's input. */
export type PayloadInput<C extends AnyChannel, K extends TopicName<C>> = Input<DataSchema<TopicsOf<C>[K]>>;
/** The result of a run as its readers get it: the schema's output. `undefined` for a run without a result. */
export type RunResult<C extends AnyChannel, K extends RunName<C>> =
  // Distributive: the result of an unknown channel is `any`, so a function of any channel takes a client of one.
  ResultSchema<TopicsOf<C>[K]> extends infer S ? (S extends Schema ? Output<S> : undefined) : never;
/** The result that the source of a run returns: the schema's input. `void` for a run without a result. */
export type RunResultInput<C extends AnyChannel, K extends RunName<C>> =
  ResultSchema<TopicsOf<C>[K]> extends Schema ? Input<ResultSchema<TopicsOf<C>[K]>> : void;
/** Params as `authorize` and sources get them. `undefined` for a topic without params. */
export type Params<C extends AnyChannel, K extends TopicName<C>> =
  ParamsSchema<TopicsOf<C>[K]> extends Schema ? Output<ParamsSchema<TopicsOf<C>[K]>> : undefined;
/** Params as the caller of `publish` and `subscribe` writes them: the schema's input. */
export type ParamsInput<C extends AnyChannel, K extends TopicName<C>> =
  ParamsSchema<TopicsOf<C>[K]> extends Schema ? Input<ParamsSchema<TopicsOf<C>[K]>> : undefined;

/**
 * Defines a contract. Topic names match `[A-Za-z][A-Za-z0-9_./-]*`. Each value is a schema, `topic()`, `stream()` or `run()`.
 *
 * @example
 *   import { defineChannel, stream, topic } from '@linefeed/shared';
 *   import { z } from 'zod';
 *
 *   export const channel = defineChannel({
 *     notice: z.object({ text: z.string() }),
 *     price: topic({ params: z.object({ symbol: z.string() }), data: z.number(), keep: 'latest' }),
 *     report: stream({ params: z.object({ year: z.number() }), data: z.object({ step: z.number() }) }),
 *   });
 *
 * @param topics Schemas of any library that implements Standard Schema, or results of `topic()`, `stream()` and `run()`
 * @returns The channel. The server needs its value, the client only its type.
 * @throws LinefeedError `invalid_channel`, naming topic and field: a reserved or malformed name, params that are not
 * an object or declare no names, a param that takes a value and its text, a payload that JSON changes.
 */
export function defineChannel<const T extends TopicMap>(topics: T & CheckedTopics<T>): Channel<T> {
  if (typeof topics !== 'object' || topics === null) {
    throw invalidChannel(
      `A channel is an object of topics, not ${topics === null ? 'null' : typeof topics}.`,
    );
  }
  const checked = new Map<string, TopicDefinition>();
  for (const [name, value] of Object.entries(topics as TopicMap)) checked.set(name, checkTopic(name, value));
  if (checked.size === 0) throw invalidChannel('A channel needs at least one topic.');
  return { topics: checked };
}
