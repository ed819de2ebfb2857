/** A server in memory that holds one log for `MemoryStore`: tests can stop it, and replace its log by an older one. */
import { BEGINNING, comparePositions, LinefeedError, type Position } from '@linefeed/shared/wire';
import { laterOf } from '../src/lib/base/position.ts';
import { DEFAULT_BOUNDS, MAX_WATERMARKS, sizeOf } from '../src/lib/log/bounds.ts';
import { conflictOf } from '../src/lib/log/idempotency.ts';
import type { LogEntry, ReadPage, ReadQuery } from '../src/lib/log/log.ts';
import { sequenceOf } from '../src/lib/log/remote/position.ts';
import { contains, createData, headOf, type HeldEvent, type LogData, type Outcome } from './memory-data.ts';
import type {
  AppendBatch,
  BatchAnswer,
  BatchedAppend,
  CallContext,
  ServerHead,
  TailAnswer,
  TailQuery,
} from '../src/lib/log/remote/remote-store.ts';

/** A copy of the data of a server. */
export type Backup = LogData | undefined;

export interface MemoryServerOptions {
  readonly maxEvents?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxAgeMs?: number | undefined;
  readonly maxBatches?: number | undefined;
  readonly random?: (() => number) | undefined;
}

export class MemoryServer {
  /** While it is set, each call rejects with it. */
  fault: Error | undefined;
  readonly #bounds: typeof DEFAULT_BOUNDS;
  readonly #maxBatches: number;
  readonly #random: () => number;
  #data: LogData | undefined;
  #onChange = new Set<() => void>();

  constructor({ maxBatches = 10_000, random = Math.random, ...bounds }: MemoryServerOptions = {}) {
    this.#bounds = { ...DEFAULT_BOUNDS, ...bounds } as typeof DEFAULT_BOUNDS;
    this.#maxBatches = maxBatches;
    this.#random = random;
  }

  // Faults ------------------------------------------------------------------------------------------------------------

  backUp(): Backup {
    return structuredClone(this.#data);
  }

  /** Replaces the log, as a failover to a lagging replica or a restored backup does. No handle is notified. */
  restore(backup: Backup): void {
    this.#data = structuredClone(backup);
    this.#changed();
  }

  /** Removes every event after a position. No handle is notified. */
  rollBack(to: Position): void {
    const data = this.#data!;
    const end = sequenceOf(to);
    data.head = to;
    data.events = data.events.filter(({ position }) => sequenceOf(position) <= end);
    data.batches = data.batches.filter(({ first }) => first <= end);
    data.last = new Map(data.events.map(({ address, position }) => [address, position]));
    data.writers.clear();
    this.#changed();
  }

  stop(fault: Error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })): void {
    this.fault = fault;
    this.#changed();
  }

  start(): void {
    this.fault = undefined;
  }

  get epoch(): string | undefined {
    return this.#data?.epoch;
  }

  /** Calls back once at the next change. Returns a function that cancels. */
  onChange(call: () => void): () => void {
    this.#onChange.add(call);
    return () => void this.#onChange.delete(call);
  }

  #changed(): void {
    const calls = [...this.#onChange];
    this.#onChange.clear();
    for (const call of calls) call();
  }

  // Calls -------------------------------------------------------------------------------------------------------------

  append({ appends, writer, number }: AppendBatch, context: CallContext): BatchAnswer {
    const data = this.#check(context);
    const before = headOf(data);
    const earlier = data.writers.get(writer);
    if (earlier !== undefined && number < earlier.number) {
      throw new LinefeedError('log_failed', `Batch ${number} is older than ${earlier.number}.`);
    }
    if (earlier?.number === number) return { before, after: before, outcomes: earlier.outcomes };
    this.#evict(data, context.wallNow);
    const tag = this.#createTag(data);
    const outcomes = appends.map((append) => this.#append(data, append, tag, context.wallNow));
    data.writers.set(writer, { number, outcomes });
    this.#evict(data, context.wallNow);
    if (data.head !== before.position) this.#changed();
    return { before, after: headOf(data), outcomes };
  }

  read(query: ReadQuery, context: CallContext): ReadPage & { readonly head: ServerHead } {
    const data = this.#check(context);
    this.#evict(data, context.wallNow);
    const { after, addresses, limit, maxBytes } = query;
    const evictedThrough = new Map<string, Position>();
    for (const [address, floor] of addresses) {
      const from = laterOf(floor, after);
      const evicted =
        data.watermarks.get(address) ?? (data.last.has(address) ? BEGINNING : data.forgottenThrough);
      const isUnchecked = from !== BEGINNING && sequenceOf(from) < sequenceOf(data.forgottenBatches);
      const through = isUnchecked ? laterOf(evicted, data.forgottenBatches) : evicted;
      if (comparePositions(through, from) > 0) evictedThrough.set(address, through);
    }
    const events: HeldEvent[] = [];
    let bytes = 0;
    for (const event of data.events) {
      const floor = addresses.get(event.address);
      if (floor === undefined || comparePositions(event.position, laterOf(floor, after)) <= 0) continue;
      bytes += event.data.length;
      if (events.length > 0 && (events.length >= limit || bytes > maxBytes)) {
        const through = events.at(-1)!.position;
        return { epoch: data.epoch, events, through, evictedThrough, head: headOf(data) };
      }
      events.push(event);
    }
    return {
      epoch: data.epoch,
      events,
      through: laterOf(after, data.head),
      evictedThrough,
      head: headOf(data),
    };
  }

  head(context: CallContext): ServerHead {
    return headOf(this.#check(context));
  }

  /** `undefined`: there is nothing to tell yet. */
  follow({ after, limit, maxBytes }: TailQuery, context: CallContext): TailAnswer | undefined {
    const data = this.#check(context);
    const head = headOf(data);
    const none = { head, events: [], through: data.head, trimmed: false };
    if (data.epoch !== context.known.epoch) return none;
    if (data.head === after) return undefined;
    if (sequenceOf(data.evicted) > sequenceOf(after)) return { ...none, trimmed: true };
    const events: HeldEvent[] = [];
    let bytes = 0;
    for (const event of data.events) {
      if (sequenceOf(event.position) <= sequenceOf(after)) continue;
      bytes += event.data.length;
      if (events.length > 0 && (events.length >= limit || bytes > maxBytes))
        return { head, events, through: events.at(-1)!.position, trimmed: false };
      events.push(event);
    }
    return { ...none, events };
  }

  contains(position: Position, context: CallContext): boolean {
    return contains(this.#check(context), position);
  }

  /** Compares what the handle knows, and starts a new epoch if the log does not contain it. */
  #check({ known, nextEpoch }: CallContext): LogData {
    if (this.fault !== undefined) throw this.fault;
    const data = (this.#data ??= createData(nextEpoch));
    if (data.epoch === known.epoch && !contains(data, known.position)) {
      data.parent = data.epoch;
      data.epoch = nextEpoch;
      this.#changed();
    }
    return data;
  }

  #createTag(data: LogData): string {
    const last = data.batches.at(-1)?.tag;
    for (;;) {
      const tag = Math.floor(this.#random() * 36 ** 4)
        .toString(36)
        .padStart(4, '0');
      if (tag !== last) return tag;
    }
  }

  #append(data: LogData, { entries, idempotencyKey }: BatchedAppend, tag: string, now: number): Outcome {
    if (idempotencyKey !== undefined) {
      const { address, data: payload } = entries[0]!;
      const held = data.events.find((event) => event.key === idempotencyKey && event.address === address);
      if (held !== undefined && held.data !== payload) return conflictOf(address, idempotencyKey);
      if (held !== undefined) return { position: held.position, duplicate: true };
    }
    for (const entry of entries) this.#appendOne(data, entry, idempotencyKey, tag, now);
    return { position: data.head, duplicate: false };
  }

  #appendOne(data: LogData, entry: LogEntry, key: string | undefined, tag: string, appendedAt: number): void {
    const { address, keep } = entry;
    const sequence = sequenceOf(data.head) + 1;
    const position = sequence.toString(36) + tag;
    if (data.batches.at(-1)?.tag !== tag) data.batches.push({ first: sequence, tag });
    while (data.batches.length > this.#maxBatches) {
      data.batches.shift();
      const { first, tag: next } = data.batches[0]!;
      data.forgottenBatches = (first - 1).toString(36) + next;
    }
    const unknown = data.forgottenThrough === BEGINNING ? BEGINNING : undefined;
    const last = data.last.get(address) ?? data.watermarks.get(address) ?? unknown;
    if (!data.last.has(address) && !data.watermarks.has(address) && unknown === undefined)
      data.watermarks.set(address, data.forgottenThrough);
    if (keep === 'latest') {
      if (data.last.has(address)) data.events = data.events.filter((event) => event.address !== address);
      data.watermarks.delete(address);
    }
    data.events.push({ ...entry, position, prev: keep === 'latest' ? undefined : last, appendedAt, key });
    data.last.set(address, position);
    data.head = position;
  }

  #evict(data: LogData, now: number): void {
    const { maxEvents, maxBytes, maxAgeMs } = this.#bounds;
    for (const keep of ['all', 'latest'] as const) {
      const held = data.events.filter((event) => event.keep === keep);
      let bytes = held.reduce((sum, event) => sum + sizeOf(event, event.key), 0);
      let count = held.length;
      const gone = new Set<HeldEvent>();
      for (const event of held) {
        const isOld = keep === 'all' && event.appendedAt < now - maxAgeMs;
        if (count <= maxEvents && bytes <= maxBytes && !isOld) break;
        gone.add(event);
        count -= 1;
        bytes -= sizeOf(event, event.key);
      }
      if (gone.size > 0) this.#remove(data, gone);
    }
  }

  #remove(data: LogData, gone: ReadonlySet<HeldEvent>): void {
    data.events = data.events.filter((event) => !gone.has(event));
    for (const { address, position } of gone) {
      data.watermarks.delete(address);
      data.watermarks.set(address, position);
      data.evicted = laterOf(data.evicted, position);
      if (data.last.get(address) === position) data.last.delete(address);
    }
    for (const [address, position] of data.watermarks) {
      if (data.watermarks.size <= MAX_WATERMARKS) break;
      if (data.last.has(address)) continue;
      data.watermarks.delete(address);
      data.forgottenThrough = laterOf(data.forgottenThrough, position);
    }
  }
}
