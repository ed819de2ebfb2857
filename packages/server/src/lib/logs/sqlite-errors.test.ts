import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { isBusy, toLogError } from './sqlite-errors.ts';

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('a full disk is named, is worth a retry, and keeps its cause', () => {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE event (data TEXT); PRAGMA max_page_count = 2');
  const error = thrownBy(() => db.prepare('INSERT INTO event VALUES (?)').run('x'.repeat(100_000)));
  db.close();
  expect(isBusy(error)).toBe(false);
  expect(toLogError(error, '/data/events.db', 'written')).toMatchObject({
    code: 'log_failed',
    retryable: true,
    cause: error,
    message: expect.stringMatching(
      /^The log \/data\/events\.db cannot be written: .*disk is full; make room/,
    ) as string,
  });
});

test('what is not of SQLite stays as it is', () => {
  const error = new TypeError('another fault');
  expect(toLogError(error, '/data/events.db', 'read')).toBe(error);
});
