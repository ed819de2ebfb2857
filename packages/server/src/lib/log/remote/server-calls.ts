/** Calls of the server: context, deadline, repeats, and the comparison of each answer with the known numbering. */
import type { Position } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import { ignore } from '../../base/promise.ts';
import { withDeadline } from '../../database/deadline.ts';
import { randomEpoch } from '../bounds.ts';
import type { LogCursor } from '../log.ts';
import { isFinal, toLogError } from './errors.ts';
import type { Numbering, Renumbering } from './numbering.ts';
import { NOWHERE, type CallContext, type RemoteStore, type ServerHead } from './remote-store.ts';
import { Backoff, pause } from '../../database/waiting.ts';

/** Longest pause between two attempts of one call. The tail and pages also notice when the server is back. */
const MAX_PAUSE_MS = 1_000;
/** Attempts that fit in the time of a call. A lost attempt costs only its part. */
const ATTEMPTS = 3;

/** The state of the log in an answer. */
interface Heads {
  readonly head: ServerHead;
  /** The state before the call, if the call itself has appended. */
  readonly before?: ServerHead | undefined;
}

export interface CallOptions {
  readonly ms: number;
  /** Default: the newest known position. */
  readonly known?: LogCursor | undefined;
  /** Ends the call earlier. Default: `close` ends it. */
  readonly signal?: AbortSignal | undefined;
}

export interface ServerCallsOptions {
  readonly store: RemoteStore;
  readonly clock: Clock;
  /** Longest time of a call with its repeats, in milliseconds. */
  readonly timeoutMs: number;
  readonly numbering: Numbering;
  /** Called before the caller gets the answer. */
  readonly onRenumbered: (renumbering: Renumbering) => void;
}

export class ServerCalls {
  readonly #options: ServerCallsOptions;
  readonly #closing = new AbortController();
  #look: Promise<void> | undefined;

  constructor(options: ServerCallsOptions) {
    this.#options = options;
  }

  /** Longest time of one attempt. */
  get attemptMs(): number {
    return this.#options.timeoutMs / ATTEMPTS;
  }

  /** Ends the calls in flight. */
  close(): void {
    this.#closing.abort();
  }

  /** One attempt. When it resolves, the numbering is that of the answer, or a newer one. */
  async call<T>(
    { ms, known = this.#options.numbering.known, signal = this.#closing.signal }: CallOptions,
    perform: (context: CallContext) => Promise<T>,
    headsOf: (answer: T) => Heads | undefined,
  ): Promise<T> {
    const { store, clock } = this.#options;
    const answer = await withDeadline(
      { clock, name: store.name, ms, code: 'log_failed', signal },
      (deadline) => perform(createContext(clock, /* seam: known-with-each-call */ known, deadline)),
    );
    const heads = headsOf(answer);
    if (heads !== undefined) await this.#take(known, heads);
    return answer;
  }

  /**
   * Repeats a call until it succeeds, is refused, or the time is over.
   *
   * @throws LinefeedError `log_failed`
   */
  async repeat<T>(totalMs: number, attempt: (ms: number) => Promise<T>): Promise<T> {
    const { store, clock } = this.#options;
    const { signal } = this.#closing;
    const backoff = new Backoff(clock, MAX_PAUSE_MS);
    const end = clock.now() + totalMs;
    for (;;) {
      try {
        return await attempt(Math.min(this.attemptMs, Math.max(1, end - clock.now())));
      } catch (error) {
        const pauseMs = backoff.next();
        if (isFinal(error) || signal.aborted || clock.now() + pauseMs >= end)
          throw toLogError(store.name, error);
        await pause(clock, pauseMs, signal);
        if (signal.aborted) throw toLogError(store.name, error);
      }
    }
  }

  /** The newest position of the server, which must contain `known`. */
  head(options: CallOptions): Promise<ServerHead> {
    return this.call(
      options,
      (context) => this.#options.store.head(context),
      (head) => ({ head }),
    );
  }

  /** Whether the server still contains a position of the present epoch. Otherwise the numbering has changed. */
  async prove(position: Position): Promise<void> {
    const { epoch } = this.#options.numbering;
    await this.head({ ms: this.attemptMs, known: { epoch, position } });
  }

  async #take(known: LogCursor, { head, before }: Heads): Promise<void> {
    const { numbering, onRenumbered } = this.#options;
    const meaning = numbering.take(known, head, before);
    if (typeof meaning === 'object') return onRenumbered(meaning);
    if (meaning === 'same' || meaning === 'late') return;
    // The next call finds out if this one fails.
    await this.#lookAgain(meaning === 'returned' ? head.epoch : undefined).catch(ignore);
  }

  /** Asks for the present numbering. `returned`: an epoch that was left, and must not continue. */
  #lookAgain(returned: string | undefined): Promise<void> {
    this.#look ??= this.#askAgain(returned).finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  async #askAgain(returned: string | undefined): Promise<void> {
    const { store, clock, numbering, onRenumbered } = this.#options;
    const { known } = numbering;
    const asked = returned === undefined ? known : { epoch: returned, position: NOWHERE };
    const deadline = { clock, name: store.name, ms: this.attemptMs, code: 'log_failed' } as const;
    const head = await withDeadline(deadline, (signal) => store.head(createContext(clock, asked, signal)));
    const meaning = numbering.take(known, head);
    if (typeof meaning === 'object') onRenumbered(meaning);
  }
}

/** Creates the context of a call. */
function createContext(clock: Clock, known: LogCursor, signal: AbortSignal): CallContext {
  return { known, nextEpoch: randomEpoch(clock), wallNow: clock.wallNow(), signal };
}
