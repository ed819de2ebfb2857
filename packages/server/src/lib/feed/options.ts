/** Checks the options of a feed. An unchecked misspelt `authorize` would silently make everything public. */
import type { AnyChannel } from '@linefeed/shared';
import { checkOptions, invalidOption, type OptionTypes } from '@linefeed/shared/wire';
import type { FeedCoreOptions } from './feed.ts';
import type { BaseFeedOptions } from './option-types.ts';
import type { FeedSubscribeOptions } from './types.ts';
import { LIMIT_TYPES } from '../base/default-options.ts';
import type { UntypedSource } from '../stream/run-stream.ts';

/** Options of a feed without the types of its channel. */
export interface UntypedFeedOptions extends BaseFeedOptions<AnyChannel, unknown> {
  readonly streams?: Readonly<Record<string, UntypedSource | { readonly source: UntypedSource }>> | undefined;
  /** Used in place of `streams`. */
  readonly sources?: FeedCoreOptions['sources'] | undefined;
  readonly contextPerRequest?: boolean | undefined;
}

type OptionName = keyof UntypedFeedOptions;

const TYPES: OptionTypes = {
  path: 'any',
  context: 'function',
  authorize: 'function',
  streams: 'object',
  log: 'object',
  runs: 'object',
  cors: 'object',
  hosts: 'any',
  stopFromClients: 'boolean',
  onOpen: 'function',
  onClose: 'function',
  onSubscribe: 'function',
  onGap: 'function',
  onError: 'function',
  ...LIMIT_TYPES,
  clock: 'hidden',
  sources: 'hidden',
  contextPerRequest: 'hidden',
} satisfies Partial<Record<OptionName, string>>;

/** @throws LinefeedError `invalid_option` */
export function checkFeedOptions(options: unknown): void {
  checkOptions('A feed', options, TYPES);
}

const SUBSCRIBE_TYPES: OptionTypes = {
  params: 'object',
  from: 'string',
  signal: 'object',
  onGap: 'function',
} satisfies Record<keyof FeedSubscribeOptions | 'params', string>;

/** @throws LinefeedError `invalid_option` */
export function checkSubscribeOptions(options: unknown): void {
  checkOptions('subscribe', options, SUBSCRIBE_TYPES);
}

/** @throws LinefeedError `invalid_option` */
export function checkCloseOptions(options: { readonly graceMs?: number | undefined }): void {
  checkOptions('close', options, { graceMs: 'number' });
  const { graceMs = 0 } = options;
  if (!(graceMs >= 0)) throw invalidOption(`graceMs of close must be a number from 0 up, not ${graceMs}.`);
}

/** @throws LinefeedError `invalid_option` */
export function checkChannel(channel: unknown): void {
  if (typeof (channel as AnyChannel | null | undefined)?.topics?.get === 'function') return;
  throw invalidOption('The first argument must be a channel: the result of defineChannel({ … }).');
}
