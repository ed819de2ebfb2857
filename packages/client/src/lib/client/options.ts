/** The options of a client and their run-time check. The check is small because every page loads it. */
import type { LinefeedError } from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import type { Persist } from '../subscriptions/persist.ts';
import type { RetryOptions } from '../connection/retry-policy.ts';
import type { Gap, SubscriptionOptions } from '../subscriptions/types.ts';
import type { RequestOptions, Transport } from '../transport/transport.ts';

/** The options of `createClient`. */
export interface ClientOptions extends Omit<RequestOptions, 'url'> {
  /** URL of the feed, relative to the page or absolute. Its own query is kept. */
  readonly url: string | URL;
  /**
   * How the client reads the event stream: `fetchTransport()` or `eventSourceTransport()`.
   *
   * @default `fetchTransport()`
   */
  readonly transport?: Transport | undefined;
  /**
   * Headers of every request. A function is called for each attempt and may be asynchronous.
   *
   * @default none
   */
  readonly headers?: RequestOptions['headers'];
  /**
   * Retry policy.
   *
   * @default retryable errors are retried without limit
   */
  readonly retry?: RetryOptions | undefined;
  /**
   * Time limit for a connection to receive `hello`, in milliseconds.
   *
   * @default 10,000
   */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * Disconnect while the page is hidden, after a grace period (`true`: 30,000 ms).
   *
   * @default stay connected
   */
  readonly pauseWhenHidden?: boolean | { readonly graceMs: number } | undefined;
  /**
   * Keeps the committed cursor across a page reload: `persistCursor()`.
   *
   * @default not kept
   */
  readonly persist?: Persist | undefined;
  /**
   * Limit of events queued for one subscription's handler. A full queue pauses reading.
   *
   * @default 1,000
   */
  readonly maxQueuedEvents?: number | undefined;
  /**
   * How long an address stays subscribed after its last handler unsubscribed, in milliseconds.
   *
   * @default 1,000
   */
  readonly lingerMs?: number | undefined;
  /**
   * Called for gaps of subscriptions without `onGap`.
   *
   * @default one warning on the console
   */
  readonly onGap?: ((gap: Gap) => unknown) | undefined;
  /**
   * Called for handler errors, refused subscriptions and a failed connection.
   *
   * @default `console.error`
   */
  readonly onError?: ((error: LinefeedError) => void) | undefined;
  /**
   * Called for payloads that are not JSON or do not match their schema. They count as handled.
   *
   * @default `onError`
   */
  readonly onInvalid?: ((error: LinefeedError) => void) | undefined;
  /**
   * Source of time and random numbers, for tests.
   *
   * @default the system's
   */
  readonly clock?: Clock | undefined;
}

// The type of an option follows from its name. `onHandlerError` is a string.
const FUNCTION = /^(on(?!H)|transport|fetch|persist)/;
const NUMBER = /Ms$|^max/;

/** Throws if options are not an object, have a name that is not in `names`, or a value of a wrong type. */
export function checkOptions(owner: string, options: unknown, names: string): void {
  if (typeof options !== 'object' || !options) {
    throw invalidOption(`${owner} takes its options as an object, not ${String(options)}.`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!names.split(' ').includes(name)) {
      throw invalidOption(`${owner} has no option "${name}"; its options are ${names}.`);
    }
    const isNumber = NUMBER.test(name);
    const isOptional = name === 'maxAttempts';
    const least = name.startsWith('max') ? 1 : 0;
    if (
      isNumber
        ? (typeof value === 'number' && value >= least && value < Infinity) || (isOptional && value === false)
        : !FUNCTION.test(name) || typeof value === 'function'
    )
      continue;
    const type = isNumber
      ? `number from ${least} up${isOptional ? ', or false for no limit' : ''}`
      : 'function';
    throw invalidOption(`${owner}: ${name} must be a ${type}, not ${String(value)}.`);
  }
}

/** @throws LinefeedError `invalid_option` */
export function checkClientOptions(options: ClientOptions): void {
  checkOptions(
    'createClient',
    options,
    'url transport fetch headers credentials retry connectTimeoutMs pauseWhenHidden persist maxQueuedEvents lingerMs onGap onError onInvalid clock',
  );
  if (!options.url) throw invalidOption('createClient needs the url of a feed.');
  checkOptions('retry', { ...options.retry }, 'baseMs floorMs capMs maxAttempts');
  checkOptions('pauseWhenHidden', { ...(options.pauseWhenHidden as object) }, 'graceMs');
}

/** @throws LinefeedError `invalid_option` */
export function checkSubscription(
  topic: unknown,
  params: unknown,
  handler: unknown,
  options: SubscriptionOptions,
): void {
  checkOptions(
    'subscribe',
    options,
    'from restart signal onHandlerError onGap onRun onEnd onCaughtUp onError onFail',
  );
  const { from = '', signal } = options;
  if (
    typeof topic !== 'string' ||
    typeof (params ?? {}) !== 'object' ||
    typeof handler !== 'function' ||
    typeof from !== 'string' ||
    (signal && !signal.addEventListener)
  ) {
    throw invalidOption(
      `subscribe(${String(topic)}) takes params as an object, a function as handler, a string as from, an AbortSignal as signal.`,
    );
  }
}
