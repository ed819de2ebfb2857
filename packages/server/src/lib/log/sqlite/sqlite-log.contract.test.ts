import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { logContract } from '../../testing/log-suite.ts';
import { sqliteLog } from './sqlite-log.ts';

describe.each(['normal', 'full'] as const)('sqliteLog with synchronous: %s', (synchronous) => {
  const contract = logContract(
    (setup) => {
      const directory = mkdtempSync(join(tmpdir(), 'linefeed-log-'));
      const path = join(directory, 'events.db');
      return {
        open: () => sqliteLog({ path, synchronous, ...setup }),
        rollBack: (to) => rollBack(path, parseInt(to, 36)),
        dispose: () => rmSync(directory, { recursive: true }),
      };
    },
    { persistent: true, ages: true, faults: ['rollBack'] },
  );
  for (const { name, run } of contract) {
    test(name, async () => expect(await run()).toBeUndefined());
  }
});

function rollBack(path: string, sequence: number): void {
  const db = new DatabaseSync(path);
  db.exec(`DELETE FROM event WHERE position > ${sequence}; UPDATE meta SET sequence = ${sequence}`);
  db.close();
}
