/** Publishes with and without an idempotency key, and checks the cursor of each answer. */
import type { LoggedAddress, WorldFeed } from './board.ts';
import type { Chance } from './clock.ts';
import { LinefeedError } from '@linefeed/shared';
import type { WorldLog } from './world-log.ts';

export interface PublisherOptions {
  readonly chance: Chance;
  readonly log: WorldLog;
  readonly fail: (what: string) => void;
}

/** Publishes the number `n` at an address. */
export type Publish = (node: WorldFeed, target: LoggedAddress, n: number) => Promise<void>;

export function createPublisher({ chance, log, fail }: PublisherOptions): Publish {
  return async (node, target, n) => {
    const idempotencyKey = chance.is(0.2) ? `key-${n}` : undefined;
    const send = (): Promise<{ cursor: string }> =>
      target.params === undefined
        ? node.publish(target.topic as 'notice', { n }, { idempotencyKey })
        : node.publish(target.topic as 'room', target.params as never, { n }, { idempotencyKey });
    const { calm } = log;
    try {
      const { cursor } = await send();
      if (!log.holds(cursor, target.address, JSON.stringify({ n })))
        fail(`publish: ${cursor} is not the place of ${target.address} ${n}`);
    } catch (error) {
      // The outcome is unknown: the event may be in the log once.
      const isUnknown = !calm && LinefeedError.is(error) && error.code === 'log_failed' && error.retryable;
      if (!isUnknown && !String(error).includes('closed')) fail(`publish: ${String(error)}`);
    }
    // A publisher without an answer retries.
    if (idempotencyKey !== undefined && chance.is(0.5)) await send().catch(() => undefined);
  };
}
