/** Publishes with and without an idempotency key, and checks the cursor of each answer. */
import type { LoggedAddress, WorldFeed } from './board.ts';
import type { Chance } from './clock.ts';
import type { SimLog } from './log.ts';

export interface PublisherOptions {
  readonly chance: Chance;
  readonly log: SimLog;
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
    try {
      const { cursor } = await send();
      if (!log.holds(cursor, target.address, JSON.stringify({ n })))
        fail(`publish: ${cursor} is not the place of ${target.address} ${n}`);
    } catch (error) {
      if (!String(error).includes('closed')) fail(`publish: ${String(error)}`);
    }
    // A publisher without an answer retries.
    if (idempotencyKey !== undefined && chance.is(0.5)) await send().catch(() => undefined);
  };
}
