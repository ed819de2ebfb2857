/** How long a context is valid. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { Clock } from './clock.ts';

/** The expiry of one context. */
export interface Expiry {
  /** Whether the context had expired when its request arrived. */
  readonly wasOver: boolean;
  readonly isOver: boolean;
  /** When the context expires, in the time of the feed's clock. `now`: time of that clock. */
  dueAt(now: number): number;
}

/** The expiry of a context without `expiresAt`. */
export const NEVER: Expiry = { wasOver: false, isOver: false, dueAt: () => Infinity };

/** `wallMs`: milliseconds since 1970; `Infinity`: never. */
export function createExpiry(clock: Clock, wallMs: number): Expiry {
  return wallMs === Infinity ? NEVER : new TimedExpiry(clock, wallMs);
}

/**
 * Uses both clocks; the earlier deadline decides. The wall clock continues while the machine is suspended. The
 * monotonic clock continues if the wall clock is set back.
 */
class TimedExpiry implements Expiry {
  readonly wasOver: boolean;
  readonly #clock: Clock;
  readonly #wallMs: number;
  readonly #deadline: number;

  constructor(clock: Clock, wallMs: number) {
    const leftMs = wallMs - clock.wallNow();
    this.#clock = clock;
    this.#wallMs = wallMs;
    this.#deadline = clock.now() + leftMs;
    this.wasOver = leftMs <= 0;
  }

  get isOver(): boolean {
    return this.#clock.wallNow() >= this.#wallMs || this.#clock.now() >= this.#deadline;
  }

  dueAt(now: number): number {
    return Math.min(this.#deadline, now + this.#wallMs - this.#clock.wallNow());
  }
}

type Cause = 'seconds' | 'skew' | 'old';

const YEAR_MS = 365 * 24 * 3_600_000;
const MAX_SKEW_MS = 5 * 60_000;

/** Reports a context that `context` returns expired, once per likely cause. Its clients would reconnect in a loop. */
export function createExpiredReporter(
  clock: Clock,
  onError: (error: unknown) => void,
): (expiresAt: number) => void {
  const reported = new Set<Cause>();
  return (expiresAt) => {
    const now = clock.wallNow();
    const cause = findCause(expiresAt, now);
    if (reported.has(cause)) return;
    reported.add(cause);
    onError(
      new LinefeedError(
        'invalid_option',
        `context returned an expiresAt in the past: ${expiresAt} is ${describeTime(expiresAt)}, and it is ${describeTime(now)} now. ${REMEDIES[cause]} The client is told to reconnect. This is reported once.`,
      ),
    );
  };
}

const REMEDIES: Readonly<Record<Cause, string>> = {
  seconds: 'It looks like seconds, as in a JWT, and expiresAt is in milliseconds: exp * 1000.',
  skew: 'The clocks of this machine and of the issuer may differ. Otherwise refuse an expired session: throw an error with status 401.',
  old: 'Refuse an expired session: throw an error with status 401.',
};

function findCause(expiresAt: number, now: number): Cause {
  if (Math.abs(expiresAt * 1_000 - now) < 20 * YEAR_MS) return 'seconds';
  return now - expiresAt < MAX_SKEW_MS ? 'skew' : 'old';
}

function describeTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? 'no date' : date.toISOString();
}
