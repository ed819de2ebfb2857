/** The messages of the stream of a log: one for each batch of appends, and those of a snapshot. */
import { LinefeedError, type Position } from '@linefeed/shared/wire';
import type { LogEntry } from '../log.ts';

/** Version of the format, in each message. */
const FORMAT = 1;

/** `[address, data, keep, key, prev]`. `prev` is absent if the message itself has the previous event, or if unknown. */
type EntryRow = [string, string, 0 | 1, string | null, (Position | null)?];

/** `[position, address, data, keep, key, prev, appendedAt]` */
export type ItemRow = [Position, string, string, 0 | 1, string | null, Position | null, number];

/** One entry of a message. */
export interface MessageEntry extends LogEntry {
  readonly idempotencyKey: string | undefined;
  /** Position of the previous event of the address, if it is not in the same message. */
  readonly prev: Position | undefined;
}

/** A part of a snapshot: the state that the messages before `base` have left. */
export interface SnapshotPart {
  /** Random, the same in each part. */
  readonly group: string;
  readonly index: number;
  readonly count: number;
  /** The messages of the stream before this sequence are not needed any more. */
  readonly base: number;
  /** Held events of earlier messages, in order. */
  readonly items: readonly ItemRow[];
  /** Watermarks of addresses. */
  readonly marks: ReadonlyArray<[string, Position]>;
  /** Only in the first part. */
  readonly origin?: SnapshotOrigin | undefined;
}

export interface SnapshotOrigin {
  /** Chain of the messages before `base`. */
  readonly chain: string;
  /** Number of events before `base`. */
  readonly number: number;
  /** Shared watermark of the addresses without one. */
  readonly forgotten: Position;
  /** The newest batches before `base`: number of the first event of each, as differences, and all tags. */
  readonly firsts: readonly number[];
  readonly tags: string;
}

export interface StreamMessage {
  /** Identity of the message: the writer and its number. */
  readonly id: string;
  /** Chain of all messages before it. A message with another one was appended to another history, and is void. */
  readonly chain: string;
  readonly epoch: string;
  /** The epoch before, if this message starts a new one because events were lost. */
  readonly parent: string | undefined;
  /** Number of its first event. Without events: of the next one. */
  readonly first: number;
  readonly entries: readonly MessageEntry[];
  readonly snapshot: SnapshotPart | undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeMessage(message: StreamMessage): Uint8Array {
  const { id, chain, epoch, parent, first, entries, snapshot } = message;
  const rows = entries.map(({ address, data, keep, idempotencyKey = null, prev = null }): EntryRow => [
    address,
    data,
    keep === 'latest' ? 1 : 0,
    idempotencyKey,
    ...((prev === null ? [] : [prev]) as [Position?]),
  ]);
  const body = { linefeed: FORMAT, id, chain, epoch, parent, first, entries: rows, snapshot };
  return encoder.encode(JSON.stringify(body));
}

/** @returns `undefined` if it is not a message of this format. */
export function decodeMessage(bytes: Uint8Array): StreamMessage | undefined {
  try {
    const body = JSON.parse(decoder.decode(bytes)) as Omit<StreamMessage, 'entries'> & {
      readonly linefeed: number;
      readonly entries: readonly EntryRow[];
    };
    if (body.linefeed !== FORMAT) return undefined;
    const entries = body.entries.map(([address, data, keep, key, prev]): MessageEntry => ({
      address,
      data,
      keep: keep === 1 ? 'latest' : 'all',
      idempotencyKey: key ?? undefined,
      prev: prev ?? undefined,
    }));
    const { id, chain, epoch, parent, first, snapshot } = body;
    return { id, chain, epoch, parent, first, entries, snapshot };
  } catch {
    return undefined;
  }
}

/** The chain after a message: a hash of all messages up to it. */
export function chainOf(chain: string, id: string): string {
  return hashOf(`${chain} ${id}`);
}

/** The tag of the positions of a message. */
export function tagOfChain(chain: string): string {
  return chain.slice(-4);
}

/** A hash of a text, as 14 digits of base 36. It guards against accidents, not against an attacker. */
export function hashOf(text: string): string {
  return half(text, 0x811c9dc5) + half(text, 0x1b873593);
}

/** FNV-1a, and the last step of MurmurHash3, so that each digit depends on the whole text. */
function half(text: string, seed: number): string {
  let hash = seed;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(36).padStart(7, '0');
}

export function foreignMessage(stream: string, sequence: number): LinefeedError {
  return new LinefeedError(
    'log_failed',
    `Message ${sequence} of the NATS stream "${stream}" was not written by this version of natsLog. Nothing was changed; give the log a stream of its own.`,
  );
}

const FOREIGN = 'foreign';

/** Whether another program has written a message. */
export function isForeign({ chain }: StreamMessage): boolean {
  return chain === FOREIGN;
}

/** The void message that takes the place of one that another program has written. */
export function notOurs(sequence: number): StreamMessage {
  return {
    ...{ id: `${FOREIGN} ${sequence}`, chain: FOREIGN, epoch: '', parent: undefined },
    ...{ first: 0, entries: [], snapshot: undefined },
  };
}
