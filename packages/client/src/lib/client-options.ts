/** The options of a client, and the run-time check of what it is given. The check is small: every page loads it. */
import type { LinefeedError } from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';
import type { Persist } from './persist.ts';
import type { RetryOptions } from './retry-policy.ts';
import type { Gap, SubscriptionOptions } from './subscription.ts';
import type { RequestOptions, Transport } from './transport.ts';

export interface ClientOptions extends Omit<RequestOptions, 'url'> {
  /** Where the feed is: relative to the page, or absolute. A query of its own is kept. */
  readonly url: string | URL;
  /** Default: `fetchTransport()`. */
  readonly transport?: Transport | undefined;
  /** Sent with every request. A function is asked again for each attempt, and may be asynchronous. */
  readonly headers?: RequestOptions['headers'];
  /** When to try again. By default it never gives up what can be retried. */
  readonly retry?: RetryOptions | undefined;
  /** Time for a connection to say hello, in milliseconds. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Pause while the page is hidden, after a grace (`true`: 30,000 ms). Default: stay connected. */
  readonly pauseWhenHidden?: boolean | { readonly graceMs: number } | undefined;
  /** Keep the committed cursor over a reload: `persistCursor()`. Default: no. */
  readonly persist?: Persist | undefined;
  /** Events of one subscription that wait for its handler; one more stops reading. Default: 1,000. */
  readonly maxQueuedEvents?: number | undefined;
  /** How long an address stays subscribed after the last handler has left it. Default: 1,000. */
  readonly lingerMs?: number | undefined;
  /** Gaps of subscriptions without `onGap`. Default: one warning on the console. */
  readonly onGap?: ((gap: Gap) => unknown) | undefined;
  /** Errors of handlers, refused subscriptions, a failed connection. Default: `console.error`. */
  readonly onError?: ((error: LinefeedError) => void) | undefined;
  /** Payloads that are no JSON or do not match their schema; they count as handled. Default: `onError`. */
  readonly onInvalid?: ((error: LinefeedError) => void) | undefined;
  /** Time and chance, for tests. */
  readonly clock?: Clock | undefined;
}

/**
 * Refuses options that are no object, an option that does not exist, and one of `functions` that is no function. Both
 * lists are names separated by spaces.
 */
function checkNames(owner: string, options: unknown, others: string, functions: string): void {
  if (typeof options !== 'object' || !options) {
    throw invalidOption(`${owner} takes its options as an object, not ${String(options)}.`);
  }
  const callable = functions.split(' ');
  const known = [...others.split(' '), ...callable];
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!known.includes(name)) {
      throw invalidOption(`${owner} has no option "${name}"; its options are ${known.join(', ')}.`);
    }
    if (callable.includes(name) && typeof value !== 'function') {
      throw invalidOption(`${name} must be a function, not ${typeof value}.`);
    }
  }
}

/** @throws LinefeedError `invalid_option` */
export function checkClientOptions(options: ClientOptions): void {
  checkNames(
    'createClient',
    options,
    'url headers credentials retry connectTimeoutMs pauseWhenHidden maxQueuedEvents lingerMs clock',
    'transport fetch persist onGap onError onInvalid',
  );
  if (!options.url) throw invalidOption('createClient needs the url of a feed, such as "/events".');
  const { connectTimeoutMs, maxQueuedEvents, lingerMs, retry, pauseWhenHidden } = options;
  const groups = {
    '': { connectTimeoutMs, maxQueuedEvents, lingerMs },
    'retry.': retry,
    'pauseWhenHidden.': pauseWhenHidden,
  };
  for (const [group, numbers] of Object.entries(groups)) {
    for (const [name, value] of Object.entries(numbers ?? {})) {
      if (value === undefined || (typeof value === 'number' && value >= 0)) continue;
      throw invalidOption(`${group}${name} must be a number from 0 up, not ${String(value)}.`);
    }
  }
}

/** @throws LinefeedError `invalid_option` */
export function checkSubscription(
  topic: unknown,
  params: unknown,
  handler: unknown,
  options: SubscriptionOptions,
): void {
  checkNames('subscribe', options, 'from onHandlerError restart signal', 'onGap onEnd onError onFail');
  const { from = '', signal } = options;
  if (
    typeof topic !== 'string' ||
    typeof (params ?? {}) !== 'object' ||
    typeof handler !== 'function' ||
    typeof from !== 'string' ||
    (signal && !signal.addEventListener)
  ) {
    throw invalidOption(
      `Subscribe to ${String(topic)} with params as an object, a function as handler, a string as from, an AbortSignal as signal.`,
    );
  }
}
