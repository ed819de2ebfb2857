/** Keeps a view equal to the stream: loads it, follows it by a consumer, and notices when the stream became another. */
import type { Clock, Timer } from '../../base/clock.ts';
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import { closedConnection, API_ERROR, type JetStream, type StreamInfo } from './connection.ts';
import { Consumer, type Delivery } from './consumer.ts';
import { isFinal, toFailure } from './errors.ts';
import { makeView } from './loading.ts';
import { chainOf, decodeMessage, foreignMessage, type StreamMessage } from './message.ts';
import type { Owner, Received, View } from './view.ts';

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
  /** Reads the stream, and creates it if it is missing and belongs to the log. */
  prepare(): Promise<StreamInfo>;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
const OPEN_ATTEMPTS = 5;

export class StreamReader {
  readonly owner: Owner = { writer: '' };
  readonly #options: ReaderOptions;
  #view!: View;
  #created = '';
  #consumer: Consumer | undefined;
  #fault: unknown;
  #recovering: Promise<void> | undefined;
  #mustLoad = false;
  #synced: Promise<boolean> | undefined;
  #syncing: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Set<() => void>();
  #check: Timer | undefined;
  #endStatus: (() => void) | undefined;
  #closed = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get view(): View {
    return this.#view;
  }

  /** Why the stream cannot be followed at the moment. */
  get fault(): unknown {
    return this.#fault;
  }

  /** Loads the log. @throws if the stream cannot be used */
  async open(): Promise<void> {
    for (let attempts = 1; ; attempts += 1) {
      try {
        await this.#load(await this.#options.prepare(), true);
        break;
      } catch (error) {
        this.#consumer?.close();
        // Servers that elect a leader refuse for a moment, and another process may purge what was loaded.
        if (attempts === OPEN_ATTEMPTS || isFinal(error)) throw toFailure(this.#options.stream, error);
        await this.#pause(FIRST_PAUSE_MS * attempts);
      }
    }
    this.#watchConnection();
    this.#armCheck();
  }

  close(): void {
    this.#closed = true;
    this.#check?.clear();
    this.#endStatus?.();
    this.#consumer?.close();
    this.#wake();
  }

  // Waiting -----------------------------------------------------------------------------------------------------------

  /** Resolves with the next change of the view or of the fault. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  /** Waits until the view has a message. Returns whether it does, after a bounded time. */
  async reach(sequence: number): Promise<boolean> {
    const { timers, jetstream } = this.#options;
    let isOver = false;
    const timer = timers.after(jetstream.requestMs, () => {
      isOver = true;
      this.#wake();
    });
    while (this.#view.sequence < sequence && !isOver && !this.#closed) await this.changed();
    timer.clear();
    return this.#view.sequence >= sequence;
  }

  /**
   * Brings the view up to what the stream has now. One request serves all calls that wait for it.
   *
   * @returns `false` if the server does not answer
   */
  sync(): Promise<boolean> {
    // A request that was sent before this call may have an older answer.
    this.#synced ??= this.#syncing.then(() => {
      this.#synced = undefined;
      const running = this.#sync();
      this.#syncing = running;
      return running;
    });
    return this.#synced;
  }

  async #sync(): Promise<boolean> {
    if (this.#fault !== undefined) return false;
    const { sequence } = this.#view;
    const view = this.#view;
    try {
      const info = await this.#info();
      const wentBack = this.#view === view && info.state.last_seq < sequence;
      if (wentBack || info.created !== this.#created || !(await this.reach(info.state.last_seq)))
        await this.recover();
      return this.#fault === undefined;
    } catch {
      return false;
    }
  }

  async #info(): Promise<StreamInfo> {
    const { jetstream, stream } = this.#options;
    const info = await jetstream.request<StreamInfo>(`STREAM.INFO.${stream}`);
    if (info.error !== undefined) throw toFailure(stream, info.error);
    return info;
  }

  // Following ---------------------------------------------------------------------------------------------------------

  /** Applies a message that this process has appended. */
  applyOwn(sequence: number, message: StreamMessage): void {
    const received = { sequence, message, appendedAt: this.#options.clock.wallNow() };
    if (!this.#view.isNext(received)) return;
    this.#view.apply(received);
    this.#wake();
  }

  #follow(delivery: Delivery): void {
    if (delivery.sequence <= this.#view.sequence) return;
    const message = decodeMessage(delivery.data);
    const received = {
      sequence: delivery.sequence,
      message: message ?? notOurs(delivery.sequence),
      appendedAt: this.#options.clock.wallNow(),
    };
    if (message !== undefined ? !this.#view.isNext(received) : received.sequence !== this.#view.sequence + 1) {
      this.#mustLoad = true;
      void this.recover();
      return;
    }
    this.#view.apply(received);
    this.#wake();
  }

  /** Compares the stream with the view, and follows it by a new consumer. Repeats until it succeeds. */
  recover(): Promise<void> {
    this.#recovering ??= this.#recover().finally(() => (this.#recovering = undefined));
    return this.#recovering;
  }

  async #recover(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#closed) {
      this.#consumer?.close();
      try {
        const info = await this.#options.prepare();
        if (this.#mustLoad || !(await this.#isSame(info))) await this.#load(info, false);
        else await this.#open(this.#view.sequence + 1, this.#followOn, this.#onLost);
        this.#fault = undefined;
        this.#wake();
        return;
      } catch (error) {
        this.#fault = error;
        this.#wake();
        await this.#revive();
        await this.#pause(pauseMs);
        pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs);
      }
    }
  }

  /** A half-open connection stays so: the library learns of it after minutes. */
  async #revive(): Promise<void> {
    const connection = this.#options.jetstream.connection;
    if (connection.isClosed() || connection.reconnect === undefined) return;
    let hasAnswer = false;
    const answer = connection.flush().then(
      () => (hasAnswer = true),
      () => undefined,
    );
    await Promise.race([answer, this.#pause(this.#options.jetstream.requestMs)]);
    if (hasAnswer || this.#closed || connection.isClosed()) return;
    await connection.reconnect().catch(() => undefined);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.timers.after(ms, resolve));
  }

  /** Whether the stream still has the messages of the view. */
  async #isSame({ created, state }: StreamInfo): Promise<boolean> {
    const view = this.#view;
    const { first_seq: first, last_seq: last, messages } = state;
    if (created !== this.#created || last < view.sequence || first > view.sequence + 1) return false;
    if (messages === 0 && last === view.sequence) {
      view.forgetAll();
      return true;
    }
    // Somebody has purged messages that hold events.
    if (view.records.some(({ sequence, live }) => sequence < first && live > 0)) return false;
    if (first > view.sequence) return true;
    const { chain, sequence } = view;
    const newest = await this.#message(sequence);
    return this.#view !== view || newest === undefined || chainOf(newest.chain, newest.id) === chain;
  }

  async #message(sequence: number): Promise<StreamMessage | undefined> {
    const { jetstream, stream } = this.#options;
    const answer = await jetstream.request<{ message: { data?: string } }>(`STREAM.MSG.GET.${stream}`, {
      seq: sequence,
    });
    if (answer.error?.err_code === API_ERROR.messageNotFound) return undefined;
    if (answer.error !== undefined) throw toFailure(stream, answer.error);
    const bytes = Uint8Array.from(atob(answer.message.data ?? ''), (letter) => letter.charCodeAt(0));
    return decodeMessage(bytes) ?? notOurs(sequence);
  }

  /** Follows the stream from a sequence on. */
  async #open(from: number, take: (delivery: Delivery) => void, onLost: (error: Error) => void): Promise<void> {
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

  readonly #followOn = (delivery: Delivery): void => this.#follow(delivery);
  readonly #onLost = (): void => void this.recover();

  async #load(info: StreamInfo, isFirst: boolean): Promise<void> {
    const { last_seq: last, messages } = info.state;
    if (messages === 0) {
      this.#adopt([], info);
      return await this.#open(last + 1, this.#followOn, this.#onLost);
    }
    const received: Received[] = [];
    let isLoaded = false;
    await new Promise<void>((resolve, reject) => {
      const take = (delivery: Delivery): void => {
        if (isLoaded) return this.#follow(delivery);
        const { sequence, data, storedAt } = delivery;
        const message = decodeMessage(data);
        if (message === undefined && isFirst) return reject(foreignMessage(this.#options.stream, sequence));
        if (received.length > 0 && sequence !== received.at(-1)!.sequence + 1)
          return reject(new Error('The stream was purged while it was loaded.'));
        received.push({ sequence, message: message ?? notOurs(sequence), appendedAt: storedAt });
        if (sequence < last) return;
        // In this turn: the next message is for the view.
        this.#adopt(received, info);
        isLoaded = true;
        resolve();
      };
      const onLost = (error: Error): void => (isLoaded ? this.#onLost() : reject(error));
      this.#open(info.state.first_seq, take, onLost).catch(reject);
    });
  }

  #adopt(received: readonly Received[], { created, state }: StreamInfo): void {
    const { bounds, clock } = this.#options;
    this.#created = created;
    this.#mustLoad = false;
    const emptyThrough = received.length === 0 ? state.last_seq : 0;
    this.#view = makeView(received, { bounds, owner: this.owner, created, emptyThrough, wallNow: clock.wallNow() });
    this.#wake();
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
      const info = await this.#info();
      if (this.#recovering !== undefined || this.#view !== view) return;
      // The view may have grown past the answer.
      const isOlder = info.state.last_seq >= sequence && info.state.last_seq < view.sequence;
      if (!isOlder && !(await this.#isSame(info))) {
        this.#mustLoad = true;
        await this.recover();
      }
    } catch {
      // A missing stream has no answer of its own. The consumer notices a server that is away.
      if (this.#recovering === undefined) await this.recover();
    }
  }

  #watchConnection(): void {
    const { connection } = this.#options.jetstream;
    const statuses = connection.status();
    const iterator = statuses[Symbol.asyncIterator]();
    const watch = async (): Promise<void> => {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true || this.#closed) return;
        if (value.type === 'reconnect') void this.recover();
        else if (value.type === 'disconnect') this.#fail(new Error('The connection to NATS is lost.'));
        else if (value.type === 'close') return this.#fail(closedConnection());
      }
    };
    void watch().catch(() => undefined);
    this.#endStatus = () => {
      // The library's iterator ends only by `stop`.
      (statuses as { stop?(): void }).stop?.();
    };
  }

  #fail(error: unknown): void {
    this.#fault = error;
    this.#wake();
  }
}

/** Stands for a message that another program has written. It takes a sequence, and nothing else. */
function notOurs(sequence: number): StreamMessage {
  return {
    ...{ id: `foreign ${sequence}`, chain: 'foreign', epoch: '', parent: undefined },
    ...{ first: 0, entries: [], snapshot: undefined },
  };
}
