/**
 * Checks a contract when it is defined. Finds faults that the compiler cannot see, and faults in plain JavaScript.
 */
import { RESERVED_PARAMS } from '../wire/address.ts';
import { LinefeedError } from '../base/error.ts';
import { findSchemaFault } from './json.ts';
import { CONTROL_PREFIX } from '../wire/protocol.ts';
import { isSchema } from './schema.ts';
import { findSharedText, paramNames } from './param-schema.ts';
import { topKinds } from './schema-kind.ts';
import { topic, type TopicDefinition } from './topic.ts';

const TOPIC_NAME = /^[A-Za-z][A-Za-z0-9_./-]*$/;
const RESERVED_NAMES = new Set(['open', 'error']);
const UNDEFINED_KINDS = new Set('undefined void optional exact_optional undefinedable nullish'.split(' '));
/** Params that are null or absent as a whole would have two addresses. A request can express only one. */
const ABSENCE_KINDS = new Set('null nullable default prefault'.split(' '));
const NON_OBJECT_KINDS = new Set(
  'string number boolean array tuple literal enum picklist int never'.split(' '),
);

/** Returns the topic as a complete definition. @throws LinefeedError `invalid_channel` */
export function checkTopic(name: string, value: unknown): TopicDefinition {
  checkName(name);
  const definition = isTopicDefinition(value) ? value : isSchema(value) ? topic({ data: value }) : undefined;
  if (definition === undefined) {
    throw invalidChannel(
      `Topic "${name}" is ${describe(value)}; it must be a schema of a Standard Schema library, topic({…}), stream({…}) or run({…}).`,
    );
  }
  checkPayload(name, 'data', 'payload', definition.data);
  if (definition.result !== undefined) checkPayload(name, 'result', 'result', definition.result);
  checkKeep(name, definition);
  if (definition.params !== undefined) checkParams(name, definition.params);
  return definition;
}

function checkPayload(name: string, option: string, what: string, schema: unknown): void {
  if (!isSchema(schema))
    throw invalidChannel(`The ${option} of topic "${name}" is ${describe(schema)}; it must be a schema.`);
  const fault = findSchemaFault(schema);
  if (fault !== undefined) {
    throw invalidChannel(
      `The ${what} of topic "${name}" cannot be sent as JSON: ${place(fault.path)} is ${fault.what}.`,
    );
  }
  for (const kind of topKinds(schema)) {
    if (!UNDEFINED_KINDS.has(kind)) continue;
    throw invalidChannel(
      `The ${what} of topic "${name}" cannot be sent as JSON: it may be undefined; use null.`,
    );
  }
}

function checkName(name: string): void {
  if (!TOPIC_NAME.test(name)) {
    throw invalidChannel(
      `"${name}" cannot name a topic: a name starts with a letter and continues with letters, digits, "_", ".", "/" or "-".`,
    );
  }
  if (RESERVED_NAMES.has(name)) {
    throw invalidChannel(
      `"${name}" cannot name a topic: EventSource dispatches its own event with that name.`,
    );
  }
  if (name.startsWith(CONTROL_PREFIX)) {
    throw invalidChannel(
      `"${name}" cannot name a topic: names that start with "${CONTROL_PREFIX}" are control frames.`,
    );
  }
  if (name.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw invalidChannel(
      `"${name}" cannot name a topic: every URL parser would remove its empty, "." or ".." segment.`,
    );
  }
}

function checkKeep(name: string, { kind, keep }: TopicDefinition): void {
  if (keep !== 'all' && keep !== 'latest') {
    throw invalidChannel(`Topic "${name}" has keep: ${JSON.stringify(keep)}; it must be "all" or "latest".`);
  }
  if (kind === 'stream' && keep !== 'all') {
    throw invalidChannel(`Topic "${name}" is a stream. Its events are not kept, so remove keep.`);
  }
  if (kind === 'run' && keep !== 'all') {
    throw invalidChannel(`Topic "${name}" is a run. All its events are kept, so remove keep.`);
  }
}

function checkParams(name: string, params: unknown): void {
  if (!isSchema(params))
    throw invalidChannel(`The params of topic "${name}" are ${describe(params)}; they must be a schema.`);
  // If the library does not expose its schemas, the check happens on the first request instead.
  for (const kind of topKinds(params)) {
    if (!NON_OBJECT_KINDS.has(kind) && !UNDEFINED_KINDS.has(kind) && !ABSENCE_KINDS.has(kind)) continue;
    throw invalidChannel(
      `The params of topic "${name}" are or may be a schema of type ${kind}; they must always be an object. Make its fields optional instead.`,
    );
  }
  const fault = findSchemaFault(params);
  if (fault !== undefined) {
    throw invalidChannel(
      `A param of topic "${name}" cannot be part of an address: ${place(fault.path)} is ${fault.what}.`,
    );
  }
  const names = paramNames(params);
  if (names === undefined) {
    throw invalidChannel(
      `The params of topic "${name}" have no names that Linefeed can read: give an object schema of zod, valibot or arktype, or one with Standard JSON Schema. If the names are not known in advance, put them into one param: z.object({ filter: z.record(z.string(), z.string()) }).`,
    );
  }
  for (const key of names) {
    if (RESERVED_PARAMS.includes(key)) {
      throw invalidChannel(
        `Topic "${name}" cannot have a param "${key}": in a URL that key belongs to the request itself.`,
      );
    }
  }
  const shared = findSharedText(params);
  if (shared !== undefined) {
    throw invalidChannel(
      `Topic "${name}" has a param "${shared.name}" that takes ${shared.text} and the string "${shared.text}", which are one address: give it one type, or leave it out instead of null.`,
    );
  }
}

function isTopicDefinition(value: unknown): value is TopicDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    'data' in value &&
    'kind' in value &&
    (value.kind === 'logged' || value.kind === 'stream' || value.kind === 'run')
  );
}

function place(path: readonly string[]): string {
  return path.length === 0 ? 'it' : `"${path.join('.')}"`;
}

function describe(value: unknown): string {
  return value === null || value === undefined
    ? String(value)
    : typeof value === 'object'
      ? 'an object that is not a schema'
      : `a ${typeof value}`;
}

export function invalidChannel(message: string): LinefeedError {
  return new LinefeedError('invalid_channel', message);
}
