/**
 * Subscriptions of a connection: decides on requested ones, starts them, and changes them while the connection is open.
 */
import { FRAME, refusal, type End, type Subscribed, type SubscriptionError } from '@linefeed/shared/wire';
import type { Authorizer, AuthorizeSubject, Verdicts } from '../request/authorize.ts';
import type { Authorized, Denied } from '../request/resolve.ts';
import { captureScope } from '../base/async-scope.ts';
import type { Clock } from '../base/clock.ts';
import type { Connection } from './connection.ts';
import type { Hub } from '../delivery/hub.ts';
import { addEntry } from '../delivery/logged-entries.ts';
import { RunDelivery } from '../delivery/run-delivery.ts';
import type { AskedEntry, ControlRequest } from '../request/subscribe-request.ts';
import { readReach, resolveStart, type Reach } from '../delivery/start-position.ts';
import { startStream, type UntypedSource } from '../stream/run-stream.ts';
import { readRunFrom } from '../runs/run-position.ts';
import type { RunTails } from '../runs/run-tail.ts';
import { readKeptRuns, type KeptRuns } from '../request/kept-runs.ts';
import { readStreamResume } from '../request/stream-resume.ts';
import type { TimeLimit } from '../request/time-limit.ts';
import type { ConnectionCounters } from './types.ts';

export interface SubscriptionsOptions {
  readonly authorizer: Authorizer;
  readonly sources: ReadonlyMap<string, UntypedSource>;
  readonly hub: Hub;
  readonly runs: RunTails;
  readonly clock: Clock;
  readonly maxBufferedBytes: number;
  readonly maxPayloadBytes: number;
  readonly counters: ConnectionCounters;
  readonly withinTime: TimeLimit;
  readonly onSubscribe: (connection: Connection, eventName: string) => void;
  readonly onError: (error: unknown) => void;
}

/** How a stream subscription is started. */
export interface StreamRequest {
  /** The number of the control request, if it came by one. */
  readonly n?: number | undefined;
  readonly context: unknown;
}

export class Subscriptions {
  readonly #options: SubscriptionsOptions;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /**
   * Applies a control request completely or not at all. `isLeaving`: whether nothing new may start on the connection.
   *
   * @throws LinefeedError `busy`, `timeout`; the client may send the same `n` again.
   */
  async change(
    connection: Connection,
    { n, add, remove }: ControlRequest,
    context: unknown,
    isLeaving: () => boolean,
  ): Promise<void> {
    // A repeated request changes nothing: its answers were sent.
    if (isLeaving() || n <= connection.controls.lastApplied) return;
    // The reader takes no bytes. Without this bound the answers of further requests would accumulate in memory.
    if (connection.outbox.bufferedBytes > this.#options.maxBufferedBytes) {
      throw refusal('busy', 'The reader of this connection is too slow: its buffer is full.');
    }
    const { hub, withinTime, onSubscribe } = this.#options;
    const removed = new Set(remove);
    const taken = new Set([...connection.eventNames()].filter((name) => !removed.has(name)));
    const { refused, authorized, reach, kept } = await withinTime(
      this.#decideOnAdded(add, { context, taken, alone: false }),
    );
    // No await from here on: the connection and the log are used in their current state.
    if (isLeaving()) return;
    connection.controls.lastApplied = n;
    for (const eventName of remove) {
      connection.remove(eventName);
      connection.control(FRAME.end, { address: eventName, n } satisfies End);
    }
    for (const entry of refused) sendRefusal(connection, entry, n);
    for (const entry of authorized) {
      if (entry.definition.kind !== 'logged') this.start(connection, entry, kept, { n, context });
      else {
        const { position, hasCursor } = connection.logged;
        // No logged topic was subscribed, so there is not a cursor to continue from.
        const shared = hasCursor
          ? { resumed: position, position }
          : { resumed: undefined, position: 'now' as const };
        addEntry(connection.logged, resolveStart(hub, entry, shared, reach), n);
        onSubscribe(connection, entry.eventName);
      }
    }
  }

  /**
   * Decides on added entries, and reads what the decision needs: the log's newest position if one of the cursors is
   * ahead, and the kept runs. Applies nothing.
   */
  async #decideOnAdded(
    add: readonly AskedEntry[],
    subject: AuthorizeSubject,
  ): Promise<Verdicts & { readonly reach: Reach | undefined; readonly kept: KeptRuns }> {
    const { hub, authorizer, runs } = this.#options;
    const { refused, authorized } = await authorizer.authorizeAll(add, subject);
    const logged = authorized.filter(({ definition }) => definition.kind === 'logged');
    const cursors = logged.map(({ from }) => from);
    const [reach, kept] = await Promise.all([readReach(hub, cursors), readKeptRuns(runs, authorized)]);
    return { refused, authorized, reach, kept };
  }

  /** Answers one entry of a stream or run, and starts it. */
  start(connection: Connection, entry: Authorized, kept: KeptRuns, request: StreamRequest): void {
    if (entry.definition.kind === 'run') this.#startRun(connection, entry, kept, request);
    else this.#startStream(connection, entry, request);
  }

  /** Answers one entry of a run. All entries of its address on the connection share one delivery. */
  #startRun(
    connection: Connection,
    { asked, address, key, from }: Authorized,
    kept: KeptRuns,
    { n }: StreamRequest,
  ): void {
    const { runs, clock, counters, onSubscribe } = this.#options;
    // A hook may have ended the connection, and then nothing would cancel this delivery.
    if (connection.closed) return;
    const tail = runs.open(address, kept.get(address)!);
    const open = connection.streamOf(address);
    const delivery =
      open instanceof RunDelivery ? open : new RunDelivery(connection, tail, { clock, counters });
    if (delivery !== open) connection.addStream(address, delivery);
    connection.control(FRAME.subscribed, {
      address: asked,
      event: address,
      ...(key === undefined ? {} : { key }),
      ...(n === undefined ? {} : { n }),
      run: delivery.add(readRunFrom(from)),
    } satisfies Subscribed);
    onSubscribe(connection, address);
    // Ids of a run contain the connection's cursor, which must not pass a gap that is not announced yet.
    connection.logged.afterGaps(() => delivery.go());
  }

  /** Answers one stream entry, and runs its source if there is something to run. */
  #startStream(connection: Connection, entry: Authorized, { n, context }: StreamRequest): void {
    const { topic, eventName, key, definition, params, from } = entry;
    const { sources, maxPayloadBytes, clock, onSubscribe, onError } = this.#options;
    // A hook may have ended the connection, and then nothing would cancel this run.
    if (connection.closed) return;
    const resume = readStreamResume(from);
    const numbered = n === undefined ? {} : { n };
    if (connection.streamOf(eventName) !== undefined) {
      const error = refusal(
        'key_in_use',
        `The key "${key}" names another stream of this connection; choose a new one.`,
      );
      return sendRefusal(connection, { authorized: false, asked: eventName, key, error }, n);
    }
    if (resume.type === 'begun') {
      const error = refusal(
        'not_resumable',
        `The stream "${topic}" has no ids to resume from, and is not run twice.`,
      );
      return sendRefusal(connection, { authorized: false, asked: eventName, key, error }, n);
    }
    const keyed = key === undefined ? {} : { key };
    connection.control(FRAME.subscribed, {
      address: eventName,
      event: eventName,
      ...keyed,
      ...numbered,
    } satisfies Subscribed);
    // Ids of a stream contain the connection's cursor, which must not pass a gap that is not announced yet.
    const { logged } = connection;
    if (resume.type === 'ended') {
      const payload: End = { address: eventName, ...keyed, ...numbered };
      return logged.afterGaps(() => connection.control(FRAME.end, payload, connection.endMark()));
    }
    const lastEventId = /* seam: stream-resumes-after-id */ resume.type === 'after' ? resume.id : undefined;
    const source = sources.get(topic)!;
    // A stream with the context of a later request also runs in that request's async context.
    const scope = context === connection.context ? connection.scope : captureScope();
    const run = { topic, eventName, key, definition, params, context, source, scope, lastEventId };
    // Placeholder until the run starts: the stream can be removed, and no other stream can take its key.
    let cancelled = false;
    connection.addStream(eventName, { cancel: () => void (cancelled = true) });
    onSubscribe(connection, eventName);
    logged.afterGaps(() => {
      if (cancelled || connection.closed) return;
      startStream(connection, { ...run, maxPayloadBytes, clock, onError });
    });
  }
}

export function sendRefusal(
  connection: Connection,
  { asked, key, error }: Denied,
  n: number | undefined,
): void {
  connection.control(FRAME.error, {
    address: asked,
    ...(key === undefined ? {} : { key }),
    ...(n === undefined ? {} : { n }),
    code: error.code,
    message: error.message,
    retryable: error.retryable,
  } satisfies SubscriptionError);
}
