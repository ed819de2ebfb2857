/** A PostgreSQL standby that lacks the newest events is promoted. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  startPrimaryAndStandby,
  type PrimaryAndStandby,
} from '../../../packages/server/test-kit/brokers/postgres.ts';
import { startRelay, type Relay } from '../../../packages/server/test-kit/brokers/relay.ts';
import { LOG_NAME } from '../kit/log-spec.ts';
import { expectAnnouncedLoss, expectOutage } from '../kit/outage.ts';
import { startScene, type Scene } from '../kit/scene.ts';

describe.each(['pg', 'postgres'] as const)('by %s', (library) => {
  let link: Relay;
  let relay: Relay;
  let pair: PrimaryAndStandby;
  let scene: Scene;

  beforeEach(async () => {
    pair = await startPrimaryAndStandby({
      linkPort: async (port) => {
        link = await startRelay(port);
        return link.port;
      },
    });
    relay = await startRelay(pair.primary);
    // pg has no list of hosts: an address that moves, as of a proxy. postgres.js looks for the primary itself.
    const ports = library === 'pg' ? [relay.port] : [pair.primary.port, pair.standby.port];
    scene = await startScene({ kind: 'postgres', library, ports });
    await scene.read('one');
  });

  afterEach(async () => {
    await scene.close();
    await pair.close();
    await Promise.all([link.close(), relay.close()]);
  });

  async function failOver(): Promise<void> {
    await pair.primary.kill();
    await pair.standby.promote();
    relay.moveTo(pair.standby);
  }

  test('a promoted standby that has every event loses and doubles no event', async () => {
    await expectOutage(scene, {
      name: 'complete',
      async away() {
        relay.refuse();
        await pair.primary.kill();
      },
      async back() {
        await failOver();
        relay.pass();
      },
      // A commit is acknowledged before the standby has it.
      losesEvents: true,
    });
  });

  test('a promoted standby that lacks the newest events is announced', async () => {
    await expectAnnouncedLoss(scene, {
      name: 'lost tail',
      async before() {
        // The tables exist there.
        await expect
          .poll(() => pair.standby.query(`SELECT 1 FROM pg_tables WHERE tablename LIKE '${LOG_NAME}%'`), {
            timeout: 30_000,
          })
          .not.toEqual([]);
        link.refuse();
      },
      lose: failOver,
    });
  });
});
