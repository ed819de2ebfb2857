/** The contract: topics with their schemas, checked when it is defined. */
import { RESERVED_PARAMS } from './address.ts';
import { LinefeedError } from './error.ts';
import { findSchemaFault, type JsonProblem } from './json.ts';
import { CONTROL_PREFIX } from './protocol.ts';
import { isSchema, type Input, type Output, type Schema } from './schema.ts';

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
  /** Schema of an object: what makes one address of this topic differ from another. Default: no params. */
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

/** A logged topic with params or a policy of its own; a topic without either is just its schema. */
export function topic<Data extends Schema, Params extends Schema | undefined = undefined>(
  options: TopicOptions<Params, Data>,
): TopicDefinition<Params, Data, 'logged'> {
  return {
    kind: 'logged',
    params: options.params as Params,
    data: options.data,
    keep: options.keep ?? 'all',
  };
}

/** A topic that is a run of its own for each subscription: progress of a job, a generated answer. */
export function stream<Data extends Schema, Params extends Schema | undefined = undefined>(
  options: Omit<TopicOptions<Params, Data>, 'keep'>,
): TopicDefinition<Params, Data, 'stream'> {
  return { kind: 'stream', params: options.params as Params, data: options.data, keep: 'all' };
}

/** What `defineChannel` takes: by topic name, a schema or what `topic()` and `stream()` made of it. */
export type TopicMap = Readonly<Record<string, Schema | TopicDefinition>>;

/** A contract. Both sides use its type; only the server needs its value. */
export interface Channel<Topics extends TopicMap = TopicMap> {
  /** Every topic, a bare schema made whole. */
  readonly topics: ReadonlyMap<string, TopicDefinition>;
  /** Carries the types; there is nothing in it at run time. */
  readonly '~types'?: Topics | undefined;
}

/** Any channel, for constraints. */
export type AnyChannel = Channel<any>;

type Topics<C> = C extends Channel<infer T> ? T : never;
type DataSchema<T> = T extends TopicDefinition ? T['data'] : T;
type ParamsSchema<T> = T extends TopicDefinition ? T['params'] : undefined;

/** Names of all topics of a channel. */
export type TopicName<C extends AnyChannel> = keyof Topics<C> & string;
/** Names of the topics that are streams. */
export type StreamName<C extends AnyChannel> = {
  [K in keyof Topics<C>]: Topics<C>[K] extends TopicDefinition<any, any, infer Kind>
    ? 'stream' extends Kind
      ? K
      : never
    : never;
}[keyof Topics<C>] &
  string;
/** Names of the topics that are published to. */
export type LoggedName<C extends AnyChannel> = Exclude<TopicName<C>, StreamName<C>>;

/** What a handler of a topic gets. */
export type Payload<C extends AnyChannel, K extends TopicName<C>> = Output<DataSchema<Topics<C>[K]>>;
/** What `publish` takes, or the source of a stream yields: the schema's input. */
export type PayloadInput<C extends AnyChannel, K extends TopicName<C>> = Input<DataSchema<Topics<C>[K]>>;
/** Params as `authorize` and sources get them; `undefined` for a topic without. */
export type Params<C extends AnyChannel, K extends TopicName<C>> =
  ParamsSchema<Topics<C>[K]> extends Schema ? Output<ParamsSchema<Topics<C>[K]>> : undefined;
/** Params as the caller of `publish` and `subscribe` writes them: the schema's input. */
export type ParamsInput<C extends AnyChannel, K extends TopicName<C>> =
  ParamsSchema<Topics<C>[K]> extends Schema ? Input<ParamsSchema<Topics<C>[K]>> : undefined;

/** Says what is wrong with a contract as a property that nothing has, so that the compiler prints the sentence. */
type Fault<Sentence extends string> = [Sentence] extends [never]
  ? unknown
  : { readonly [S in Sentence]: never };

type ParamsFault<P, Name extends string> =
  | JsonProblem<P, `${Name}: params`>
  | (Extract<keyof P, 'from' | 'key' | 'last_event_id' | 'topic'> extends infer Key extends string
      ? `${Name}: a param cannot be named "${Key}", which in a URL belongs to the request itself`
      : never);

type TopicFault<Name extends string, T> = Name extends
  | `${typeof CONTROL_PREFIX}${string}`
  | 'open'
  | 'error'
  | ''
  ? `"${Name}" is reserved and cannot name a topic`
  : | JsonProblem<Output<DataSchema<T>>, Name>
    | (undefined extends Output<DataSchema<T>>
        ? unknown extends Output<DataSchema<T>>
          ? never
          : `${Name} may be undefined, which JSON does not carry; use null`
        : never)
    | ([Output<DataSchema<T>>] extends [Input<DataSchema<T>>]
        ? never
        : `${Name}: the schema's output must be accepted as its own input, because the wire carries the output`)
    | (ParamsSchema<T> extends Schema
        ? Output<ParamsSchema<T>> extends object
          ? Output<ParamsSchema<T>> extends readonly unknown[]
            ? `${Name}: params must be an object`
            : ParamsFault<Output<ParamsSchema<T>>, Name>
          : `${Name}: params must be an object`
        : never);

/** Constraint of `defineChannel`: refuses at compile time what it would refuse at run time. */
export type CheckedTopics<T> = { readonly [K in keyof T]: Fault<TopicFault<K & string, T[K]>> };

const TOPIC_NAME = /^[A-Za-z][A-Za-z0-9_./-]*$/;
const RESERVED_NAMES = new Set(['open', 'error']);

/**
 * Defines a contract. Topic names match `[A-Za-z][A-Za-z0-9_./-]*`; a value is a schema, `topic()` or `stream()`.
 *
 * @throws LinefeedError `invalid_channel`, naming topic and field: a reserved or malformed name, params that are no
 * object, a payload that JSON does not carry unchanged.
 */
export function defineChannel<const T extends TopicMap>(topics: T & CheckedTopics<T>): Channel<T> {
  const checked = new Map<string, TopicDefinition>();
  for (const [name, value] of Object.entries(topics as TopicMap)) checked.set(name, checkTopic(name, value));
  if (checked.size === 0) throw invalid('A channel needs at least one topic.');
  return { topics: checked };
}

function checkTopic(name: string, value: unknown): TopicDefinition {
  checkName(name);
  const definition = isTopicDefinition(value) ? value : isSchema(value) ? topic({ data: value }) : undefined;
  if (definition === undefined || !isSchema(definition.data)) {
    throw invalid(
      `Topic "${name}" is ${describe(value)}; it must be a schema of a Standard Schema library, topic({…}) or stream({…}).`,
    );
  }
  const fault = findSchemaFault(definition.data);
  if (fault !== undefined) {
    throw invalid(
      `The payload of topic "${name}" cannot be sent as JSON: ${place(fault.path)} is ${fault.what}.`,
    );
  }
  if (UNDEFINED_KINDS.has(schemaKind(definition.data) ?? '')) {
    throw invalid(`The payload of topic "${name}" cannot be sent as JSON: it may be undefined; use null.`);
  }
  if (definition.params !== undefined) checkParams(name, definition.params);
  return definition;
}

function checkName(name: string): void {
  if (!TOPIC_NAME.test(name)) {
    throw invalid(
      `"${name}" cannot name a topic: a name starts with a letter and goes on with letters, digits, "_", ".", "/" or "-".`,
    );
  }
  if (RESERVED_NAMES.has(name)) {
    throw invalid(`"${name}" cannot name a topic: EventSource fires an event of that name by itself.`);
  }
  if (name.startsWith(CONTROL_PREFIX)) {
    throw invalid(
      `"${name}" cannot name a topic: names that start with "${CONTROL_PREFIX}" are control frames.`,
    );
  }
  if (name.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw invalid(
      `"${name}" cannot name a topic: every URL parser would take its empty, "." or ".." segment away.`,
    );
  }
}

function checkParams(name: string, params: unknown): void {
  if (!isSchema(params))
    throw invalid(`The params of topic "${name}" are ${describe(params)}; they must be a schema.`);
  // Only an object schema accepts an object; of a library that cannot be looked into, the first request will tell.
  const kind = schemaKind(params);
  if (kind !== undefined && NON_OBJECT_KINDS.has(kind)) {
    throw invalid(`The params of topic "${name}" are a schema of type ${kind}; they must be an object.`);
  }
  const fault = findSchemaFault(params);
  if (fault !== undefined) {
    throw invalid(
      `A param of topic "${name}" cannot be part of an address: ${place(fault.path)} is ${fault.what}.`,
    );
  }
  for (const key of paramNames(params) ?? []) {
    if (RESERVED_PARAMS.includes(key)) {
      throw invalid(
        `Topic "${name}" cannot have a param "${key}": in a URL that key belongs to the request itself.`,
      );
    }
  }
}

const UNDEFINED_KINDS = new Set('undefined void optional exact_optional undefinedable nullish'.split(' '));

const NON_OBJECT_KINDS = new Set(
  'string number boolean array tuple null undefined literal enum picklist int void never'.split(' '),
);

function schemaKind(schema: Schema): string | undefined {
  const { _zod, type } = schema as { _zod?: { def: { type: string } }; type?: unknown };
  return _zod?.def.type ?? (typeof type === 'string' ? type : undefined);
}

/** The keys an object schema knows, or `undefined` where its library does not show them or it takes any. */
export function paramNames(schema: Schema): readonly string[] | undefined {
  const { _zod, entries } = schema as { _zod?: { def: { shape?: object } }; entries?: object };
  const fields = _zod?.def.shape ?? entries;
  return fields === undefined ? undefined : Object.keys(fields);
}

function isTopicDefinition(value: unknown): value is TopicDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    'data' in value &&
    'kind' in value &&
    (value.kind === 'logged' || value.kind === 'stream')
  );
}

function place(path: string): string {
  return path === '' ? 'it' : `"${path}"`;
}

function describe(value: unknown): string {
  return value === null
    ? 'null'
    : typeof value === 'object'
      ? 'an object that is no schema'
      : `a ${typeof value}`;
}

function invalid(message: string): LinefeedError {
  return new LinefeedError('invalid_channel', message);
}
