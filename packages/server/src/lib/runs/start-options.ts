/** The options of the start of a run: checks, defaults, and the hash of its input. */
import { canonicalJson, checkOptions, invalidOption, type OptionTypes } from '@linefeed/shared/wire';
import { readOptionalLimit, type FeedLimits } from '../base/default-options.ts';
import type { WhenBusy } from './claim.ts';

/** The options of `feed.start`. */
export interface RunStartOptions {
  /**
   * Names this start. A later start with the same key joins this run, as long as the run is kept. At most 256 characters.
   *
   * @default no key: every start is a new one
   */
  readonly key?: string | undefined;
  /**
   * The input of the run as JSON: a start with the same key and another input rejects with `idempotency_conflict`.
   *
   * @default none
   */
  readonly input?: unknown;
  /**
   * While another run of this address is running: `join` it, `refuse` (rejects with `run_busy`), or `replace` it: stop
   * it, wait for its end, and start.
   *
   * @default `join`
   */
  readonly whenBusy?: WhenBusy | undefined;
  /**
   * Whose run it is. `maxRunsPerPrincipal` bounds the runs of one principal.
   *
   * @default none, without that bound
   */
  readonly principal?: string | undefined;
  /**
   * Most producers of this run. If a producer dies, the next start with the same key continues the run. More than one
   * needs a `key`.
   *
   * @default 1
   */
  readonly attempts?: number | undefined;
  /**
   * A producer that has not reached the store for this long counts as dead. Milliseconds.
   *
   * @default `runLeaseMs` of the feed
   */
  readonly leaseMs?: number | undefined;
  /**
   * How long the run is kept after its end. Milliseconds.
   *
   * @default `runKeepMs` of the feed
   */
  readonly keepMs?: number | undefined;
  /**
   * Longest time of the run; after it, the run fails with `run_limit`. Milliseconds; `false`: no limit.
   *
   * @default `maxRunDurationMs` of the feed
   */
  readonly maxDurationMs?: number | false | undefined;
}

export interface ResolvedStart {
  readonly key: string | undefined;
  readonly input: string | undefined;
  readonly whenBusy: WhenBusy;
  readonly principal: string | undefined;
  readonly attempts: number;
  readonly leaseMs: number;
  readonly keepMs: number;
  readonly maxDurationMs: number;
}

const OPTIONS: OptionTypes = {
  key: 'string',
  input: 'any',
  whenBusy: 'string',
  principal: 'string',
  attempts: 'number',
  leaseMs: 'number',
  keepMs: 'number',
  maxDurationMs: 'number|false',
} satisfies Record<keyof RunStartOptions, string>;

const MAX_KEY_LENGTH = 256;
const MAX_PRINCIPAL_LENGTH = 1_024;

/** @throws LinefeedError (as a rejection) `invalid_option` */
export async function resolveStart(options: RunStartOptions, limits: FeedLimits): Promise<ResolvedStart> {
  checkOptions('start', options, OPTIONS);
  const { key, input, whenBusy = 'join', principal, attempts = 1 } = options;
  checkRunKey(key);
  checkText('principal', principal, MAX_PRINCIPAL_LENGTH);
  if (!['join', 'refuse', 'replace'].includes(whenBusy)) {
    throw invalidOption(`whenBusy must be join, refuse or replace, not ${JSON.stringify(whenBusy)}.`);
  }
  if (!Number.isInteger(attempts) || attempts < 1) {
    throw invalidOption(`attempts must be a whole number from 1 up, not ${attempts}.`);
  }
  if (attempts > 1 && key === undefined) {
    throw invalidOption('A run with more than one attempt needs a key: the next attempt is a start with it.');
  }
  if (input !== undefined && key === undefined) {
    throw invalidOption('input is compared between the starts of one key; give a key as well.');
  }
  const leaseMs = readTime('leaseMs', options.leaseMs ?? limits.runLeaseMs, limits.runPollMs * 10);
  return {
    key,
    input: input === undefined ? undefined : await hashOf(input),
    whenBusy,
    principal,
    attempts,
    leaseMs,
    keepMs: readTime('keepMs', options.keepMs ?? limits.runKeepMs, 0),
    maxDurationMs:
      options.maxDurationMs === undefined
        ? limits.maxRunDurationMs
        : readOptionalLimit('maxDurationMs of start', options.maxDurationMs),
  };
}

/** @throws LinefeedError `invalid_option` */
export function checkRunKey(key: string | undefined): void {
  checkText('key', key, MAX_KEY_LENGTH);
}

function checkText(name: string, text: string | undefined, max: number): void {
  if (text === undefined) return;
  if (text.length > 0 && text.length <= max && text.isWellFormed()) return;
  throw invalidOption(`${name} must be well-formed Unicode of 1 to ${max} characters, not ${text.length}.`);
}

function readTime(name: string, ms: number, leastMs: number): number {
  if (ms >= leastMs && ms > 0 && ms < Infinity) return ms;
  const least = leastMs > 0 ? `from ${leastMs} (10 × runPollMs) up` : 'above 0';
  throw invalidOption(`${name} must be a number ${least}, not ${ms}.`);
}

/** The SHA-256 of the canonical JSON: equal inputs have equal hashes, and the record does not contain the input. */
async function hashOf(input: unknown): Promise<string> {
  let text: string;
  try {
    text = canonicalJson(input);
  } catch (cause) {
    throw invalidOption(`input must be JSON: ${String(cause)}`);
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return [...hash.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
