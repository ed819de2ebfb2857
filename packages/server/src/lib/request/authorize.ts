/** Decides on each requested subscription: it resolves, it is within the limit, and `authorize` allows it. */
import type { AnyChannel } from '@linefeed/shared';
import { LinefeedError, refusal } from '@linefeed/shared/wire';
import type { Clock } from '../base/clock.ts';
import { FairQueue } from './fair-queue.ts';
import {
  resolveAll,
  toDenied,
  tooManyError,
  type Authorized,
  type Denied,
  type ResolveOptions,
} from './resolve.ts';
import type { AskedEntry } from './subscribe-request.ts';

/** The action that a caller requests at an address. Only runs can be stopped. */
export type Action = 'subscribe' | 'stop';

export type Authorize = (subject: {
  readonly context: unknown;
  readonly topic: string;
  readonly params: unknown;
  readonly address: string;
  readonly action: Action;
}) => boolean | PromiseLike<boolean>;

export interface AuthorizerOptions {
  readonly channel: AnyChannel;
  readonly maxAddressBytes: number;
  /** Limit per connection. */
  readonly maxSubscriptions: number;
  readonly authorize: Authorize | undefined;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** The connection that a list belongs to. */
export interface AuthorizeSubject {
  readonly context: unknown;
  /** Event names that the connection has already. */
  readonly taken: ReadonlySet<string>;
  /** The list is the only entry that the connection will ever have, so a stream needs no key. */
  readonly alone: boolean;
}

export interface Verdicts {
  readonly authorized: readonly Authorized[];
  readonly refused: readonly Denied[];
}

/**
 * A schema takes some microseconds for an entry, up to a millisecond. This many entries are checked per event-loop
 * turn.
 */
const ENTRIES_PER_TURN = 32;

export class Authorizer {
  readonly #authorize: Authorize | undefined;
  readonly #resolving: ResolveOptions;

  constructor(options: AuthorizerOptions) {
    const { channel, maxAddressBytes, maxSubscriptions, authorize, clock, onError } = options;
    const queue = new FairQueue(clock, ENTRIES_PER_TURN);
    this.#authorize = authorize;
    this.#resolving = { channel, maxAddressBytes, maxSubscriptions, queue, onError };
  }

  /**
   * Decides on all entries of a list concurrently. Entries past the connection's limit are refused; the others are
   * served. Several entries for one event name count once.
   */
  async authorizeAll(entries: readonly AskedEntry[], subject: AuthorizeSubject): Promise<Verdicts> {
    const { context, taken, alone } = subject;
    const { maxSubscriptions } = this.#resolving;
    const resolved = await resolveAll(entries, alone, this.#resolving);
    const names = new Set(taken);
    const isAllowed = this.#createCheck(context, 'subscribe');
    const decided = await Promise.all(
      resolved.map(async (entry) => {
        if (!entry.authorized) return entry;
        if (!names.has(entry.eventName) && names.size >= maxSubscriptions) return this.#tooMany(entry);
        names.add(entry.eventName);
        return /* seam: each-entry-authorized */ isAllowed === undefined
          ? entry
          : this.#check(entry, isAllowed);
      }),
    );
    return {
      authorized: decided.filter((entry) => entry.authorized),
      refused: decided.filter((entry) => !entry.authorized),
    };
  }

  /**
   * Decides on a request to stop the run of an address.
   *
   * @throws LinefeedError (as a rejection) the refusal
   */
  async authorizeStop(entry: AskedEntry, context: unknown): Promise<Authorized> {
    const [resolved] = await resolveAll([entry], true, this.#resolving);
    const decided = resolved!;
    if (!decided.authorized) throw decided.error;
    const { definition, topic, asked } = decided;
    if (definition.kind !== 'run') {
      throw refusal('bad_request', `"${topic}" is not a run; only runs can be stopped.`);
    }
    const isAllowed = this.#createCheck(context, 'stop');
    if (isAllowed === undefined || (await isAllowed(decided))) return decided;
    throw refusal('forbidden', `Not allowed to stop the run of ${asked}.`);
  }

  #tooMany({ asked, key }: Authorized): Denied {
    return { authorized: false, asked, key, error: tooManyError(this.#resolving.maxSubscriptions) };
  }

  /**
   * Calls `authorize` once for each logged address of a list: all its subscribers see the same events. Each stream
   * entry gets a call of its own, because its params are its own.
   */
  #createCheck(context: unknown, action: Action): Check | undefined {
    const authorize = this.#authorize;
    if (authorize === undefined) return undefined;
    const verdicts = new Map<string, Promise<boolean>>();
    return ({ definition, topic, params, address }) => {
      const ask = async (): Promise<boolean> =>
        readVerdict(
          authorize,
          await authorize({ context, topic, params, address, action }),
          this.#resolving.onError,
        );
      if (definition.kind === 'stream') return ask();
      const verdict = verdicts.get(address) ?? ask();
      verdicts.set(address, verdict);
      return verdict;
    };
  }

  async #check(entry: Authorized, isAllowed: Check): Promise<Authorized | Denied> {
    const { asked, key } = entry;
    try {
      if (await isAllowed(entry)) return entry;
      throw refusal('forbidden', `Not allowed to subscribe to ${asked}.`);
    } catch (error) {
      return toDenied(error, asked, key, this.#resolving.onError);
    }
  }
}

type Check = (entry: Authorized) => Promise<boolean>;

/** The `authorize` functions that were reported for a result that is not a boolean. */
const reported = new WeakSet<Authorize>();

/**
 * Any result except `true` refuses. A result that is not a boolean is reported: a forgotten `return` would look like a
 * refusal.
 */
export function readVerdict(
  authorize: Authorize,
  verdict: unknown,
  onError: (error: unknown) => void,
): boolean {
  if (typeof verdict !== 'boolean' && !reported.has(authorize)) {
    reported.add(authorize);
    const what =
      verdict === null || verdict === undefined ? String(verdict) : `a value of type ${typeof verdict}`;
    onError(
      new LinefeedError(
        'invalid_option',
        `authorize returned ${what}, which refuses the subscription; it must return true or false. This is reported once.`,
      ),
    );
  }
  return verdict === true;
}
