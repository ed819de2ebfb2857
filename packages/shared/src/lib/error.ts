/** The one error class of Linefeed and the closed set of codes it carries. */

/**
 * Why something was refused or failed. `ERROR_STATUS` gives the HTTP status of those that a server answers with.
 *
 * - contract and options: `invalid_channel`, `invalid_option`
 * - publishing: `unknown_topic`, `not_publishable`, `invalid_params`, `invalid_payload`, `payload_too_large`,
 *   `address_too_long`, `idempotency_conflict`, `log_failed`, `closed`
 * - requests: `bad_request`, `unauthorized`, `forbidden`, `forbidden_host`, `forbidden_origin`, `not_found`, `method_not_allowed`,
 *   `not_acceptable`, `too_many_subscriptions`, `too_many_connections`, `unknown_connection`, `draining`, `busy`,
 *   `disconnected`, `timeout`, `server_failed`
 * - streams: `key_required`, `key_in_use`, `not_resumable`, `source_failed`, `invalid_content`
 * - frames: `invalid_frame`
 * - the client: `network`, `http_status`, `wrong_content_type`, `connect_timeout`, `silence`, `protocol`,
 *   `retries_exhausted`, `handler_failed`, `queue_overflow`, `invalid_json`, `hole`
 */
export type ErrorCode =
  | 'invalid_channel'
  | 'invalid_option'
  | 'unknown_topic'
  | 'not_publishable'
  | 'invalid_params'
  | 'invalid_payload'
  | 'payload_too_large'
  | 'address_too_long'
  | 'idempotency_conflict'
  | 'log_failed'
  | 'closed'
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'forbidden_host'
  | 'forbidden_origin'
  | 'not_found'
  | 'method_not_allowed'
  | 'not_acceptable'
  | 'too_many_subscriptions'
  | 'too_many_connections'
  | 'unknown_connection'
  | 'draining'
  | 'busy'
  | 'disconnected'
  | 'timeout'
  | 'server_failed'
  | 'key_required'
  | 'key_in_use'
  | 'not_resumable'
  | 'source_failed'
  | 'invalid_content'
  | 'invalid_frame'
  | 'network'
  | 'http_status'
  | 'wrong_content_type'
  | 'connect_timeout'
  | 'silence'
  | 'protocol'
  | 'retries_exhausted'
  | 'handler_failed'
  | 'queue_overflow'
  | 'invalid_json'
  | 'hole';

/** The HTTP status a server answers with; a code without one never leaves its process as a status. */
export const ERROR_STATUS: Partial<Record<ErrorCode, number>> = {
  unknown_topic: 404,
  invalid_params: 400,
  invalid_payload: 400,
  payload_too_large: 413,
  address_too_long: 400,
  idempotency_conflict: 409,
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  forbidden_host: 403,
  forbidden_origin: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  too_many_subscriptions: 400,
  too_many_connections: 503,
  unknown_connection: 409,
  draining: 503,
  busy: 503,
  disconnected: 503,
  timeout: 503,
  key_required: 400,
  key_in_use: 400,
  not_resumable: 409,
  server_failed: 500,
  source_failed: 500,
};

/** One complaint of a schema: what is wrong, and where (empty path: the value itself). */
export interface Issue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

export interface LinefeedErrorOptions {
  /** What was thrown underneath. Stays in this process: it is never sent to the other side. */
  cause?: unknown;
  /** HTTP status, where there is one. */
  status?: number | undefined;
  /** Whether trying again can help. Default: by status (408, 425, 429 and 5xx can). */
  retryable?: boolean | undefined;
  /** The schema's complaints, for `invalid_params` and `invalid_payload`. */
  issues?: readonly Issue[] | undefined;
  /** The address it is about. */
  address?: string | undefined;
  /** The start of the response's body, for a status that the client did not expect. */
  body?: string | undefined;
  /** The connection attempt that failed, counted from 1. */
  attempt?: number | undefined;
  /** What the source of a stream said of its failure in words of its own. */
  detail?: unknown;
}

/** Whether a status says that the same request may succeed later. Below 100: a browser read it from half a status line. */
export function isRetryableStatus(status: number = 0): boolean {
  return status >= 500 || (status > 0 && status < 100) || [408, 425, 429].includes(status);
}

/** Every error that Linefeed throws, rejects with or hands to `onError`. */
export class LinefeedError extends Error {
  declare readonly code: ErrorCode;
  declare readonly status: number | undefined;
  declare readonly retryable: boolean;
  declare readonly issues: readonly Issue[] | undefined;
  declare readonly address: string | undefined;
  declare readonly body: string | undefined;
  declare readonly attempt: number | undefined;
  declare readonly detail: unknown;

  constructor(code: ErrorCode, message: string, options: LinefeedErrorOptions = {}) {
    super(message, options);
    const retryable = options.retryable ?? isRetryableStatus(options.status);
    Object.assign(this, options, { name: 'LinefeedError', code, retryable });
  }

  /** Whether a value is a LinefeedError, of this copy of the package or of another one in the same page or process. */
  static is(value: unknown): value is LinefeedError {
    return value instanceof Error && value.name === 'LinefeedError' && 'code' in value;
  }
}

/** A refusal with the status that belongs to its code. */
export function refusal(code: ErrorCode, message: string, options: LinefeedErrorOptions = {}): LinefeedError {
  return new LinefeedError(code, message, { status: ERROR_STATUS[code], ...options });
}
