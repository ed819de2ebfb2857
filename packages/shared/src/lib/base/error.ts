/** The one error class of Linefeed, and its closed set of codes. */

/**
 * The reason for a refusal or failure. `status` of the error has the HTTP status, if the code has one.
 *
 * - contract and options: `invalid_channel`, `invalid_option`
 * - publishing: `unknown_topic`, `not_publishable`, `invalid_params`, `invalid_payload`, `payload_too_large`,
 *   `address_too_long`, `idempotency_conflict`, `log_failed`, `closed`
 * - requests: `bad_request`, `unauthorized`, `forbidden`, `forbidden_host`, `forbidden_origin`, `not_found`,
 *   `method_not_allowed`, `not_acceptable`, `too_many_subscriptions`, `too_many_connections`, `unknown_connection`,
 *   `draining`, `busy`, `disconnected`, `timeout`, `server_failed`
 * - streams: `key_required`, `key_in_use`, `not_resumable`, `source_failed`, `invalid_content`
 * - runs: `run_busy`, `run_limit`, `run_lost`, `too_many_runs`, `runs_failed`
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
  | 'run_busy'
  | 'run_limit'
  | 'run_lost'
  | 'too_many_runs'
  | 'runs_failed'
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

/** HTTP status of each code that a server responds with. A code without a status never becomes an HTTP response. */
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
  run_busy: 409,
  too_many_runs: 429,
  runs_failed: 503,
};

/** One issue from a schema: a message, and the path of the faulty value (empty: the value itself). */
export interface Issue {
  /** The schema's message, for people. */
  readonly message: string;
  /** The keys that lead to the faulty value. */
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** The options of a `LinefeedError`. */
export interface LinefeedErrorOptions {
  /** The error that caused this one. It is never sent to the other side. */
  cause?: unknown;
  /** HTTP status, if the error has one. */
  status?: number | undefined;
  /**
   * Whether a retry can help.
   *
   * @default by status (true for 408, 425, 429 and 5xx)
   */
  retryable?: boolean | undefined;
  /** The schema's issues, for `invalid_params` and `invalid_payload`. */
  issues?: readonly Issue[] | undefined;
  /** The address that the error concerns. */
  address?: string | undefined;
  /** The start of the response body, if the client got an unexpected status. */
  body?: string | undefined;
  /** The number of the failed connection attempt, counted from 1. */
  attempt?: number | undefined;
  /** Details of a failure as the source of a stream gave them. */
  detail?: unknown;
}

/**
 * Whether the same request may succeed later. A browser that reads half a status line reports a status below 100,
 * which is retryable.
 */
export function isRetryableStatus(status: number = 0): boolean {
  return status >= 500 || (status > 0 && status < 100) || [408, 425, 429].includes(status);
}

/** Every error that Linefeed throws, rejects with or passes to `onError`. */
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

  /** Whether a value is a LinefeedError, from this copy of the package or another one in the same page or process. */
  static is(value: unknown): value is LinefeedError {
    return value instanceof Error && value.name === 'LinefeedError' && 'code' in value;
  }
}

/** An error with the HTTP status of its code. */
export function refusal(code: ErrorCode, message: string, options: LinefeedErrorOptions = {}): LinefeedError {
  return new LinefeedError(code, message, { status: ERROR_STATUS[code], ...options });
}
