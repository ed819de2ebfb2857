/** A page with only EventSource, as in the standard: it may receive events again, and must miss none. */
import { createParser } from 'eventsource-parser';
import { encodeEntry, type Gap } from '@linefeed/shared/wire';
import { ADDRESSES } from './board.ts';
import { createChecker, createOrderChecker, type Checker, type OrderChecker } from './checker.ts';
import type { Chance, SimClock } from './clock.ts';
import type { WorldLog } from './world-log.ts';

export interface PlainUserOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  readonly log: WorldLog;
  readonly fetch: typeof globalThis.fetch;
  readonly fail: (what: string) => void;
}

export class PlainUser {
  readonly #options: PlainUserOptions;
  readonly #checkers = new Map<string, Checker>();
  readonly #url: string;
  #lastEventId = '';
  #retryMs = 3_000;
  #controller = new AbortController();
  /** Checks the order within this response: it has one cursor, and no address rewinds. */
  #order: OrderChecker | undefined;
  #closed = false;

  constructor(options: PlainUserOptions) {
    const { chance } = options;
    this.#options = options;
    const wanted = ADDRESSES.filter(({ topic }) => topic !== 'secret' && chance.is(0.5));
    const list = wanted.length === 0 ? [ADDRESSES[0]!] : wanted;
    for (const { address } of list) this.#follow(address);
    const query = list
      .map(({ address }) => encodeEntry({ address, ...(chance.is(0.2) ? { from: 'earliest' } : {}) }))
      .map((entry) => `topic=${encodeURIComponent(entry)}`)
      .join('&');
    this.#url = `http://sim.test/events?${query}${this.#chooseCursor()}`;
    void this.#run();
  }

  #follow(address: string): void {
    const { log, fail } = this.#options;
    const { keep } = ADDRESSES.find((one) => one.address === address)!;
    const report = (what: string): void => fail(`plain: ${what}`);
    this.#checkers.set(address, createChecker({ log, address, keep, rule: 'atLeast', fail: report }));
  }

  /** A page that was rendered with the cursor of its state opens after that cursor. */
  #chooseCursor(): string {
    const { chance, log } = this.#options;
    if (!chance.is(0.5)) return '';
    return `&last_event_id=${log.epoch}.${log.somePosition()}`;
  }

  close(): void {
    this.#closed = true;
    this.#controller.abort();
  }

  checkEnd(): void {
    for (const [address, checker] of this.#checkers) {
      if (!checker.isCurrent()) this.#options.fail(`plain: ${address}: the newest event never came`);
    }
  }

  async #run(): Promise<void> {
    const { clock, fetch } = this.#options;
    while (!this.#closed) {
      this.#controller = new AbortController();
      try {
        const headers = this.#lastEventId === '' ? {} : { 'last-event-id': this.#lastEventId };
        const response = await fetch(this.#url, { headers, signal: this.#controller.signal });
        // A browser would stop here; a page that must stay subscribed opens another EventSource with its last event id.
        if (response.status === 200) await this.#read(response);
      } catch {
        // A network error in the sense of the standard: wait, and reconnect.
      }
      await clock.sleep(this.#retryMs);
    }
  }

  async #read(response: Response): Promise<void> {
    const { clock, fail } = this.#options;
    this.#order = createOrderChecker((what) => fail(`plain: ${what}`));
    const decoder = new TextDecoder();
    const parser = createParser({
      onEvent: ({ event = 'message', data }) => this.#dispatch(event, data),
      onId: (id) => (this.#lastEventId = id),
      onRetry: (retryMs) => (this.#retryMs = retryMs),
    });
    const reader = response.body!.getReader();
    // No EventSource detects silence: in the end a user reloads the page.
    const cancel = clock.after(90_000, () => this.#controller.abort());
    try {
      for (;;) {
        const { done, value } = await Promise.race([
          reader.read(),
          new Promise<never>((_, reject) => {
            this.#controller.signal.addEventListener('abort', () => reject(new Error('reloaded')), {
              once: true,
            });
          }),
        ]);
        if (done) return;
        parser.feed(decoder.decode(value, { stream: true }));
      }
    } finally {
      cancel();
    }
  }

  #dispatch(event: string, data: string): void {
    if (event === 'linefeed.gap') {
      const gap = JSON.parse(data) as Gap;
      this.#checkers.get(gap.address)?.gap(gap);
    } else if (event === 'linefeed.error') {
      // Refused temporarily. The shared cursor passes events that this address has not received, so its check starts
      // again.
      this.#follow((JSON.parse(data) as { address: string }).address);
      this.#controller.abort();
    } else if (event === 'linefeed.subscribed') {
      const { event: name, cursor } = JSON.parse(data) as { event: string; cursor: string };
      this.#checkers.get(name)?.start(cursor);
    } else {
      if (!event.startsWith('linefeed.')) this.#order!.event(event, this.#lastEventId);
      this.#checkers.get(event)?.event(this.#lastEventId, data);
    }
  }
}
