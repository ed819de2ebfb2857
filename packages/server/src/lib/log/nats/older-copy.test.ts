import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { expect, test, vi } from 'vitest';
import { BEGINNING } from '@linefeed/shared/wire';
import { startNats } from '../../../../test-kit/brokers/nats.ts';
import { entryOf, Following, valuesOf } from '../../testing/log-checks.ts';
import { natsLog } from './nats-log.ts';

const WAIT = { timeout: 30_000 };

test('a server that starts with an older copy of its directory resets a natsLog, and knows no lost cursor', async () => {
  const server = await startNats();
  const connection = await connect({
    ...{ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 },
  });
  const log = await natsLog({ connection, stream: 'board', heartbeatMs: 200 });
  const data = join(server.folder, 'data');
  const copy = join(server.folder, 'copy');
  const add = async (value: string): Promise<string> => {
    const options = { idempotencyKey: value };
    return await vi.waitFor(async () => (await log.append([entryOf('a', value)], options)).position, WAIT);
  };
  const restart = async (whileStopped: () => void): Promise<void> => {
    await server.stop();
    whileStopped();
    await server.start();
  };
  try {
    const { epoch } = log;
    const following = new Following(log);
    const kept = await add('kept');
    await restart(() => cpSync(data, copy, { recursive: true }));
    const lost = [await add('lost 1'), await add('lost 2')];
    await vi.waitFor(() => expect(following.values).toEqual(['kept', 'lost 1', 'lost 2']), WAIT);
    await restart(() => {
      rmSync(data, { recursive: true });
      cpSync(copy, data, { recursive: true });
    });
    await vi.waitFor(() => expect(following.resets).toMatchObject([{ reason: 'rollback' }]), WAIT);
    expect(log.epoch).not.toBe(epoch);
    await add('new');
    await vi.waitFor(() => expect(following.values.at(-1)).toBe('new'), WAIT);
    const query = { after: BEGINNING, addresses: new Map([['a', BEGINNING]]), limit: 9, maxBytes: 999 };
    expect(valuesOf((await log.read(query)).events)).toEqual(['kept', 'new']);
    expect(await log.contains?.(kept)).toBe(true);
    for (const position of lost) expect(await log.contains?.(position)).toBe(false);
  } finally {
    await log.close?.();
    await connection.close();
    await server.close();
  }
});
