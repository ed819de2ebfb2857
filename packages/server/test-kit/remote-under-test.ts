/** A remote log over a server in memory, with every fault of the log contract. */
import type { Clock } from '../src/lib/base/clock.ts';
import { openRemoteLog } from '../src/lib/log/remote/remote-log.ts';
import type { RemoteStore } from '../src/lib/log/remote/remote-store.ts';
import type { LogSetup, LogTraits, LogUnderTest } from '../src/lib/testing/log-under-test.ts';
import { FAULTS } from '../src/lib/testing/log-under-test.ts';
import { MemoryNetwork } from './memory-network.ts';
import { MemoryServer } from './memory-server.ts';
import { MemoryStore } from './memory-store.ts';

export const REMOTE_TRAITS: LogTraits = { persistent: true, ages: true, contains: true, faults: FAULTS };

export interface RemoteChanges {
  readonly server?: ((options: ConstructorParameters<typeof MemoryServer>[0]) => MemoryServer) | undefined;
  /** A change of each store, between the network and the server. */
  readonly store?: ((store: RemoteStore) => RemoteStore) | undefined;
}

export function remoteUnderTest(
  { clock, ...bounds }: LogSetup,
  {
    server: create = (options) => new MemoryServer(options),
    store: change = (same) => same,
  }: RemoteChanges = {},
): Required<Omit<LogUnderTest, 'dispose'>> {
  const server = create({ ...bounds, random: clock.random });
  const network = new MemoryNetwork(clock);
  const openWithClock = (own: Clock) =>
    openRemoteLog(network.over(change(new MemoryStore(server, own))), { clock: own });
  return {
    open: () => openWithClock(clock),
    openWithClock,
    rollBack: (to) => server.rollBack(to),
    recreate: () => server.restore(undefined),
    // A server that is out of memory may evict the whole log.
    evictKey: () => server.restore(undefined),
    stop() {
      server.stop();
      return () => server.start();
    },
    pause: () => network.pause(),
    resetConnections: () => network.resetConnections(),
    halfOpen: () => network.halfOpen(),
    loseAnswers: () => network.loseAnswers(),
  };
}
