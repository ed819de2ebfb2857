/** Faults of a contract suite by real means: a server process, and a relay between it and the handles. */
import type { ServerFault, ServerFaults } from '../../src/lib/testing/server-faults.ts';
import type { Relay } from './relay.ts';
import type { Broker } from './server-process.ts';

/** For the trait `faults`. */
export const REAL_FAULTS = [
  'stop',
  'pause',
  'resetConnections',
  'halfOpen',
  'loseAnswers',
] as const satisfies readonly ServerFault[];

/** The handles must connect to the port of the relay. */
export function realFaults(
  server: Pick<Broker, 'stop' | 'start' | 'pause' | 'resume'>,
  relay: Relay,
): Pick<ServerFaults, (typeof REAL_FAULTS)[number]> {
  return {
    async stop() {
      await server.stop();
      return () => server.start();
    },
    pause() {
      server.pause();
      return () => server.resume();
    },
    resetConnections: () => relay.cut(),
    halfOpen: () => relay.halfOpen(),
    loseAnswers: () => relay.loseAnswers(),
  };
}
