/** Keeps a view equal to the stream: loads it, follows it by a consumer, and notices when the stream became another. */
import type { Clock, Timer } from '../../base/clock.ts';
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import type { LogCursor } from '../log.ts';
import { Changes } from './changes.ts';
import type { JetStream, StreamInfo } from './connection.ts';
import { reviveConnection, watchConnection } from './connection-watch.ts';
import { Consumer, type Delivery } from './consumer.ts';
import { isFinal, missingStream, toFailure } from './errors.ts';
import { makeView } from './loading.ts';
import { decodeMessage, foreignMessage, notOurs } from './message.ts';
import { isSameStream } from './same-stream.ts';
import { readInfo } from './stream-calls.ts';
import { isLost, type Owner, type Received, type View } from './view.ts';

export interface ReaderOptions {
  readonly jetstream: JetStream;
  readonly stream: string;
  readonly bounds: typeof DEFAULT_BOUNDS;
  /** Time of the events. */
  readonly clock: Clock;
  /** Waits for the network. */
  readonly timers: Clock;
  readonly heartbeatMs: number;
  /** Interval in which the stream is compared. */
  readonly checkMs: number;
  /** Time for which a missing stream is not created again: it may be restored from a backup. */
  readonly createAfterMs: number;
  /** Reads the stream. `undefined`: it does not exist. */
  find(): Promise<StreamInfo | undefined>;
  create(): Promise<StreamInfo>;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
const OPEN_ATTEMPTS = 5;

export class StreamReader {
  readonly owner: Owner = { writer: '' };
  /** Changes of the view and of the fault. */
  readonly changes: Changes = new Changes();
  readonly #options: ReaderOptions;
  #view!: View;
  #consumer: Consumer | undefined;
  #fault: unknown;
  #recovering: Promise<void> | undefined;
  #mustLoad = false;
  #sending: Promise<unknown> | undefined;
  #lostEpoch: string | undefined;
  #missingSince: number | undefined;
  #check: Timer | undefined;
  #endWatch: (() => void) | undefined;
  #closed = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get view(): View {
    return this.#view;
  }

  /** Why the stream cannot be followed at the moment. */
  get fault(): unknown {
    return this.#fault;
  }

  /**
   * Whether the stream has the epoch of an event and not the event itself, or has lost other events of the epoch that
   * this process has seen.
   */
  hasLost(known: LogCursor): boolean {
    return this.#lostEpoch === this.#view.epoch || isLost(this.#view, known);
  }

  /** Loads the log. @throws if the stream cannot be used */
  async open(): Promise<void> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        const { find, create } = this.#options;
        await this.#load((await find()) ?? (await create()), true);
        break;
      } catch (error) {
        this.#consumer?.close();
        // Servers that elect a leader refuse for a moment, and another process may purge what was loaded.
        if (attempts === OPEN_ATTEMPTS || isFinal(error)) throw toFailure(this.#options.stream, error);
        await this.#pause(FIRST_PAUSE_MS * attempts);
      }
    }
    this.#endWatch = watchConnection(this.#options.jetstream.connection, {
      onReconnect: () => void this.recover(),
      onLost: (error) => {
        this.#fail(error);
        this.#options.jetstream.interrupt(error);
      },
    });
    this.#armCheck();
  }

  close(): void {
    this.#closed = true;
    this.#check?.clear();
    this.#endWatch?.();
    this.#consumer?.close();
    this.changes.wake();
  }

  // Following ---------------------------------------------------------------------------------------------------------

  #follow(delivery: Delivery): void {
    if (delivery.sequence <= this.#view.sequence) return;
    const message = decodeMessage(delivery.data);
    const { sequence } = delivery;
    const appendedAt = this.#options.clock.wallNow();
    const received = { sequence, appendedAt, message: message ?? notOurs(sequence) };
    const isNext = message === undefined ? sequence === this.#view.sequence + 1 : this.#view.isNext(received);
    if (!isNext) {
      this.#mustLoad = true;
      return void this.recover();
    }
    this.#view.apply(received);
    this.changes.wake();
  }

  /**
   * Sends an append. Not during a recovery, which compares the view with an answer: an append in between would look like
   * a lost event.
   */
  async send<T>(append: () => Promise<T>): Promise<T> {
    const { timers, jetstream, stream } = this.#options;
    const end = timers.now() + jetstream.requestMs;
    // A fault that is known is told at once: the caller's deadline would hide it.
    while (this.#recovering !== undefined && this.#fault === undefined && timers.now() < end && !this.#closed)
      await this.changes.next(timers, end - timers.now());
    if (this.#recovering !== undefined || this.#closed)
      throw toFailure(stream, this.#fault ?? new Error('the stream is being read'));
    this.#sending = append();
    return (await this.#sending) as T;
  }

  /** Compares the stream with the view, and follows it by a new consumer. Repeats until it succeeds. */
  recover(): Promise<void> {
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = undefined;
      this.changes.wake();
    });
    return this.#recovering;
  }

  async #recover(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#closed) {
      this.#consumer?.close();
      try {
        await this.#sending?.catch(() => undefined);
        const info = await this.#findAgain();
        if (this.#mustLoad || !(await isSameStream(this.#options, this.#view, info)))
          await this.#load(info, false);
        else await this.#open(this.#view.sequence + 1, this.#followOn, this.#onLost);
        this.#fault = undefined;
        this.changes.wake();
        return;
      } catch (error) {
        this.#fail(error);
        await reviveConnection(this.#options.jetstream, this.#options.timers);
        await this.#pause(pauseMs);
        pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs);
      }
    }
  }

  async #findAgain(): Promise<StreamInfo> {
    const { find, create, timers, createAfterMs, stream } = this.#options;
    const found = await find();
    if (found !== undefined) {
      this.#missingSince = undefined;
      return found;
    }
    this.#missingSince ??= timers.now();
    if (timers.now() - this.#missingSince < createAfterMs) throw missingStream(stream);
    return await create();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.timers.after(ms, resolve));
  }

  /** Follows the stream from a sequence on. */
  async #open(
    from: number,
    take: (delivery: Delivery) => void,
    onLost: (error: Error) => void,
  ): Promise<void> {
    const { jetstream, stream, heartbeatMs, timers } = this.#options;
    this.#consumer?.close();
    const consumer = await Consumer.open({
      ...{ jetstream, stream, heartbeatMs, clock: timers, from },
      onMessage: take,
      onLost: () => onLost(new Error(`The consumer of the NATS stream "${stream}" was silent.`)),
    });
    this.#consumer = consumer;
    if (this.#closed) consumer.close();
  }

  readonly #followOn = (one: Delivery): void => this.#follow(one);
  readonly #onLost = (): void => void this.recover();

  async #load(info: StreamInfo, isFirst: boolean): Promise<void> {
    const { last_seq: last, messages } = info.state;
    if (messages === 0) {
      this.#adopt([], info);
      return await this.#open(last + 1, this.#followOn, this.#onLost);
    }
    const received: Received[] = [];
    let isLoaded = false;
    let opening = Promise.resolve();
    const loaded = new Promise<void>((resolve, reject) => {
      const take = (delivery: Delivery): void => {
        if (isLoaded) return this.#follow(delivery);
        const { sequence, data, storedAt } = delivery;
        const message = decodeMessage(data);
        if (message === undefined && isFirst && received.length === 0)
          return reject(foreignMessage(this.#options.stream, sequence));
        if (sequence !== (received.at(-1)?.sequence ?? sequence - 1) + 1)
          return reject(new Error('The stream was purged while it was loaded.'));
        received.push({ sequence, message: message ?? notOurs(sequence), appendedAt: storedAt });
        if (sequence < last) return;
        this.#adopt(received, info);
        isLoaded = true;
        resolve();
      };
      const onLost = (error: Error): void => (isLoaded ? this.#onLost() : reject(error));
      opening = this.#open(info.state.first_seq, take, onLost);
      opening.catch(reject);
    });
    // A consumer that opens late would replace that of the next attempt.
    await Promise.allSettled([opening, loaded]);
    await loaded;
  }

  #adopt(received: readonly Received[], { created, state }: StreamInfo): void {
    const { bounds, clock } = this.#options;
    this.#mustLoad = false;
    const earlier = this.#view as View | undefined;
    this.#view = makeView(received, {
      bounds,
      owner: this.owner,
      created,
      emptyThrough: state.last_seq,
      wallNow: clock.wallNow(),
    });
    if (earlier !== undefined && isLost(this.#view, { epoch: earlier.epoch, position: earlier.newest }))
      this.#lostEpoch = this.#view.epoch;
    this.changes.wake();
  }

  // Watching ----------------------------------------------------------------------------------------------------------

  #armCheck(): void {
    if (this.#closed) return;
    const { timers, checkMs } = this.#options;
    this.#check = timers.after(checkMs, () => void this.#compare().finally(() => this.#armCheck()));
  }

  /** Notices another stream although the consumer goes on. */
  async #compare(): Promise<void> {
    if (this.#recovering !== undefined) return;
    const view = this.#view;
    const { sequence } = view;
    try {
      const info = await readInfo(this.#options);
      if (this.#recovering !== undefined || this.#view !== view) return;
      // The view may have grown past the answer.
      const isOlder = info.state.last_seq >= sequence && info.state.last_seq < view.sequence;
      if (!isOlder && !(await isSameStream(this.#options, this.#view, info))) {
        this.#mustLoad = true;
        await this.recover();
      }
    } catch {
      // A missing stream has no answer of its own. The consumer notices a server that is away.
      if (this.#recovering === undefined) await this.recover();
    }
  }

  #fail(error: unknown): void {
    this.#fault = error;
    this.changes.wake();
  }
}
