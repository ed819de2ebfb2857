/** Resolves the entries of a request: the topic exists, the params are valid, and the key is allowed. */
import type { AnyChannel, TopicDefinition, TopicKind } from '@linefeed/shared';
import {
  refusal,
  STREAM_KEY,
  streamEventName,
  type LinefeedError,
  type MaybePromise,
  type ResolvedParams,
} from '@linefeed/shared/wire';
import { toReportedRefusal } from '../http/http.ts';
import { readAskedParams } from '../publish/address.ts';
import type { FairQueue } from './fair-queue.ts';
import { withoutParams } from './stream-refusal.ts';
import type { AskedEntry } from './subscribe-request.ts';

/** A subscription that is allowed to start. */
export interface Authorized {
  readonly authorized: true;
  readonly definition: TopicDefinition;
  readonly topic: string;
  /** The schema's output; `undefined` for a topic without params. */
  readonly params: unknown;
  /** Topic and params. For a logged topic and a run this is also the event name. */
  readonly address: string;
  /** Event name of its frames. Logged topic, run: the address. Stream: made of topic and key. */
  readonly eventName: string;
  /** The name that the client used. `subscribed` and `error` frames repeat it. */
  readonly asked: string;
  readonly from: string | undefined;
  readonly key: string | undefined;
}

/** A subscription that is refused, with the reason. */
export interface Denied {
  readonly authorized: false;
  readonly asked: string;
  readonly key: string | undefined;
  readonly error: LinefeedError;
}

export interface ResolveOptions {
  readonly channel: AnyChannel;
  readonly maxAddressBytes: number;
  /** Limit per connection. */
  readonly maxSubscriptions: number;
  /** Shared by all requests: each entry takes one turn, so that a long list does not block the event loop. */
  readonly queue: FairQueue;
  readonly onError: (error: unknown) => void;
}

/** Factor of `maxSubscriptions`: the different addresses that one list may resolve. Entries past it are refused. */
const MAX_LOOKED_AT_FACTOR = 2;

/** Characters of an address that count as one entry in the throttle. A longer address counts as several. */
const CHARACTERS_PER_TURN_SHARE = 512;

/**
 * Resolves a list in several turns of the event loop. A long list with slow schemas would otherwise block other
 * requests.
 */
export async function resolveAll(
  entries: readonly AskedEntry[],
  alone: boolean,
  options: ResolveOptions,
): Promise<Array<Authorized | Denied>> {
  const resolving: Array<MaybePromise<Authorized | Denied>> = [];
  /** Cache: entries with the same text are resolved once. */
  const known = new Map<string, MaybePromise<Meaning>>();
  let lookedAt = 0;
  const meaningOf = (entry: AskedEntry, definition: TopicDefinition): MaybePromise<Meaning> => {
    const words = entry.address ?? entry.topic;
    const before = known.get(words);
    if (before !== undefined) return before;
    lookedAt += 1;
    if (lookedAt > MAX_LOOKED_AT_FACTOR * options.maxSubscriptions)
      throw tooManyError(options.maxSubscriptions);
    const meaning = resolveEntry(entry, definition, options);
    // Not cached for streams: two runs must not share a params object.
    if (definition.kind !== 'stream') known.set(words, meaning);
    return meaning;
  };
  for (const entry of entries) {
    // `RequestHandler` has already taken a turn for the first entry of a request.
    const turn = resolving.length === 0 ? undefined : options.queue.take(costOf(entry));
    if (turn !== undefined) await turn;
    resolving.push(resolve(entry, alone, meaningOf, options));
  }
  return Promise.all(resolving.map(async (each) => each));
}

/** The cost of an entry in the throttle: a schema may need time in proportion to the length of the address. */
function costOf({ address = '' }: AskedEntry): number {
  return Math.max(1, Math.ceil(address.length / CHARACTERS_PER_TURN_SHARE));
}

/** The definition and the params that an address resolves to. */
interface Meaning extends ResolvedParams {
  readonly definition: TopicDefinition;
}

/** Resolves one entry. `alone`: it is the only subscription of its connection, so a stream needs no key. */
function resolve(
  entry: AskedEntry,
  alone: boolean,
  meaningOf: (entry: AskedEntry, definition: TopicDefinition) => MaybePromise<Meaning>,
  options: ResolveOptions,
): MaybePromise<Authorized | Denied> {
  const { topic, from, key } = entry;
  const definition = options.channel.topics.get(topic);
  const isStream = definition?.kind === 'stream';
  const asked = nameAsked(entry, isStream);
  const finish = (meaning: Meaning): Authorized => {
    checkKey(entry, definition?.kind, alone);
    const { address } = meaning;
    return {
      ...meaning,
      authorized: true,
      topic,
      eventName: isStream ? streamEventName(topic, key) : address,
      asked: isStream ? asked : (entry.address ?? address),
      from,
      key,
    };
  };
  const fail = (error: unknown): Denied =>
    toDenied(isStream ? withoutParams(error, entry) : error, asked, key, options.onError);
  try {
    if (entry.fault !== undefined) throw entry.fault;
    if (definition === undefined)
      throw refusal('unknown_topic', `There is no topic "${topic}" in this channel.`);
    const meaning = meaningOf(entry, definition);
    return meaning instanceof Promise ? meaning.then(finish).catch(fail) : finish(meaning);
  } catch (error) {
    return fail(error);
  }
}

function resolveEntry(
  entry: AskedEntry,
  definition: TopicDefinition,
  { maxAddressBytes }: ResolveOptions,
): MaybePromise<Meaning> {
  const { topic } = entry;
  if (definition.params === undefined) return { definition, params: undefined, address: topic };
  const resolved = readAskedParams(entry, definition.params, maxAddressBytes);
  return resolved instanceof Promise
    ? resolved.then((each) => ({ ...each, definition }))
    : { ...resolved, definition };
}

export function toDenied(
  error: unknown,
  asked: string,
  key: string | undefined,
  onError: (error: unknown) => void,
): Denied {
  return { authorized: false, asked, key, error: toReportedRefusal(error, onError) };
}

export function tooManyError(maxSubscriptions: number): LinefeedError {
  return refusal(
    'too_many_subscriptions',
    `A connection may have ${maxSubscriptions} subscriptions (maxSubscriptions); this is one more.`,
  );
}

/** The name of a stream contains no params, not even in a refusal. */
function nameAsked({ topic, key, address }: AskedEntry, isStream: boolean): string {
  return isStream ? streamEventName(topic, key) : (address ?? topic);
}

function checkKey({ topic, key }: AskedEntry, kind: TopicKind | undefined, alone: boolean): void {
  if (key === undefined) {
    if (alone || kind === 'logged') return;
    throw refusal(
      'key_required',
      `The ${kind} "${topic}" needs a key on a connection with several subscriptions; without one, open it alone: …/${topic}, its params in the query.`,
    );
  }
  if (!STREAM_KEY.test(key)) {
    throw refusal(
      'bad_request',
      `The key ${JSON.stringify(key.slice(0, 64))} must be 1 to 32 letters, digits, "_" or "-".`,
    );
  }
}
