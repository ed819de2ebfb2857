/** Starts admitted streams on an open connection, and says what was refused. */
import { FRAME, refusal, type End, type Subscribed, type SubscriptionError } from '@linefeed/shared/wire';
import type { Admitted, Refused } from './admission.ts';
import type { Connection } from './connection.ts';
import { readStreamResume, startStream, type StreamRunOptions } from './stream-run.ts';

/** What a run of a stream needs beside what was admitted. */
export interface StreamSubscription extends Pick<
  StreamRunOptions,
  'context' | 'source' | 'maxPayloadBytes' | 'clock' | 'onError'
> {
  readonly from: string | undefined;
  /** The control request that asked. */
  readonly n: number | undefined;
  readonly onSubscribe: (connection: Connection, event: string) => void;
}

/** Answers for one stream entry, and runs its source where there is something to run. */
export function subscribeStream(connection: Connection, entry: Admitted, options: StreamSubscription): void {
  const { topic, event, key, definition, params } = entry;
  const { from, n, onSubscribe, ...run } = options;
  const resume = readStreamResume(from);
  const numbered = n === undefined ? {} : { n };
  if (connection.streams.has(event)) {
    const error = refusal(
      'key_in_use',
      `The key "${key}" names another stream of this connection; choose a new one.`,
    );
    return sendRefusal(connection, { admitted: false, asked: event, key, error }, n);
  }
  if (resume.type === 'begun') {
    const error = refusal(
      'not_resumable',
      `The stream "${topic}" has no ids to go on from, and is not run twice.`,
    );
    return sendRefusal(connection, { admitted: false, asked: event, key, error }, n);
  }
  const keyed = key === undefined ? {} : { key };
  connection.control(FRAME.subscribed, {
    address: event,
    event,
    ...keyed,
    ...numbered,
  } satisfies Subscribed);
  // Ids of a stream bear the connection's cursor, which must not pass a gap that is still to be announced.
  const { logged } = connection;
  if (resume.type === 'ended') {
    const payload: End = { address: event, ...keyed, ...numbered };
    return logged.afterGaps(() => connection.control(FRAME.end, payload, connection.endMark()));
  }
  onSubscribe(connection, event);
  const lastEventId = resume.type === 'behind' ? resume.id : undefined;
  logged.afterGaps(() =>
    startStream(connection, { ...run, topic, event, key, definition, params, lastEventId }),
  );
}

export function sendRefusal(
  connection: Connection,
  { asked, key, error }: Refused,
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
