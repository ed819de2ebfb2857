/** Watches the user's connection: its loss, its return, its end, and silence that the library does not notice. */
import type { Clock } from '../../base/clock.ts';
import { closedConnection, type JetStream, type NatsConnection } from './connection.ts';

export interface ConnectionEvents {
  onReconnect(): void;
  onLost(error: Error): void;
}

/** @returns ends the watch */
export function watchConnection(connection: NatsConnection, events: ConnectionEvents): () => void {
  const statuses = connection.status();
  let isOver = false;
  const watch = async (): Promise<void> => {
    for await (const { type } of statuses) {
      if (isOver) return;
      if (type === 'reconnect') events.onReconnect();
      else if (type === 'disconnect') events.onLost(new Error('The connection to NATS is lost.'));
      else if (type === 'close') return events.onLost(closedConnection());
    }
  };
  watch().catch(() => undefined);
  return () => {
    isOver = true;
    // The library's iterator ends by a method of its own.
    (statuses as { stop?(): void }).stop?.();
  };
}

/**
 * Replaces a connection that does not answer a ping. A half-open one stays so: the library learns of it after minutes.
 */
export async function reviveConnection({ connection, requestMs }: JetStream, timers: Clock): Promise<void> {
  if (connection.isClosed() || connection.reconnect === undefined) return;
  const isAlive = await new Promise<boolean>((resolve) => {
    const timer = timers.after(requestMs, () => resolve(false));
    const finish = (): void => {
      timer.clear();
      resolve(true);
    };
    // A rejection is an answer too: the library knows that the connection has ended.
    connection.flush().then(finish, finish);
  });
  if (!isAlive && !connection.isClosed()) await connection.reconnect().catch(() => undefined);
}
