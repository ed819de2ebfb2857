/** Runs the source of a stream topic on a connection: one run for each subscription. */
import type { TopicDefinition } from '@linefeed/shared';
import { LinefeedError, type SubscriptionError } from '@linefeed/shared/wire';
import type { AsyncScope } from '../base/async-scope.ts';
import type { Clock } from '../base/clock.ts';
import { asksForRetry, toRefusal } from '../http/http.ts';
import { isMessage, isTracked, toId } from './message.ts';
import { checkPayloadSize, encodePayload } from '../publish/publisher.ts';
import { runSource, type SourceContent } from '../base/source.ts';

/** The argument of a stream topic's source. */
export interface StreamContext<Params, Context> {
  /** The schema's output. */
  readonly params: Params;
  /** The result of the feed's `context` for this connection. */
  readonly context: Context;
  /** If the client reconnects: the id of the last event that it received. Continue after it. */
  readonly lastEventId: string | undefined;
  /** Aborts when the subscription is removed or its connection ends. */
  readonly signal: AbortSignal;
}

/** A yielded value that is JSON text already, for a source that encodes its payloads itself. */
export class EncodedYield {
  readonly json: string;
  readonly id: string | undefined;

  constructor(json: string, id: string | undefined) {
    this.json = json;
    this.id = id;
  }
}

/** Thrown by a source that describes its failure itself. The payload is sent unchanged, without `cause`. */
export class DescribedFailure extends Error {
  readonly payload: Pick<SubscriptionError, 'code' | 'message' | 'retryable' | 'detail'>;

  constructor(payload: Pick<SubscriptionError, 'code' | 'message' | 'retryable' | 'detail'>, cause: unknown) {
    super(payload.message, { cause });
    this.payload = payload;
  }
}

/** A stream topic's source as the core calls it. */
export type UntypedSource = (
  context: StreamContext<unknown, unknown>,
) => SourceContent | PromiseLike<SourceContent>;

/** The connection that a stream writes to. */
export interface StreamTarget {
  /** Whether a stream may write now. */
  readonly hasRoom: boolean;
  /** Queues a call until there is room (FIFO). Returns a function that cancels the call. */
  waitForRoom(call: () => void): () => void;
  /** Ends the connection if it has expired or reached its maximum duration. Returns whether it is closed. `now`: time of the feed's clock. */
  endIfOver(now: number): boolean;
  addStream(eventName: string, stream: RunningStream): void;
  sendStreamEvent(eventName: string, json: string, streamId: string | undefined): void;
  endStream(eventName: string, key: string | undefined, error: SubscriptionError | undefined): void;
}

/** A stream that runs on a connection. */
export interface RunningStream {
  cancel(): void;
}

export interface StreamRunOptions {
  readonly topic: string;
  readonly eventName: string;
  readonly key: string | undefined;
  readonly definition: TopicDefinition;
  readonly params: unknown;
  readonly context: unknown;
  readonly source: UntypedSource;
  readonly lastEventId: string | undefined;
  readonly maxPayloadBytes: number;
  readonly clock: Clock;
  /** The async context that the source runs in. */
  readonly scope: AsyncScope;
  readonly onError: (error: unknown) => void;
}

/** Starts a run. It ends with its source, with the connection, or when the connection cancels it. */
export function startStream(connection: StreamTarget, options: StreamRunOptions): void {
  const { topic, eventName, key, definition, clock, source, scope, onError } = options;
  const controller = new AbortController();
  let lastId = options.lastEventId;
  let delivered = false;

  let stopWaiting: (() => void) | undefined;

  /** Each call waits for room of its own. Otherwise all waiting streams would write at once when there is room. */
  const whenRoom = (call: () => void | Promise<void>): void | Promise<void> => {
    // After the abort, a waiter would never be resumed.
    if (controller.signal.aborted) return undefined;
    if (connection.hasRoom) return call();
    return new Promise((resolve, reject) => {
      const leave = connection.waitForRoom(() => {
        stopWaiting = undefined;
        try {
          resolve(call());
        } catch (error) {
          reject(error);
        }
      });
      stopWaiting = () => {
        leave();
        resolve();
      };
    });
  };
  const send = (json: string, id: string | undefined): void | Promise<void> => {
    if (controller.signal.aborted) return undefined;
    // The heartbeat may be late, for example after a suspend.
    if (connection.endIfOver(clock.now())) return undefined;
    lastId = id ?? lastId;
    delivered = true;
    connection.sendStreamEvent(eventName, json, lastId);
    // Back-pressure: the source pauses until there is room for its next value.
    return connection.hasRoom ? undefined : whenRoom(() => undefined);
  };
  const encode = (value: unknown): void | Promise<void> => {
    if (value instanceof EncodedYield) {
      checkPayloadSize(topic, value.json, options.maxPayloadBytes);
      return send(value.json, value.id);
    }
    const { data, id } = readYield(topic, value);
    const json = encodePayload(topic, definition, data, options.maxPayloadBytes);
    if (json instanceof Promise) return json.then((encoded) => whenRoom(() => send(encoded, id)));
    return send(json, id);
  };
  // The queued values are not yet validated or encoded.
  const take = (value: unknown): void | Promise<void> =>
    connection.hasRoom ? encode(value) : whenRoom(() => encode(value));

  const cancel = (): void => {
    // Listeners of the signal and the source's `finally` run in the source's own async context, whatever the cause.
    scope.run(() => controller.abort());
    stopWaiting?.();
  };
  connection.addStream(eventName, { cancel });
  const running = scope.run(() =>
    runSource({
      open: () =>
        source({
          params: options.params,
          context: options.context,
          lastEventId: options.lastEventId,
          signal: controller.signal,
        }),
      take,
      signal: controller.signal,
      clock,
      onCleanupError: onError,
    }),
  );
  void running.then((end) => {
    if (end.type === 'cancelled') return;
    if (end.type === 'finished') return connection.endStream(eventName, key, undefined);
    const keyed = key === undefined ? {} : { key };
    if (end.error instanceof DescribedFailure) {
      return connection.endStream(eventName, key, { address: eventName, ...keyed, ...end.error.payload });
    }
    scope.run(() => onError(end.error));
    const { code, message, status = 500 } = toRefusal(end.error, 'source_failed');
    connection.endStream(eventName, key, {
      address: eventName,
      ...keyed,
      code,
      message: status >= 500 ? `The source of "${topic}" failed.` : message,
      // A second run must not repeat data that was delivered without an id.
      retryable:
        (lastId !== undefined || !delivered) && /* seam: retry-if-error-asks */ asksForRetry(end.error),
    });
  });
}

/**
 * @throws LinefeedError `invalid_content` for an empty id or fields that a feed writes itself, `invalid_frame` for an
 * id that is not text.
 */
export function readYield(topic: string, value: unknown): { data: unknown; id: string | undefined } {
  if (isTracked(value)) return { data: value[1], id: value[0] };
  if (!isMessage(value)) return { data: value, id: undefined };
  if (value.event !== undefined || value.retryMs !== undefined || value.comment !== undefined) {
    throw new LinefeedError(
      'invalid_content',
      `message() in the stream "${topic}" takes only an id; a feed writes the other fields.`,
    );
  }
  const id = toId(value.id);
  if (id === '') {
    throw new LinefeedError(
      'invalid_content',
      `The stream "${topic}" yielded an empty id; omit it, or give an id to resume from.`,
    );
  }
  return { data: value.data, id };
}
