/** Faults of the log contract by real means: a server process, and a relay between it and the handles of the log. */
import type { LogFault, LogFaults } from '../../src/lib/testing/log-under-test.ts';
import type { Relay } from './relay.ts';
import type { Broker } from './server-process.ts';

/** For the trait `faults`. */
export const REAL_FAULTS = [
  'stop',
  'pause',
  'resetConnections',
  'halfOpen',
  'loseAnswers',
] as const satisfies readonly LogFault[];

/** The handles must connect to the port of the relay. */
export function realFaults(
  server: Pick<Broker, 'stop' | 'start' | 'pause' | 'resume'>,
  relay: Relay,
): Pick<LogFaults, (typeof REAL_FAULTS)[number]> {
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
