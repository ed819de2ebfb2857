/** The run-time check of what a client is given. It is smaller than the server's: every page loads it. */
import { invalidOption } from '@linefeed/shared/wire';
import type { ClientOptions } from './client.ts';
import type { SubscriptionOptions } from './subscription.ts';

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
  topic: string,
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
