/** Appends batches to the stream, one message in flight, each expecting the newest sequence of the view. */
import { LinefeedError, type Position } from '@linefeed/shared/wire';
import { conflictOf } from '../idempotency.ts';
import type { AppendBatch, BatchedAppend, CallContext } from '../remote/remote-store.ts';
import { toPosition } from './batch-history.ts';
import { API_ERROR, type JetStream } from './connection.ts';
import { forgottenOutcome, toFailure } from './errors.ts';
import { encodeMessage, type MessageEntry, type StreamMessage } from './message.ts';
import type { StreamReader } from './stream-reader.ts';
import type { View } from './view.ts';
import type { ViewSync } from './view-sync.ts';

export type Outcome = { readonly position: Position; readonly duplicate: boolean } | Error;

/** Room for the head of a message and for its headers, in bytes. */
export const HEAD_BYTES = 4_096;
/** Most entries of one message. A larger append is one message of its own. */
const MESSAGE_ENTRIES = 500;

export interface AppenderOptions {
  readonly jetstream: JetStream;
  readonly stream: string;
  readonly subject: string;
  readonly reader: StreamReader;
  readonly sync: ViewSync;
  /** Most bytes of a message. */
  readonly maxMessageBytes: number;
}

/** A message whose outcome is not known. */
interface Pending {
  readonly message: StreamMessage;
  readonly bytes: Uint8Array;
  /** The sequence that it has if it is stored. */
  readonly sequence: number;
  /** The outcomes of its appends, if it is stored. */
  readonly outcomes: readonly PlannedOutcome[];
  /** The view for which it was made. */
  readonly view: View;
  /** Whether an attempt was not refused. */
  mayBeStored: boolean;
}

/** `index`: of the last entry of the append in the message. */
type PlannedOutcome = Outcome | { readonly index: number; readonly duplicate: boolean };

/** A batch that is being appended. It survives a call that was given up. */
interface Progress {
  readonly number: number;
  readonly outcomes: Outcome[];
  parts: number;
  pending: Pending | undefined;
}

export class Appender {
  readonly #options: AppenderOptions;
  #progress: Progress | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /** One write at a time. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Appends the rest of a batch. A repeat continues where the last call ended.
   *
   * @param ready Called before each message. It starts a new epoch if the stream has lost events.
   */
  async append(
    batch: AppendBatch,
    { signal, wallNow }: CallContext,
    ready: () => Promise<void>,
  ): Promise<readonly Outcome[]> {
    const { reader } = this.#options;
    reader.owner.writer = batch.writer;
    if (this.#progress?.number !== batch.number)
      this.#progress = { number: batch.number, outcomes: [], parts: 0, pending: undefined };
    const progress = this.#progress;
    while (progress.outcomes.length < batch.appends.length) {
      if (signal.aborted) throw signal.reason;
      const { pending } = progress;
      if (pending === undefined) {
        await ready();
        reader.view.evict(wallNow);
        progress.pending = this.#plan(batch, progress);
      } else if (!(await this.#settle(progress, pending))) progress.pending = undefined;
    }
    return progress.outcomes;
  }

  /** Learns or decides the fate of a message. Returns `false` if it is certain that it is not stored. */
  async #settle(progress: Progress, pending: Pending): Promise<boolean> {
    const { reader, stream } = this.#options;
    const { message, sequence } = pending;
    const isCurrent = (): boolean => reader.view === pending.view && reader.view.sequence === sequence - 1;
    if (isCurrent() && message.entries.length > 0) {
      const { mayBeStored } = pending;
      pending.mayBeStored = true;
      if (!(await this.publish(message, sequence - 1, pending.bytes))) pending.mayBeStored = mayBeStored;
    }
    const stored = message.entries.length === 0 ? { first: 0, tag: '' } : reader.view.own(message.id);
    // The view has the message, or another one in its place, or is a new view without it.
    if (stored === undefined && !this.#isForgotten(pending)) return isCurrent();
    progress.pending = undefined;
    progress.parts += 1;
    for (const outcome of pending.outcomes) {
      if (!('index' in outcome)) progress.outcomes.push(outcome);
      else if (stored === undefined) progress.outcomes.push(forgottenOutcome(stream));
      else {
        const position = toPosition(stored.first + outcome.index, stored.tag);
        progress.outcomes.push({ position, duplicate: outcome.duplicate });
      }
    }
    return true;
  }

  /**
   * Whether the message may have been stored, and removed since by a compaction or a purge. To append it again would
   * double its events, except those with an idempotency key.
   */
  #isForgotten({ message, sequence, view, mayBeStored }: Pending): boolean {
    if (!mayBeStored) return false;
    const present = this.#options.reader.view;
    if (present === view || present.created !== view.created || present.oldest <= sequence) return false;
    return message.entries.some(({ idempotencyKey }) => idempotencyKey === undefined);
  }

  /**
   * Stores a message, and waits until the view has it. If another process was faster, waits until the view has what it stored.
   *
   * @returns `false` if JetStream has refused it because another message was faster
   * @throws if the outcome is unknown, or JetStream refuses
   */
  async publish(
    message: StreamMessage,
    expected: number,
    bytes: Uint8Array = encodeMessage(message),
  ): Promise<boolean> {
    const { jetstream, subject, stream, reader, sync } = this.#options;
    let answer;
    try {
      const place = { stream, sequence: expected };
      answer = await reader.send(async () => await jetstream.publish(subject, bytes, place));
    } catch (error) {
      // The stream may be deleted, or its leader away: the consumer notices it later.
      void reader.recover();
      throw error;
    }
    const { error, seq } = answer;
    if (error === undefined) {
      // The answer may come from another stream with this name. Only the consumer shows that the message continues
      // this history: with the stream it would have ended.
      if (!(await sync.reach(seq, jetstream.requestMs / 2))) await reader.recover();
      return true;
    }
    if (error.err_code !== API_ERROR.wrongLastSequence) throw toFailure(stream, error);
    const last = Number(/\d+$/.exec(error.description ?? '')?.[0] ?? Number.NaN);
    // Not later: the stream is another one, or lost its newest messages.
    if (!(last > expected) || !(await sync.reach(last))) await reader.recover();
    return false;
  }

  /** The next message of a batch: as many appends as fit. */
  #plan({ appends, writer, number }: AppendBatch, { outcomes: done, parts }: Progress): Pending {
    const { reader, maxMessageBytes } = this.#options;
    const { view } = reader;
    const entries: MessageEntry[] = [];
    const outcomes: PlannedOutcome[] = [];
    const keys = new Map<string, { index: number; data: string }>();
    const touched = new Set<string>();
    let bytes = HEAD_BYTES;
    for (const append of appends.slice(done.length)) {
      const known = duplicateOf(view, keys, append);
      if (known !== undefined) {
        outcomes.push(known);
        continue;
      }
      const size = bytesOf(append);
      if (HEAD_BYTES + size > maxMessageBytes) {
        outcomes.push(this.#tooLarge(size));
        continue;
      }
      const isFull =
        entries.length + append.entries.length > MESSAGE_ENTRIES || bytes + size > maxMessageBytes;
      if (entries.length > 0 && isFull) break;
      bytes += size;
      for (const entry of append.entries) {
        const { address, keep } = entry;
        const prev = keep === 'latest' || touched.has(address) ? undefined : view.held.lastOf(address);
        touched.add(address);
        entries.push({ ...entry, idempotencyKey: append.idempotencyKey, prev });
      }
      const index = entries.length - 1;
      outcomes.push(
        append.entries.length === 0
          ? { position: view.newest, duplicate: false }
          : { index, duplicate: false },
      );
      if (append.idempotencyKey !== undefined) {
        const { address, data } = append.entries[0]!;
        keys.set(`${address}\n${append.idempotencyKey}`, { index, data });
      }
    }
    const message = messageOf(view, `${writer}.${number}.${parts}`, { entries });
    return {
      message,
      bytes: encodeMessage(message),
      sequence: view.sequence + 1,
      outcomes,
      view,
      mayBeStored: false,
    };
  }

  #tooLarge(size: number): LinefeedError {
    const { maxMessageBytes, stream } = this.#options;
    return new LinefeedError(
      'payload_too_large',
      `An append has ${size} bytes, more than the ${maxMessageBytes - HEAD_BYTES} that fit into one message of the NATS stream "${stream}"; publish less at once, or raise max_payload of nats-server and max_msg_size of the stream.`,
      { status: 413 },
    );
  }
}

export function messageOf(
  view: View,
  id: string,
  content: Partial<Pick<StreamMessage, 'entries' | 'snapshot' | 'epoch' | 'parent'>>,
): StreamMessage {
  const { chain, epoch, parent } = view;
  const first = view.history.newestNumber + 1;
  return { id, chain, epoch, parent, first, entries: [], snapshot: undefined, ...content };
}

/** The outcome of an append whose key is used already. */
function duplicateOf(
  view: View,
  keys: ReadonlyMap<string, { index: number; data: string }>,
  { entries: [entry], idempotencyKey: key }: BatchedAppend,
): PlannedOutcome | undefined {
  if (key === undefined || entry === undefined) return undefined;
  const { address, data } = entry;
  const held = view.held.keyed(address, key);
  const earlier = keys.get(`${address}\n${key}`);
  if (held === undefined && earlier === undefined) return undefined;
  if ((held ?? earlier!).data !== data) return conflictOf(address, key);
  return held === undefined
    ? { index: earlier!.index, duplicate: true }
    : { position: held.position, duplicate: true };
}

const encoder = new TextEncoder();

/** `keep` and `prev` of an entry. */
const POSITION_BYTES = 40;

/** Size of an append in a message. */
function bytesOf({ entries, idempotencyKey = '' }: BatchedAppend): number {
  let bytes = 0;
  for (const { address, data } of entries) {
    const text = JSON.stringify([address, data, idempotencyKey]);
    bytes += encoder.encode(text).byteLength + POSITION_BYTES;
  }
  return bytes;
}
