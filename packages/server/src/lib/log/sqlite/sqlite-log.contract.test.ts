import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { replaceFiles } from '../../../../test-kit/sqlite-bench.ts';
import { logContract } from '../../testing/log-suite.ts';
import { CHECK_MS } from '../../database/sqlite/file-handle.ts';
import { sqliteLog } from './sqlite-log.ts';

describe.each(['normal', 'full'] as const)('sqliteLog with synchronous: %s', (synchronous) => {
  const contract = logContract(
    (setup) => {
      const directory = mkdtempSync(join(tmpdir(), 'linefeed-log-'));
      const path = join(directory, 'events.db');
      const open = (changes: object = {}, file = path) =>
        sqliteLog({ path: file, synchronous, ...setup, ...changes });
      return {
        open,
        openWithClock: (clock) => open({ clock }),
        rollBack: (to) => rollBack(path, parseInt(to, 36)),
        async recreate() {
          const other = join(directory, 'other.db');
          await open({}, other).close?.();
          replaceFiles(path, other);
          // A replaced file is noticed within this time.
          setup.clock.sleep(CHECK_MS);
        },
        dispose: () => rmSync(directory, { recursive: true }),
      };
    },
    { persistent: true, ages: true, faults: ['rollBack', 'recreate', 'openWithClock'] },
  );
  for (const { name, run } of contract) {
    test(name, async () => expect(await run()).toBeUndefined());
  }

  test('the contract of a log in a file leaves out cases about servers, and contains()', () => {
    expect(new Set(contract.skipped.map(({ reason }) => reason))).toEqual(
      new Set([
        'needs the trait contains',
        ...['evictKey', 'stop', 'pause', 'resetConnections', 'halfOpen', 'loseAnswers'].map(
          (fault) => `needs the fault ${fault}`,
        ),
      ]),
    );
  });
});

function rollBack(path: string, sequence: number): void {
  const db = new DatabaseSync(path);
  db.exec(`DELETE FROM event WHERE position > ${sequence}; UPDATE meta SET sequence = ${sequence}`);
  db.close();
}
