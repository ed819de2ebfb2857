/** Decides on each subscription asked for: is there such a topic, are its params right, may this context have it. */
import { type AnyChannel, type TopicDefinition } from '@linefeed/shared';
import type { LinefeedError } from '@linefeed/shared/wire';
import {
  paramNames,
  refusal,
  STREAM_KEY,
  streamEventName,
  validate,
  type Validated,
} from '@linefeed/shared/wire';
import { toReportedRefusal } from './exchange.ts';
import type { AskedEntry } from './opening.ts';
import { toAddress } from './params.ts';
import { withoutParams } from './stream-refusal.ts';

/** A subscription that may start. */
export interface Admitted {
  readonly admitted: true;
  readonly definition: TopicDefinition;
  readonly topic: string;
  /** The schema's output; `undefined` for a topic without params. */
  readonly params: unknown;
  /** Topic and params; of a logged topic the event name too. */
  readonly address: string;
  /** Name of its frames: the address, or of a stream topic and key. */
  readonly event: string;
  /** How the client called it: what `subscribed` and `error` repeat. */
  readonly asked: string;
  readonly from: string | undefined;
  readonly key: string | undefined;
}

/** One that may not. */
export interface Refused {
  readonly admitted: false;
  readonly asked: string;
  readonly key: string | undefined;
  readonly error: LinefeedError;
}

export type Authorize = (subject: {
  readonly context: unknown;
  readonly topic: string;
  readonly params: unknown;
  readonly address: string;
}) => boolean | PromiseLike<boolean>;

export interface AdmissionOptions {
  readonly channel: AnyChannel;
  readonly maxAddressBytes: number;
  /** Of one connection. */
  readonly maxSubscriptions: number;
  readonly authorize: Authorize | undefined;
  readonly onError: (error: unknown) => void;
}

/** The connection that a list is for. */
export interface AdmissionSubject {
  readonly context: unknown;
  /** Event names that it has already. */
  readonly taken: ReadonlySet<string>;
  /** The list is one entry, and all that it will have: a stream needs no key. */
  readonly alone: boolean;
}

/**
 * Decides on a list, side by side. What goes beyond the limit of a connection is refused, and the rest served; an event
 * name takes room once, however many entries are for it.
 */
export async function admitAll(
  entries: readonly AskedEntry[],
  { context, taken, alone }: AdmissionSubject,
  options: AdmissionOptions,
): Promise<{ admitted: Admitted[]; refused: Refused[] }> {
  const resolved = await Promise.all(entries.map((entry) => resolve(entry, alone, options)));
  const names = new Set(taken);
  const isAllowed = createVerdicts(options.authorize, context);
  const decided = await Promise.all(
    resolved.map(async (entry) => {
      if (!entry.admitted) return entry;
      if (!names.has(entry.event) && names.size >= options.maxSubscriptions) return tooMany(entry, options);
      names.add(entry.event);
      return isAllowed === undefined ? entry : authorizeEntry(entry, isAllowed, options);
    }),
  );
  return {
    admitted: decided.filter((entry) => entry.admitted),
    refused: decided.filter((entry) => !entry.admitted),
  };
}

function tooMany({ asked, key }: Admitted, { maxSubscriptions }: AdmissionOptions): Refused {
  const error = refusal(
    'too_many_subscriptions',
    `A connection may have ${maxSubscriptions} subscriptions (maxSubscriptions); this is one more.`,
  );
  return { admitted: false, asked, key, error };
}

/** Finds out what an entry asks for. `alone`: it is the only subscription of its connection, so a stream needs no key. */
async function resolve(
  entry: AskedEntry,
  alone: boolean,
  options: AdmissionOptions,
): Promise<Admitted | Refused> {
  const { topic, from, key } = entry;
  const isStream = options.channel.topics.get(topic)?.kind === 'stream';
  const asked = nameAsked(entry, isStream);
  try {
    const { definition, params, address } = await resolveEntry(entry, options);
    if (isStream) checkKey(entry, alone);
    return {
      admitted: true,
      definition,
      topic,
      params,
      address,
      event: isStream ? streamEventName(topic, key) : address,
      asked: isStream ? asked : (entry.address ?? address),
      from,
      key,
    };
  } catch (error) {
    return refuse(isStream ? withoutParams(error, entry) : error, asked, key, options);
  }
}

type Verdicts = (entry: Admitted) => Promise<boolean>;

/** Asks once for each address of a list. */
function createVerdicts(authorize: Authorize | undefined, context: unknown): Verdicts | undefined {
  if (authorize === undefined) return undefined;
  const verdicts = new Map<string, Promise<boolean>>();
  return ({ topic, params, address }) => {
    let verdict = verdicts.get(address);
    if (verdict === undefined) {
      verdict = (async () => (await authorize({ context, topic, params, address })) === true)();
      verdicts.set(address, verdict);
    }
    return verdict;
  };
}

async function authorizeEntry(
  entry: Admitted,
  isAllowed: Verdicts,
  options: AdmissionOptions,
): Promise<Admitted | Refused> {
  const { asked, key } = entry;
  try {
    if (await isAllowed(entry)) return entry;
    throw refusal('forbidden', `Not allowed to subscribe to ${asked}.`);
  } catch (error) {
    return refuse(error, asked, key, options);
  }
}

function refuse(
  error: unknown,
  asked: string,
  key: string | undefined,
  { onError }: AdmissionOptions,
): Refused {
  return { admitted: false, asked, key, error: toReportedRefusal(error, onError) };
}

/** Of a stream not even a refusal repeats the params. */
function nameAsked({ topic, key, address }: AskedEntry, isStream: boolean): string {
  return isStream ? streamEventName(topic, key) : (address ?? topic);
}

function checkKey({ topic, key }: AskedEntry, alone: boolean): void {
  if (key === undefined) {
    if (alone) return;
    throw refusal(
      'key_required',
      `The stream "${topic}" needs a key on a connection with several subscriptions; without one, open it alone: …/${topic}, its params in the query.`,
    );
  }
  if (!STREAM_KEY.test(key)) {
    throw refusal(
      'bad_request',
      `The key ${JSON.stringify(key)} must be 1 to 32 letters, digits, "_" or "-".`,
    );
  }
}

async function resolveEntry(
  entry: AskedEntry,
  { channel, maxAddressBytes }: AdmissionOptions,
): Promise<{ definition: TopicDefinition; params: unknown; address: string }> {
  if (entry.fault !== undefined) throw entry.fault;
  const definition = channel.topics.get(entry.topic);
  if (definition === undefined)
    throw refusal('unknown_topic', `There is no topic "${entry.topic}" in this channel.`);
  if (definition.params === undefined) return { definition, params: undefined, address: entry.topic };
  const result = await readParams(entry, definition.params);
  const address = toAddress(entry.topic, result, { maxAddressBytes, refused: true });
  return { definition, params: (result as { readonly value: unknown }).value, address };
}

type ParamsSchema = NonNullable<TopicDefinition['params']>;

/** Text becomes values: every param is tried as the string it is, and those that fail as JSON. */
async function readParams(entry: AskedEntry, schema: ParamsSchema): Promise<Validated<unknown>> {
  const known = paramNames(schema);
  const texts = known === undefined ? entry.params : entry.params.filter(([name]) => known.includes(name));
  const input: Record<string, unknown> = Object.fromEntries(texts);
  if (Object.keys(input).length < texts.length) {
    throw refusal('bad_request', `The address of ${entry.topic} is malformed: it names a param twice.`);
  }
  let result: Validated<unknown> = await validate(schema, input);
  if (result.issues !== undefined && readFailedAsJson(input, result.issues))
    result = await validate(schema, input);
  return result;
}

function readFailedAsJson(
  input: Record<string, unknown>,
  issues: ReadonlyArray<{
    readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
  }>,
): boolean {
  const failed = issues.map(({ path }) => (typeof path?.[0] === 'object' ? path[0].key : path?.[0]));
  // A complaint about the whole object (a union of objects) may be about any of its params.
  const names = failed.includes(undefined) ? Object.keys(input) : failed.map(String);
  let changed = false;
  for (const name of names) {
    const text = input[name];
    if (typeof text !== 'string') continue;
    try {
      input[name] = JSON.parse(text);
      changed = true;
    } catch {
      // It stays the string it is, and the schema's complaint stands.
    }
  }
  return changed;
}
