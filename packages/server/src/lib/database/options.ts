/** Checks of options that logs and stores share. */
import { invalidOption } from '@linefeed/shared/wire';
import type { DatabaseUse } from './use.ts';

/** Longest time of a call by default. Milliseconds. */
export const DEFAULT_TIMEOUT_MS = 5_000;

/** @throws LinefeedError `invalid_option` */
export function checkPositive(name: string, value: number, { factory }: DatabaseUse): number {
  if (value > 0 && value < Infinity) return value;
  throw invalidOption(`${name} of a ${factory} must be a positive number, not ${String(value)}.`);
}

/** @throws LinefeedError `invalid_option` */
export function checkName(name: string, value: string, { factory }: DatabaseUse): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalidOption(
    `${name} of a ${factory} must be a string with at least one character, not ${JSON.stringify(value)}.`,
  );
}
