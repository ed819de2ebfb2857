/** A log on a Redis or Valkey server: `RemoteStore` over three keys and four scripts. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import type { ConnectionSource } from '../../database/redis/client.ts';
import { Connection } from '../../database/redis/connection.ts';
import { readSettings, type ServerSettings } from '../../database/redis/dangers.ts';
import { toRedisError } from '../../database/redis/errors.ts';
import type { Scripts } from '../../database/redis/scripts.ts';
import type { DatabaseUse } from '../../database/use.ts';
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import type { LogCursor, ReadQuery } from '../log.ts';
import type {
  AppendBatch,
  BatchAnswer,
  CallContext,
  PageAnswer,
  RemoteStore,
  ServerHead,
  TailAnswer,
  TailQuery,
} from '../remote/remote-store.ts';
import { encodeAppends, readOutcomes, refuseLarge } from './append-encoding.ts';
import { readPosition, readRecords, readSpot, TAGS, toPosition, toSpot, toStreamId } from './positions.ts';
import { READ_EVENTS } from './script-read.ts';
import { allKeys, type LogKeys, type ScriptName } from './scripts.ts';
import { followEntries } from './tail.ts';

/** No limit, as a number that a script can compute with. */
const NO_LIMIT = 9e15;
/** Events that one eviction removes past a bound, so that it serves many appends. */
const EVICT_EVENTS = 64;
/** Positions older than so many batches cannot be checked, unless an event of that age is held. */
const MAX_BATCHES = 10_000;

export interface RedisStoreOptions {
  readonly name: string;
  readonly use: DatabaseUse;
  readonly keys: LogKeys;
  readonly source: ConnectionSource;
  readonly scripts: Scripts<ScriptName>;
  readonly bounds: typeof DEFAULT_BOUNDS;
  /** Age events by the clock of the server, which all processes share. */
  readonly serverTime: boolean;
  readonly clock: Clock;
  /** Longest time to connect, in milliseconds. */
  readonly connectMs: number;
  /** @default 10,000 */
  readonly maxBatches?: number | undefined;
}

type HeadReply = [epoch: string, parent: string, head: string];

export class RedisStore implements RemoteStore {
  readonly name: string;
  /** Dangerous settings of the client and the server, one sentence each. Known after the first head. */
  dangers: readonly string[] = [];
  readonly #options: RedisStoreOptions;
  readonly #bounds: object;
  /** Two connections: a read that waits blocks its connection. */
  readonly #commands: Connection;
  readonly #tail: Connection;
  #settings: ServerSettings | undefined;
  /** The newest head that the tail has read by script: the stream does not have the parent of an epoch. */
  #head: ServerHead | undefined;
  /** Where the tail has read to: an entry that names an epoch is past the position of its last event. */
  #read: { readonly through: Position; readonly id: string } | undefined;

  constructor(options: RedisStoreOptions) {
    this.#options = options;
    this.name = options.name;
    const { source, clock, connectMs } = options;
    this.#commands = new Connection(source, clock, connectMs);
    this.#tail = new Connection(source, clock, connectMs);
    const { maxEvents, maxBytes, maxAgeMs } = options.bounds;
    this.#bounds = {
      me: Math.min(maxEvents, NO_LIMIT),
      mb: Math.min(maxBytes, NO_LIMIT),
      ma: Math.min(maxAgeMs, NO_LIMIT),
      le: Math.min(maxEvents - Math.min(EVICT_EVENTS, Math.floor(maxEvents / 16)), NO_LIMIT),
      hb: options.maxBatches ?? MAX_BATCHES,
      lb: Math.min(Math.floor(maxBytes * (1 - 1 / 64)), NO_LIMIT),
    };
  }

  // Appending ---------------------------------------------------------------------------------------------------------

  async append({ appends, writer, number }: AppendBatch, context: CallContext): Promise<BatchAnswer> {
    const { maxValueBytes = Infinity } = this.#settings ?? {};
    const refused = appends.map((append) => refuseLarge(append, this.name, maxValueBytes));
    const sent = appends.filter((_, index) => refused[index] === undefined);
    const { fields, values } = encodeAppends(sent);
    const input = {
      ...this.#input(context),
      w: writer,
      num: number,
      tag: Math.floor(this.#options.clock.random() * TAGS),
      ...fields,
    };
    const reply = (await this.#run('append', input, values, context, 'written')) as [
      kind: 'new' | 'again',
      epoch: string,
      parent: string,
      present: string,
      before: string,
      after: string,
      exceptions: string,
    ];
    const [kind, epoch, parent, present, before, after, exceptions] = reply;
    const outcomes = readOutcomes(sent, readSpot(before), readSpot(after), exceptions);
    const head = (spot: string) => toHead([epoch, parent, spot]);
    return {
      before: head(present),
      after: head(kind === 'again' ? present : after),
      outcomes: refused.map((error) => error ?? outcomes.shift()!),
    };
  }

  // Reading -----------------------------------------------------------------------------------------------------------

  /** Reads a page. One script reads a part of a large page, so that it holds the server only for a moment. */
  async read(query: ReadQuery, context: CallContext): Promise<PageAnswer> {
    const { limit, maxBytes } = query;
    let page = await this.#readPart(query, context);
    let part = page;
    while (part.isCut && part.events.length >= READ_EVENTS && page.events.length < limit) {
      const room = maxBytes - page.events.reduce((sum, { data }) => sum + data.length, 0);
      const rest = { ...query, after: page.through, limit: limit - page.events.length, maxBytes: room };
      part = await this.#readPart(rest, context);
      // A part has at least one event, also if it does not fit.
      if (part.epoch !== page.epoch || (part.events[0]?.data.length ?? 0) > room) break;
      page = {
        ...part,
        events: [...page.events, ...part.events],
        // What was evicted in between is a gap too, although some of it may be in the first part.
        evictedThrough: new Map([...page.evictedThrough, ...part.evictedThrough]),
      };
    }
    return page;
  }

  async #readPart(
    { after, addresses, limit, maxBytes }: ReadQuery,
    context: CallContext,
  ): Promise<PageAnswer & { readonly isCut: boolean }> {
    const names = [...addresses.keys()];
    const start = toSpot(after);
    const f: number[] = [];
    for (const floor of addresses.values()) {
      const spot = toSpot(floor);
      const { sequence, tag } = spot.sequence > start.sequence ? spot : start;
      f.push(sequence, tag);
    }
    const input = {
      ...this.#input(context),
      f,
      limit: Math.min(limit, READ_EVENTS),
      most: Math.min(maxBytes, NO_LIMIT),
    };
    const reply = (await this.#run('page', input, names, context, 'read')) as [
      ...HeadReply,
      cut: number,
      evicted: (number | string)[],
      records: (number | string)[],
    ];
    const [epoch, parent, position, cut, evicted, records] = reply;
    const head = toHead([epoch, parent, position]);
    const events = readRecords(records);
    const evictedThrough = new Map<string, Position>();
    for (let index = 0; index < evicted.length; index += 2) {
      evictedThrough.set(names[Number(evicted[index]) - 1]!, readPosition(evicted[index + 1] as string));
    }
    const isPast = start.sequence >= toSpot(head.position).sequence;
    const through = cut === 1 ? events.at(-1)!.position : isPast ? after : head.position;
    return { epoch, events, through, evictedThrough, head, isCut: cut === 1 };
  }

  async head(context: CallContext): Promise<ServerHead> {
    await this.#look(context);
    const input = { ...this.#input(context), after: 0, limit: 0, most: 0 };
    const reply = await this.#run('since', input, [], context, 'read');
    return toHead(reply as HeadReply);
  }

  /** Looks at the server once, before the first script: one that is too old would refuse it with a puzzling error. */
  async #look({ signal }: CallContext): Promise<void> {
    if (this.#settings !== undefined) return;
    const { keys, source, use } = this.#options;
    const looking = { name: this.name, key: keys.log, use, signal };
    const settings = readSettings(this.#commands, looking);
    this.#settings = await this.#convert('read', settings);
    const { danger } = source;
    this.dangers = danger === undefined ? this.#settings.dangers : [...this.#settings.dangers, danger];
  }

  async contains(position: Position, context: CallContext): Promise<boolean> {
    if (position === BEGINNING) return true;
    const { sequence, tag } = toSpot(position);
    if (sequence === 0) return false;
    const input = { ...this.#input(context), after: sequence, tag };
    return (await this.#run('contains', input, [], context, 'read')) === 1;
  }

  // Following ---------------------------------------------------------------------------------------------------------

  async follow(query: TailQuery, context: CallContext): Promise<TailAnswer> {
    // A connection that is new, or a wait that brought nothing: only a script notices another epoch or a lost tail.
    if (this.#tail.isNew || this.#head?.epoch !== context.known.epoch) {
      const answer = await this.#since(query, context);
      if (answer.events.length > 0 || answer.trimmed || isNews(answer.head, query, context)) return answer;
    }
    return (await this.#wait(query, context)) ?? (await this.#since(query, context));
  }

  async #wait(query: TailQuery, { known, signal }: CallContext): Promise<TailAnswer | undefined> {
    const after = toSpot(query.after);
    const { tail } = this.#options.keys;
    const id = this.#read?.through === query.after ? this.#read.id : toStreamId(after);
    const count = String(Math.max(1, Math.min(query.limit, READ_EVENTS)));
    const block = String(Math.max(1, Math.ceil(query.waitMs)));
    const command = ['XREAD', 'COUNT', count, 'BLOCK', block, 'STREAMS', tail, id];
    const reply = await this.#convert('read', this.#tail.send(tail, command, signal));
    const run = followEntries(reply, after, { ...known, spot: toSpot(known.position) }, query);
    if (run === undefined) return undefined;
    const through = toPosition(run.through);
    this.#read = run.id === '' ? undefined : { through, id: run.id };
    const head = { epoch: known.epoch, parent: this.#head?.parent, position: through };
    return { head, events: run.events, through, trimmed: false };
  }

  async #since({ after, limit, maxBytes }: TailQuery, context: CallContext): Promise<TailAnswer> {
    const input = {
      ...this.#input(context),
      after: toSpot(after).sequence,
      limit: Math.max(1, Math.min(limit, READ_EVENTS)),
      most: Math.min(maxBytes, NO_LIMIT),
    };
    const reply = await this.#run('since', input, [], context, 'read', this.#tail);
    const [epoch, parent, position, through, trimmed, records] = reply as [
      ...HeadReply,
      through: string,
      trimmed: number,
      records: (number | string)[],
    ];
    this.#head = toHead([epoch, parent, position]);
    return {
      head: this.#head,
      events: readRecords(records),
      through: readPosition(through),
      trimmed: trimmed === 1,
    };
  }

  // Calls -------------------------------------------------------------------------------------------------------------

  #input({ known, nextEpoch, wallNow }: CallContext): object {
    const { sequence, tag } = toSpot(known.position);
    const now = this.#options.serverTime ? -1 : Math.floor(wallNow);
    return { e: known.epoch, s: sequence, t: tag, n: nextEpoch, now, ...this.#bounds };
  }

  #run(
    script: ScriptName,
    input: object,
    values: readonly string[],
    { signal }: CallContext,
    doing: string,
    connection: Connection = this.#commands,
  ): Promise<unknown> {
    const { scripts, keys } = this.#options;
    const call = { keys: allKeys(keys), values: [JSON.stringify(input), ...values], signal };
    return this.#convert(doing, scripts.run(connection, script, call));
  }

  async #convert<T>(doing: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw toRedisError(error, { name: this.name, doing, use: this.#options.use });
    }
  }

  reconnect(): void {
    this.#tail.drop();
  }

  close(): void {
    this.#tail.drop();
    this.#commands.drop();
  }
}

function toHead([epoch, parent, position]: HeadReply): ServerHead {
  return { epoch, parent: parent === '-' ? undefined : parent, position: readPosition(position) };
}

/** Whether the handle does not know this head: there is no reason to wait. */
function isNews(head: LogCursor, { after }: TailQuery, { known }: CallContext): boolean {
  return head.epoch !== known.epoch || head.position !== after;
}
