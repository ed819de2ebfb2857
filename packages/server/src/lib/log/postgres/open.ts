/** Looks at the connection of the tail: a pooler in transaction mode makes it deaf. */
import { systemClock } from '../../base/clock.ts';
import { randomId } from '../../base/random-id.ts';
import { warn } from '../../base/report.ts';
import type { Driver, TailSession } from '../../database/postgres/driver.ts';

/** A notification arrives at once, or never. */
const NOTIFY_MS = 1_000;

export interface PoolerCheck {
  readonly driver: Driver;
  readonly session: TailSession;
  readonly name: string;
  readonly listen: boolean;
}

/** Recognises a pooler in transaction mode before the tail, and names it. */
export async function warnOfPooler({ driver, session, name, listen }: PoolerCheck): Promise<void> {
  const ids = await session.processIds();
  if (ids === undefined || ids[0] === ids[1] || !listen || (await hears(driver, session))) return;
  warn(
    `${name}: the connection of the tail goes through a pooler in transaction mode (such as pgbouncer), where LISTEN does not work; events of other processes wait for the next poll. Set tailClient to a function that creates a client which connects to the server directly.`,
  );
  if (!driver.prepares) return;
  warn(
    `${name}: a pooler in transaction mode does not know the statements that postgres prepares, and transactions of your application fail; create the client with prepare: false.`,
  );
}

/** Whether a notification from another connection arrives. */
async function hears(driver: Driver, session: TailSession): Promise<boolean> {
  const channel = `lf_${randomId()}`;
  let isListening = false;
  let arrived: (heard: boolean) => void;
  const hearing = new Promise<boolean>((resolve) => {
    arrived = resolve;
  });
  await session.listen(channel, () => {
    if (isListening) arrived(true);
  });
  isListening = true;
  await driver.query(`SELECT pg_notify($1::text, '')::text`, [channel]);
  systemClock.after(NOTIFY_MS, () => arrived(false), { keepsAlive: true });
  return await hearing;
}
