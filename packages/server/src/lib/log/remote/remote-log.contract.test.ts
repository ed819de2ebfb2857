import { expect, test } from 'vitest';
import { MemoryServer } from '../../../../test-kit/memory-server.ts';
import { MemoryStore } from '../../../../test-kit/memory-store.ts';
import { logContract } from '../../testing/log-suite.ts';
import { openRemoteLog } from './remote-log.ts';

const contract = logContract(
  ({ clock, ...bounds }) => {
    const server = new MemoryServer({ ...bounds, random: clock.random });
    return {
      open: () => openRemoteLog(new MemoryStore(server, clock), { clock }),
      rollBack: (to) => server.rollBack(to),
      recreate: () => server.restore(undefined),
      stop() {
        server.stop();
        return () => server.start();
      },
    };
  },
  { persistent: true, ages: true, contains: true, faults: ['rollBack', 'recreate', 'stop'] },
);

for (const { name, run } of contract) {
  test(name, async () => expect(await run()).toBeUndefined());
}
