/** Identified requests that have no connection yet. Each can be revoked until its response is opened. */
import type { Clock } from '../base/clock.ts';
import type { ResponseSink } from '../http/response-sink.ts';
import type { RequestIdentity } from './identify.ts';
import { NO_SLOT, type RetryLater } from './retry-later.ts';

export interface PendingRequestsOptions {
  readonly clock: Clock;
  /** A response that is not opened within this time is never opened: an adapter opens it at once or not at all. */
  readonly requestTimeoutMs: number;
}

export class PendingRequests {
  readonly #options: PendingRequestsOptions;
  readonly #stages = new Map<RequestIdentity, 'deciding' | 'opening'>();
  readonly #revocations = new WeakMap<RequestIdentity, RetryLater>();

  constructor(options: PendingRequestsOptions) {
    this.#options = options;
  }

  add(identity: RequestIdentity): void {
    this.#stages.set(identity, 'deciding');
  }

  /** Removes a request that was answered, unless its response has yet to be opened. */
  finish(identity: RequestIdentity): void {
    if (this.#stages.get(identity) === 'deciding') this.#stages.delete(identity);
  }

  /** The body of a response. The request stays pending until it is called. */
  untilOpened(identity: RequestIdentity, open: (sink: ResponseSink) => void): (sink: ResponseSink) => void {
    const { clock, requestTimeoutMs } = this.#options;
    this.#stages.set(identity, 'opening');
    const timer = clock.after(requestTimeoutMs, () => this.#revoke(identity, NO_SLOT));
    return (sink) => {
      timer.clear();
      this.#stages.delete(identity);
      open(sink);
    };
  }

  /** Revokes the requests that the predicate matches: none of them gets a connection. Returns how many. */
  revoke(predicate: (identity: RequestIdentity) => boolean, retry: RetryLater): number {
    const named = [...this.#stages.keys()].filter(predicate);
    for (const identity of named) this.#revoke(identity, retry);
    return named.length;
  }

  #revoke(identity: RequestIdentity, retry: RetryLater): void {
    this.#stages.delete(identity);
    this.#revocations.set(identity, retry);
  }

  /** Set if the request was revoked. */
  revocationOf(identity: RequestIdentity): RetryLater | undefined {
    return this.#revocations.get(identity);
  }
}
