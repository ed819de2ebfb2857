/** Waits for a state of a client that uses real time. */
import type { AnyChannel } from '@linefeed/shared';
import type { Client } from '../src/lib/client/client.ts';
import type { ConnectionSnapshot } from '../src/lib/connection/state.ts';

/** Resolves once a snapshot of the connection satisfies `passes`. */
export function until(
  { connection }: Client<AnyChannel>,
  passes: (snapshot: ConnectionSnapshot) => boolean,
): Promise<ConnectionSnapshot> {
  return new Promise((resolve) => {
    const check = () => {
      const snapshot = connection.getSnapshot();
      if (passes(snapshot)) resolve(snapshot);
    };
    connection.subscribe(check);
    check();
  });
}
