import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { FileKind } from './file-kind.ts';
import { isBusy, isUnwritable, toFileError } from './errors.ts';

const KIND: FileKind = {
  noun: 'log',
  code: 'log_failed',
  applicationId: 1,
  format: 1,
  schema: '',
  isReadWhole: true,
  prepare: () => undefined,
};

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('a full disk gives a retryable error with the path, the remedy and the cause', () => {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE event (data TEXT); PRAGMA max_page_count = 2');
  const error = thrownBy(() => db.prepare('INSERT INTO event VALUES (?)').run('x'.repeat(100_000)));
  db.close();
  expect(isBusy(error)).toBe(false);
  expect(isUnwritable(error)).toBe(true);
  expect(toFileError(KIND, error, '/data/events.db', 'written')).toMatchObject({
    code: 'log_failed',
    retryable: true,
    cause: error,
    message: expect.stringMatching(
      /^The log \/data\/events\.db cannot be written: .*disk is full; free some space/,
    ) as string,
  });
});

test.each([
  ['a busy database', 5, true],
  ['a read-only database', 8, true],
  ['a failed write', 10 | (3 << 8), true],
  ['a failed sync', 10 | (4 << 8), true],
  ['a failed read', 10 | (1 << 8), false],
  ['a damaged file', 11, false],
])('isUnwritable is true for errors that only affect writes: %s', (_, errcode, expected) => {
  expect(isUnwritable(Object.assign(new Error('of SQLite'), { errcode }))).toBe(expected);
});

test('toFileError returns an error of other code unchanged', () => {
  const error = new TypeError('another fault');
  expect(toFileError(KIND, error, '/data/events.db', 'read')).toBe(error);
});
