import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { replaceFiles } from '../../../../test-kit/sqlite-bench.ts';
import { CHECK_MS } from '../../database/sqlite/file-handle.ts';
import { runStoreContract } from '../../testing/run-store-suite.ts';
import { sqliteRuns } from './sqlite-runs.ts';

describe.each(['normal', 'full'] as const)('sqliteRuns with synchronous: %s', (synchronous) => {
  const contract = runStoreContract(
    ({ clock }) => {
      const directory = mkdtempSync(join(tmpdir(), 'linefeed-runs-'));
      const path = join(directory, 'runs.db');
      const open = (file = path) => sqliteRuns({ path: file, synchronous, clock });
      return {
        open: () => open(),
        async recreate() {
          const other = join(directory, 'other.db');
          await open(other).close();
          replaceFiles(path, other);
          // A replaced file is noticed within this time.
          clock.sleep(CHECK_MS);
        },
        dispose: () => rmSync(directory, { recursive: true }),
      };
    },
    { persistent: true, faults: ['recreate'] },
  );
  for (const { name, run } of contract) {
    test(name, async () => expect(await run()).toBeUndefined());
  }

  test('the contract of runs in a file leaves out cases about servers, and hints', () => {
    expect(
      new Set(contract.skipped.flatMap(({ reason }) => reason.replace('needs ', '').split(', '))),
    ).toEqual(
      new Set([
        'the trait watches',
        ...['stop', 'pause', 'resetConnections', 'halfOpen', 'loseAnswers', 'openWithClock'].map(
          (fault) => `the fault ${fault}`,
        ),
      ]),
    );
  });
});
