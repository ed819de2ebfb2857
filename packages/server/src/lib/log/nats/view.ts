/**
 * The state of a log as its messages determine it: numbering, held events, watermarks, keys. Each process has its own,
 * and they are equal: the messages carry all that an appender decides. Pure, except for the time that it is given.
 */
import type { Position } from '@linefeed/shared/wire';
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import { sizeOf } from '../bounds.ts';
import type { StoredEvent } from '../event-queue.ts';
import type { LogCursor } from '../log.ts';
import { HeldEvents } from '../held-events.ts';
import type { TailEvent } from '../remote/remote-store.ts';
import { BatchHistory, numberOf, toPosition } from './batch-history.ts';
import { chainOf, tagOfChain, type ItemRow, type SnapshotPart, type StreamMessage } from './message.ts';

/** A message of the stream, and how much of it is still needed. */
export interface MessageRecord {
  readonly sequence: number;
  /** Size of all that it has, in UTF-16 code units. */
  readonly size: number;
  /** Size of the held events that it has. */
  live: number;
  /** Number of its first event, or of the next one. */
  readonly first: number;
  /** Chain of all messages before it. */
  readonly chainBefore: string;
}

/** An event of the view. */
export interface ViewEvent extends StoredEvent {
  /** What readers get: one object for all of them, so that they share its frame. */
  readonly event: TailEvent;
  /** The newest message that has the event. */
  record: MessageRecord;
}

/** The process that has the view. */
export interface Owner {
  /** Identity of its appends, unknown before the first. */
  writer: string;
}

/** A message as it was received. */
export interface Received {
  readonly sequence: number;
  readonly message: StreamMessage;
  /** Milliseconds since 1970. */
  readonly appendedAt: number;
}

/** Cost of a message beside its events: its head, and the record of the server. */
const MESSAGE_OVERHEAD = 200;
const EVENT_OVERHEAD = 40;
/** Own messages that are remembered, to learn whether one was stored. */
const MAX_OWN = 64;

export class View {
  readonly held: HeldEvents<ViewEvent>;
  readonly history: BatchHistory = new BatchHistory();
  readonly #bounds: typeof DEFAULT_BOUNDS;
  readonly #owner: Owner;
  /** Time at which the stream was created: it identifies the stream. */
  readonly created: string;
  epoch: string;
  /** The epoch before, if events were lost then. */
  parent: string | undefined;
  chain = '';
  /** Sequence of the newest message. */
  sequence = 0;
  /** The messages of the stream, oldest first. */
  records: MessageRecord[] = [];
  /** Size of the messages that is not needed any more. */
  deadSize = 0;
  /** Messages of other programs, and of another history. */
  voidMessages = 0;
  /** What `chainOf` makes of the newest message, as the stream has it. */
  proof = '';
  /** The messages before this sequence are not needed any more. */
  #base = 0;
  /** The snapshot that is being read, if all its messages follow each other. */
  #parts: Array<{ readonly snapshot: SnapshotPart; readonly record: MessageRecord }> = [];
  readonly #own = new Map<string, { first: number; tag: string }>();

  /** `epoch` counts until a message names another one. */
  constructor(bounds: typeof DEFAULT_BOUNDS, created: string, epoch: string, owner: Owner) {
    this.created = created;
    this.#bounds = bounds;
    this.epoch = epoch;
    this.#owner = owner;
    this.held = new HeldEvents(bounds, numberOf, (event) => this.#release(event));
  }

  get newest(): Position {
    return this.history.newest;
  }

  /** Whether a message of this process is in the stream, and its first number and tag. */
  own(id: string): { first: number; tag: string } | undefined {
    return this.#own.get(id);
  }

  /** Sequence of the oldest message from which the view has its state. */
  get oldest(): number {
    return this.records[0]?.sequence ?? this.sequence + 1;
  }

  /** Whether a message is still needed for its held events. */
  isNeeded({ sequence }: MessageRecord): boolean {
    return sequence >= this.#base;
  }

  isNext({ sequence, message }: Received): boolean {
    return sequence === this.sequence + 1 && message.chain === this.chain;
  }

  /** The older messages of the stream are gone, and with them the state before this message. */
  startAt(sequence: number, { chain, first, epoch }: StreamMessage): void {
    this.sequence = sequence - 1;
    this.chain = chain;
    this.epoch = epoch;
    if (first === 1) return;
    this.history.add(first - 1, 1, '0000');
    this.held.forgetAll(this.newest);
  }

  /** Takes the next message. One with another chain is void: it only takes its sequence. */
  apply(received: Received): void {
    const { sequence, message, appendedAt } = received;
    const { id, epoch, parent, first, entries, snapshot } = message;
    const isVoid = message.chain !== this.chain;
    const record = {
      sequence,
      size: MESSAGE_OVERHEAD + (isVoid ? 0 : sizeOfMessage(message)),
      live: 0,
      first: isVoid ? this.history.newestNumber + 1 : first,
      chainBefore: this.chain,
    };
    this.records.push(record);
    this.deadSize += record.size;
    this.sequence = sequence;
    this.chain = chainOf(this.chain, id);
    this.proof = isVoid ? chainOf(message.chain, id) : this.chain;
    if (isVoid) this.voidMessages += 1;
    if (isVoid || snapshot === undefined) this.#parts = [];
    if (isVoid) return;
    if (epoch !== this.epoch) {
      this.parent = parent;
      this.epoch = epoch;
    }
    const tag = tagOfChain(this.chain);
    if (id.startsWith(`${this.#owner.writer}.`)) this.#remember(id, first, tag);
    if (snapshot !== undefined) return this.#takePart(snapshot, record);
    this.history.add(first, entries.length, tag);
    const previous = new Map<string, Position>();
    for (const [index, entry] of entries.entries()) {
      const position = toPosition(first + index, tag);
      const { address, data, keep, idempotencyKey } = entry;
      const prev = keep === 'latest' ? undefined : (previous.get(address) ?? entry.prev);
      previous.set(address, position);
      this.#add({ address, data, position, prev, keep, appendedAt, idempotencyKey, record });
    }
    this.held.evict(-Infinity);
  }

  /** All messages were purged. */
  forgetAll(): void {
    this.held.forgetAll(this.newest);
    this.records = [];
    this.deadSize = 0;
    this.#base = this.sequence + 1;
  }

  evict(wallNow: number): void {
    this.held.evict(wallNow - this.#bounds.maxAgeMs);
  }

  /** The state that a snapshot describes. Messages from its base on are applied to it. */
  restore(parts: readonly SnapshotPart[], { epoch, parent }: StreamMessage): void {
    const { base, origin } = parts[0]!;
    const { chain, number, forgotten, firsts, tags } = origin!;
    this.sequence = base - 1;
    this.#base = base;
    this.chain = chain;
    this.epoch = epoch;
    this.parent = parent;
    this.history.restore(firsts, tags, number);
    // The real record follows with the message of the snapshot.
    const record: MessageRecord = { sequence: base - 1, size: 0, live: 0, first: 0, chainBefore: '' };
    for (const [position, address, data, keep, key, prev, appendedAt] of parts.flatMap(
      ({ items }) => items,
    )) {
      const idempotencyKey = key ?? undefined;
      const kept = keep === 1 ? 'latest' : 'all';
      this.#add({
        address,
        data,
        position,
        prev: prev ?? undefined,
        keep: kept,
        appendedAt,
        idempotencyKey,
        record,
      });
    }
    this.held.restoreWatermarks(
      forgotten,
      parts.flatMap(({ marks }) => marks),
    );
  }

  /**
   * A complete snapshot replaces the messages before its base. An incomplete one replaces nothing: a process that loads
   * the stream ignores it.
   */
  #takePart(snapshot: SnapshotPart, record: MessageRecord): void {
    const { group, index, count, base } = snapshot;
    if (index === 0) this.#parts = [];
    this.#parts.push({ snapshot, record });
    if (this.#parts.length !== index + 1 || this.#parts[0]!.snapshot.group !== group) this.#parts = [];
    if (this.#parts.length < count) return;
    for (const part of this.#parts.splice(0)) this.#relocate(part.snapshot, part.record);
    // A later snapshot must not begin before this one: its writer purges the older messages.
    this.#forgetRecords(base);
  }

  /** The events of older messages are now in a message of a snapshot. */
  #relocate({ items }: SnapshotPart, record: MessageRecord): void {
    for (const [position, address] of items) {
      const event = this.held.at(address, position);
      if (event === undefined) continue;
      this.#release(event);
      event.record = record;
      this.#hold(event);
    }
  }

  #add(added: Omit<ViewEvent, 'sequence' | 'gone' | 'event'>): void {
    const { address, data, position, prev, keep } = added;
    const event = { address, data, position, prev, keep };
    const held: ViewEvent = { ...added, event, sequence: numberOf(position), gone: false };
    this.#hold(held);
    this.held.add(held);
  }

  #hold(event: ViewEvent): void {
    const size = sizeOfEvent(event);
    event.record.live += size;
    if (this.isNeeded(event.record)) this.deadSize -= size;
  }

  #release(event: ViewEvent): void {
    const size = sizeOfEvent(event);
    event.record.live -= size;
    if (this.isNeeded(event.record)) this.deadSize += size;
  }

  #remember(id: string, first: number, tag: string): void {
    this.#own.set(id, { first, tag });
    if (this.#own.size > MAX_OWN) this.#own.delete(this.#own.keys().next().value!);
  }

  /** The messages before a sequence were removed from the stream. */
  #forgetRecords(before: number): void {
    this.#base = before;
    const gone = this.records.filter(({ sequence }) => sequence < before);
    for (const { size, live } of gone) this.deadSize -= size - live;
    this.records = this.records.filter(({ sequence }) => sequence >= before);
  }
}

function sizeOfMessage({ entries, snapshot }: StreamMessage): number {
  let size = entries.reduce((sum, entry) => sum + sizeOfEvent(entry), 0);
  for (const item of snapshot?.items ?? []) size += sizeOfItem(item);
  return size;
}

export function sizeOfItem([, address, data, , key]: ItemRow): number {
  return EVENT_OVERHEAD + sizeOf({ address, data }, key ?? undefined);
}

function sizeOfEvent(event: { address: string; data: string; idempotencyKey: string | undefined }): number {
  return EVENT_OVERHEAD + sizeOf(event, event.idempotencyKey);
}

/** Whether the view has the epoch of an event, and another history. */
export function isLost({ epoch, history }: View, known: LogCursor): boolean {
  return known.epoch === epoch && history.check(known.position) === 'other';
}
