/** Converts errors of JetStream and of the connection to errors that name the stream and a remedy. */
import { LinefeedError } from '@linefeed/shared/wire';
import { API_ERROR, type ApiError } from './connection.ts';
import { ConsumerRefused } from './consumer.ts';

/** Whether a repeat cannot help. */
export function isFinal(error: unknown): boolean {
  return LinefeedError.is(error) && !error.retryable;
}

/** An error that names the stream. */
export function toFailure(stream: string, error: unknown): LinefeedError {
  if (LinefeedError.is(error)) return error;
  if (error instanceof ConsumerRefused) return fromApi(stream, error.api);
  if (!(error instanceof Error)) return fromApi(stream, error as ApiError);
  const { message } = error;
  const text = `${message} ${error.cause instanceof Error ? error.cause.message : ''}`;
  if (/permissions? violation/i.test(text)) {
    return failure(
      `The NATS user has no permission for the stream "${stream}" (${message}); allow it $JS.API.STREAM.>, $JS.API.CONSUMER.>, the subject of the stream, $JS.FC.> and its inbox.`,
      error,
    );
  }
  return failure(
    `The NATS stream "${stream}" does not answer (${message || error.name}); look whether nats-server runs with JetStream (-js) and the stream has a leader.`,
    error,
    true,
  );
}

/** JetStream has answered with an error. */
function fromApi(stream: string, { code, err_code: number, description = '' }: ApiError): LinefeedError {
  const said = `${description || 'no description'} (${number ?? code})`;
  if (number === API_ERROR.streamNotFound) return missingStream(stream);
  const lacksServers = number === API_ERROR.replicasNotSupported || number === API_ERROR.noPeers;
  const isFull = number === API_ERROR.maximumMessages || number === API_ERROR.storageExceeded;
  const advice = isFull
    ? 'give it larger limits and discard: old, and the log continues'
    : number === API_ERROR.subjectsOverlap
      ? 'another stream has its subject; choose another name'
      : lacksServers
        ? 'it has fewer servers than `replicas` of the natsLog; lower replicas, or start more servers'
        : 'look at the stream, and at the log of nats-server';
  // 5xx: the servers elect a leader, or lack resources for a moment.
  return failure(
    `JetStream refuses a request for the stream "${stream}": ${said}; ${advice}.`,
    undefined,
    code >= 500 && !lacksServers,
  );
}

/** The outcome of an append whose message, if it was stored, is gone. */
export function forgottenOutcome(stream: string): LinefeedError {
  return failure(
    `The NATS stream "${stream}" was trimmed before an append was confirmed. It is not known whether the event was stored. A repeat with an idempotencyKey is stored once.`,
    undefined,
    true,
  );
}

export function missingStream(stream: string): LinefeedError {
  return failure(
    `The NATS stream "${stream}" does not exist any more; the log creates it again in some seconds.`,
    undefined,
    true,
  );
}

export function failure(message: string, cause?: unknown, retryable = false): LinefeedError {
  return new LinefeedError('log_failed', message, cause === undefined ? { retryable } : { cause, retryable });
}
