/** A feed process on a SQLite log dies. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectNothingLostByKills } from '../kit/killed-process.ts';

test('kill -9 of either of two feed processes on a SQLite log loses and doubles no event', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'linefeed-e2e-'));
  try {
    await expectNothingLostByKills({ kind: 'sqlite', path: join(folder, 'log.db') });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  expect.hasAssertions();
});
