/** Decides on each requested subscription: the topic exists, the params are valid, and `authorize` allows it. */
import { type AnyChannel, type TopicDefinition } from '@linefeed/shared';
import {
  LinefeedError,
  refusal,
  STREAM_KEY,
  streamEventName,
  type MaybePromise,
  type ResolvedParams,
} from '@linefeed/shared/wire';
import { toReportedRefusal } from '../http/http.ts';
import type { AskedEntry } from './parse.ts';
import { readAskedParams } from '../publish/address.ts';
import { withoutParams } from './stream-refusal.ts';
import type { FairQueue } from './fair-queue.ts';

/** A subscription that is allowed to start. */
export interface Authorized {
  readonly authorized: true;
  readonly definition: TopicDefinition;
  readonly topic: string;
  /** The schema's output; `undefined` for a topic without params. */
  readonly params: unknown;
  /** Topic and params. For a logged topic this is also the event name. */
  readonly address: string;
  /** Event name of its frames. Logged topic: the address. Stream: made of topic and key. */
  readonly event: string;
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

export type Authorize = (subject: {
  readonly context: unknown;
  readonly topic: string;
  readonly params: unknown;
  readonly address: string;
}) => boolean | PromiseLike<boolean>;

export interface AuthorizeOptions {
  readonly channel: AnyChannel;
  readonly maxAddressBytes: number;
  /** Limit per connection. */
  readonly maxSubscriptions: number;
  readonly authorize: Authorize | undefined;
  /** Shared by all requests: each entry takes one turn, so that a long list does not block the event loop. */
  readonly turns: FairQueue;
  readonly onError: (error: unknown) => void;
}

/** A list may resolve this many times `maxSubscriptions` different addresses. The rest is refused. */
const MAX_LOOKED_AT_FACTOR = 2;

/** Characters of an address that count as one entry in the throttle. A longer address counts as several. */
const CHARACTERS_PER_TURN_SHARE = 512;

/** The connection that a list belongs to. */
export interface AdmissionSubject {
  readonly context: unknown;
  /** Event names that the connection has already. */
  readonly taken: ReadonlySet<string>;
  /** The list is the only entry that the connection will ever have, so a stream needs no key. */
  readonly alone: boolean;
}

/**
 * Decides on all entries of a list concurrently. Entries past the connection's limit are refused; the others are
 * served. Several entries for one event name count once.
 */
export async function authorizeAll(
  entries: readonly AskedEntry[],
  { context, taken, alone }: AdmissionSubject,
  options: AuthorizeOptions,
): Promise<{ authorized: Authorized[]; refused: Denied[] }> {
  const resolved = await resolveAll(entries, alone, options);
  const names = new Set(taken);
  const isAllowed = createVerdicts(options, context);
  const decided = await Promise.all(
    resolved.map(async (entry) => {
      if (!entry.authorized) return entry;
      if (!names.has(entry.event) && names.size >= options.maxSubscriptions) return tooMany(entry, options);
      names.add(entry.event);
      return /* seam: each-entry-authorized */ isAllowed === undefined
        ? entry
        : authorizeEntry(entry, isAllowed, options);
    }),
  );
  return {
    authorized: decided.filter((entry) => entry.authorized),
    refused: decided.filter((entry) => !entry.authorized),
  };
}

function tooMany({ asked, key }: Authorized, options: AuthorizeOptions): Denied {
  return { authorized: false, asked, key, error: tooManyError(options) };
}

function tooManyError({ maxSubscriptions }: AuthorizeOptions): LinefeedError {
  return refusal(
    'too_many_subscriptions',
    `A connection may have ${maxSubscriptions} subscriptions (maxSubscriptions); this is one more.`,
  );
}

/**
 * Resolves a list in several turns of the event loop. A long list with slow schemas would otherwise block other
 * requests.
 */
async function resolveAll(
  entries: readonly AskedEntry[],
  alone: boolean,
  options: AuthorizeOptions,
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
    if (lookedAt > MAX_LOOKED_AT_FACTOR * options.maxSubscriptions) throw tooManyError(options);
    const meaning = resolveEntry(entry, definition, options);
    // Not cached for streams: two runs must not share a params object.
    if (definition.kind === 'logged') known.set(words, meaning);
    return meaning;
  };
  for (const entry of entries) {
    // `RequestHandler` has already taken a turn for the first entry of a request.
    const turn = resolving.length === 0 ? undefined : options.turns.take(costOf(entry));
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
  options: AuthorizeOptions,
): MaybePromise<Authorized | Denied> {
  const { topic, from, key } = entry;
  const definition = options.channel.topics.get(topic);
  const isStream = definition?.kind === 'stream';
  const asked = nameAsked(entry, isStream);
  const finish = (meaning: Meaning): Authorized => {
    checkKey(entry, isStream, alone);
    const { address } = meaning;
    return {
      ...meaning,
      authorized: true,
      topic,
      event: isStream ? streamEventName(topic, key) : address,
      asked: isStream ? asked : (entry.address ?? address),
      from,
      key,
    };
  };
  const fail = (error: unknown): Denied =>
    refuse(isStream ? withoutParams(error, entry) : error, asked, key, options);
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
  { maxAddressBytes }: AuthorizeOptions,
): MaybePromise<Meaning> {
  const { topic } = entry;
  if (definition.params === undefined) return { definition, params: undefined, address: topic };
  const resolved = readAskedParams(entry, definition.params, maxAddressBytes);
  return resolved instanceof Promise
    ? resolved.then((each) => ({ ...each, definition }))
    : { ...resolved, definition };
}

/** The `authorize` functions that were reported for a result that is no boolean. */
const reported = new WeakSet<Authorize>();

/**
 * Any result except `true` refuses. A result that is no boolean is reported: a forgotten `return` would look like a
 * refusal.
 */
export function readVerdict(
  authorize: Authorize,
  verdict: unknown,
  onError: (error: unknown) => void,
): boolean {
  if (typeof verdict !== 'boolean' && !reported.has(authorize)) {
    reported.add(authorize);
    const what =
      verdict === null || verdict === undefined ? String(verdict) : `a value of type ${typeof verdict}`;
    onError(
      new LinefeedError(
        'invalid_option',
        `authorize returned ${what}, which refuses the subscription; it must return true or false. This is reported once.`,
      ),
    );
  }
  return verdict === true;
}

type Verdicts = (entry: Authorized) => Promise<boolean>;

/**
 * Calls `authorize` once for each logged address of a list: all its subscribers see the same events. Each stream entry
 * gets a call of its own, because its params are its own.
 */
function createVerdicts({ authorize, onError }: AuthorizeOptions, context: unknown): Verdicts | undefined {
  if (authorize === undefined) return undefined;
  const verdicts = new Map<string, Promise<boolean>>();
  return ({ definition, topic, params, address }) => {
    const ask = async (): Promise<boolean> =>
      readVerdict(authorize, await authorize({ context, topic, params, address }), onError);
    if (definition.kind === 'stream') return ask();
    const verdict = verdicts.get(address) ?? ask();
    verdicts.set(address, verdict);
    return verdict;
  };
}

async function authorizeEntry(
  entry: Authorized,
  isAllowed: Verdicts,
  options: AuthorizeOptions,
): Promise<Authorized | Denied> {
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
  { onError }: AuthorizeOptions,
): Denied {
  return { authorized: false, asked, key, error: toReportedRefusal(error, onError) };
}

/** The name of a stream contains no params, not even in a refusal. */
function nameAsked({ topic, key, address }: AskedEntry, isStream: boolean): string {
  return isStream ? streamEventName(topic, key) : (address ?? topic);
}

function checkKey({ topic, key }: AskedEntry, isStream: boolean, alone: boolean): void {
  if (key === undefined) {
    if (alone || !isStream) return;
    throw refusal(
      'key_required',
      `The stream "${topic}" needs a key on a connection with several subscriptions; without one, open it alone: …/${topic}, its params in the query.`,
    );
  }
  if (!STREAM_KEY.test(key)) {
    throw refusal(
      'bad_request',
      `The key ${JSON.stringify(key.slice(0, 64))} must be 1 to 32 letters, digits, "_" or "-".`,
    );
  }
}
