/** A log on a JetStream stream, for `RemoteLog`. */
import { BEGINNING, type LinefeedError, type Position } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import { laterOf } from '../../base/position.ts';
import { warn } from '../../base/report.ts';
import type { ReadQuery } from '../log.ts';
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
import { Appender, HEAD_BYTES, messageOf, type AppenderOptions } from './appender.ts';
import { numberOf } from './batch-history.ts';
import { chooseBase, makeSnapshot } from './compaction.ts';
import { isFinal, toFailure } from './errors.ts';
import { purgeBefore } from './stream-calls.ts';
import type { StreamReader } from './stream-reader.ts';
import type { View } from './view.ts';

export interface NatsStoreOptions extends AppenderOptions {
  readonly timers: Clock;
  /** Least gain of a compaction. */
  readonly minGain: number | undefined;
}

/** Largest part of a snapshot, in UTF-16 code units: a small message delays other streams of the server less. */
const PART_SIZE = 256 * 1024;

/** So many purges must fail before a warning. */
const MAX_PURGE_FAILURES = 2;

export class NatsStore implements RemoteStore {
  readonly name: string;
  readonly #options: NatsStoreOptions;
  readonly #reader: StreamReader;
  readonly #appender: Appender;
  /** Dead size at the last look: to look costs a pass over all messages. */
  #lookedAt = 0;
  #hasWarned = false;
  #isPurging = false;
  #purgeFailures = 0;
  /** A snapshot of a view whose older messages are not removed yet. In another view it may be lost. */
  #unpurged: { readonly view: View; readonly base: number } | undefined;

  constructor(options: NatsStoreOptions) {
    this.#options = options;
    this.#reader = options.reader;
    this.#appender = new Appender(options);
    this.name = `NATS stream "${options.stream}"`;
  }

  // Appending ---------------------------------------------------------------------------------------------------------

  async append(batch: AppendBatch, context: CallContext): Promise<BatchAnswer> {
    return await this.#appender.exclusive(async () => {
      let before = this.#head();
      const outcomes = await this.#appender.append(batch, context, async () => {
        await this.#renumber(context);
        if (this.#reader.view.epoch !== before.epoch) before = this.#head();
      });
      const after = this.#head();
      // The next append waits for it, this one does not.
      void this.#appender.exclusive(() => this.#compact());
      return { before: before.epoch === after.epoch ? before : after, after, outcomes };
    });
  }

  /** Starts a new epoch if the stream has lost an event that the handle knows. */
  async #renumber({ known, nextEpoch, signal }: CallContext): Promise<void> {
    for (;;) {
      if (signal.aborted) throw signal.reason;
      const view = this.#reader.view;
      if (!this.#reader.hasLost(known)) return;
      // The view may only be late.
      if (!(await this.#options.sync.sync())) throw this.#noAnswer();
      if (this.#reader.view !== view || !this.#reader.hasLost(known)) continue;
      const message = messageOf(view, nextEpoch, { epoch: nextEpoch, parent: view.epoch });
      await this.#appender.publish(message, view.sequence);
    }
  }

  async #compact(): Promise<void> {
    const { minGain, maxMessageBytes, timers } = this.#options;
    const { view } = this.#reader;
    if (view.deadSize < this.#lookedAt) this.#lookedAt = 0;
    if (view.deadSize < this.#lookedAt + (minGain ?? PART_SIZE) / 4) return;
    this.#lookedAt = view.deadSize;
    // While the server does not purge, another snapshot would only make the stream larger.
    if (this.#unpurged?.view === view) return void this.#purge();
    const base = chooseBase(view, minGain);
    if (base === undefined) return;
    try {
      const group = Math.floor(timers.random() * 36 ** 8).toString(36);
      const partSize = Math.min(PART_SIZE, (maxMessageBytes - HEAD_BYTES) / 4);
      for (const snapshot of makeSnapshot(view, base, group, partSize)) {
        const id = `${this.#reader.owner.writer}.${group}.${snapshot.index}`;
        const sequence = view.sequence + 1;
        await this.#appender.publish(messageOf(view, id, { snapshot }), view.sequence);
        // Another process was faster. Its appends would be between the parts.
        if (this.#reader.view !== view || view.sequence !== sequence || view.own(id) === undefined) return;
      }
      this.#unpurged = { view, base };
    } catch {
      // Nothing is lost, and it is tried again some appends later.
      return;
    }
    void this.#purge();
  }

  /** Removes the messages before the newest own snapshot. Appends need not wait for it. */
  async #purge(): Promise<void> {
    const unpurged = this.#unpurged;
    if (unpurged === undefined || this.#isPurging) return;
    this.#isPurging = true;
    try {
      await purgeBefore(this.#options, unpurged.base);
      this.#unpurged = undefined;
      this.#purgeFailures = 0;
      this.#lookedAt = 0;
    } catch (error) {
      // A server may be away for a moment, and a user without the permission may get no answer.
      this.#purgeFailures += 1;
      if (!isFinal(error) && this.#purgeFailures < MAX_PURGE_FAILURES) return;
      if (this.#hasWarned) return;
      this.#hasWarned = true;
      const { stream } = this.#options;
      const { message } = toFailure(stream, error);
      warn(
        `The NATS stream "${stream}" grows, because the log cannot purge it: ${message} Allow its user to publish to $JS.API.STREAM.PURGE.${stream}.`,
      );
    } finally {
      this.#isPurging = false;
    }
  }

  // Reading -----------------------------------------------------------------------------------------------------------

  /** The view with all that was stored before this call. Without an answer of the server: as it is. */
  async #current(context: CallContext): Promise<View> {
    await this.#options.sync.sync();
    if (this.#reader.hasLost(context.known)) await this.#appender.exclusive(() => this.#renumber(context));
    const { view } = this.#reader;
    view.evict(context.wallNow);
    return view;
  }

  async read(query: ReadQuery, context: CallContext): Promise<PageAnswer> {
    const view = await this.#current(context);
    const { events, through, evictedThrough } = view.held.read(query, view.newest);
    return {
      epoch: view.epoch,
      events: events.map(({ event }) => event),
      through,
      evictedThrough: uncheckable(view, query, evictedThrough),
      head: this.#head(),
    };
  }

  async head(context: CallContext): Promise<ServerHead> {
    await this.#current(context);
    return this.#head();
  }

  async contains(position: Position, context: CallContext): Promise<boolean> {
    const { known } = context;
    let { view } = this.#reader;
    if (numberOf(position) > view.history.newestNumber) {
      await this.#options.sync.sync();
      ({ view } = this.#reader);
    }
    return view.epoch === known.epoch && view.history.check(position) === 'contained';
  }

  async follow({ after, limit, maxBytes, waitMs }: TailQuery, context: CallContext): Promise<TailAnswer> {
    const { known, signal, wallNow } = context;
    const { timers } = this.#options;
    const end = timers.now() + waitMs;
    for (;;) {
      if (this.#reader.fault !== undefined) throw toFailure(this.#options.stream, this.#reader.fault);
      if (this.#reader.hasLost(known)) await this.#appender.exclusive(() => this.#renumber(context));
      const { view } = this.#reader;
      const head = this.#head();
      const isMoved = view.epoch !== known.epoch || head.position !== after;
      if (!isMoved && !signal.aborted && timers.now() < end) {
        await this.#reader.changes.next(timers, end - timers.now(), signal);
        continue;
      }
      if (view.epoch !== known.epoch) return { head, events: [], through: head.position, trimmed: false };
      view.evict(wallNow);
      // An event that was evicted was not told yet only if it is past the tail.
      const trimmed = numberOf(view.held.evictedThrough) > numberOf(after);
      if (trimmed) return { head, events: [], through: head.position, trimmed };
      const { events, cut } = view.held.readAll(after, limit, maxBytes);
      const through = cut ? events.at(-1)!.position : head.position;
      return { head, events: events.map(({ event }) => event), through, trimmed };
    }
  }

  #head(): ServerHead {
    const { epoch, newest, parent } = this.#reader.view;
    return { epoch, position: newest, parent };
  }

  #noAnswer(): LinefeedError {
    const fault = this.#reader.fault ?? new Error('no answer');
    return toFailure(this.#options.stream, fault);
  }

  // Ending ------------------------------------------------------------------------------------------------------------

  reconnect(): void {
    void this.#reader.recover();
  }

  close(): void {
    this.#reader.close();
  }
}

/** Adds the addresses whose position is older than the history. It may belong to events that were lost. */
function uncheckable(
  { history }: View,
  { after, addresses }: ReadQuery,
  evictedThrough: ReadonlyMap<string, Position>,
): ReadonlyMap<string, Position> {
  const oldest = history.oldestNumber;
  if (oldest === 1) return evictedThrough;
  const result = new Map(evictedThrough);
  for (const [address, floor] of addresses) {
    const from = laterOf(floor, after);
    if (from === BEGINNING || numberOf(from) >= oldest) continue;
    result.set(address, laterOf(result.get(address) ?? BEGINNING, history.positionOf(oldest - 1)));
  }
  return result;
}
