/** Shared by all logs of this package: the bounds of a log, and the random epoch of its numbering. */
import { checkOptions, type OptionTypes } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { readOptionalLimit } from '../base/default-options.ts';

/**
 * Bounds of a log. It evicts the oldest events first. Values of `keep: 'latest'` are counted separately from all
 * others.
 */
export interface LogBounds {
  /**
   * Maximum number of events held; `false`: no limit.
   *
   * @default 10,000
   */
  readonly maxEvents?: number | false | undefined;
  /**
   * Maximum age of an event, in milliseconds; `false`: no limit. Values of `keep: 'latest'` do not age.
   *
   * @default 3,600,000 (1 h)
   */
  readonly maxAgeMs?: number | false | undefined;
  /**
   * Maximum size of payloads, addresses and idempotency keys held, in UTF-16 code units; `false`: no
   * limit.
   *
   * @default 67,108,864 (64 MiB)
   */
  readonly maxBytes?: number | false | undefined;
}

export const DEFAULT_BOUNDS: Required<{ [K in keyof LogBounds]: number }> = {
  maxEvents: 10_000,
  maxAgeMs: 3_600_000,
  maxBytes: 64 * 1024 * 1024,
};

/** Limit of watermarks kept for addresses without held events. All other addresses share one watermark. */
export const MAX_WATERMARKS = 10_000;

/** Option types that every log shares. */
const LOG_OPTIONS: OptionTypes = {
  maxEvents: 'number|false',
  maxAgeMs: 'number|false',
  maxBytes: 'number|false',
  clock: 'hidden',
} satisfies Record<keyof LogBounds | 'clock', string>;

/** @throws LinefeedError `invalid_option` */
export function checkLogOptions(owner: string, options: unknown, own: OptionTypes = {}): void {
  checkOptions(owner, options, { ...own, ...LOG_OPTIONS });
}

/** In the result, `Infinity` means no limit. @throws LinefeedError `invalid_option` */
export function resolveBounds(bounds: LogBounds): typeof DEFAULT_BOUNDS {
  const resolved = { ...DEFAULT_BOUNDS };
  for (const name of Object.keys(DEFAULT_BOUNDS) as (keyof LogBounds)[]) {
    resolved[name] = readOptionalLimit(`${name} of a log`, bounds[name] ?? DEFAULT_BOUNDS[name]);
  }
  return resolved;
}

/** The size of an event that counts against `maxBytes`. */
export function sizeOf(
  { address, data }: { readonly address: string; readonly data: string },
  idempotencyKey = '',
): number {
  return address.length + data.length + idempotencyKey.length;
}

/** An epoch of 98 random bits, in `[0-9a-z]`. */
export function randomEpoch(clock: Clock): string {
  let epoch = '';
  while (epoch.length < 19) {
    epoch += Math.floor(clock.random() * 36 ** 6)
      .toString(36)
      .padStart(6, '0');
  }
  return epoch.slice(0, 19);
}
