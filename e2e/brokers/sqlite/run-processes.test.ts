/** Processes that share runs in a SQLite file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testRunProcesses } from '../kit/run-processes.ts';

testRunProcesses(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'linefeed-e2e-'));
  return {
    spec: { kind: 'sqlite', path: join(folder, 'runs.db') },
    close: () => rm(folder, { recursive: true, force: true }),
  };
});
