/** No file is longer than one can read at once. A long file has more than one job: split it by subject. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './command.ts';

const MAX_SOURCE_LINES = 300;
const MAX_TEST_LINES = 600;

const isTest = (path: string): boolean => /\.test(-d)?\.tsx?$/.test(path);

function findLong(): string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts', '*.tsx'], {
    cwd: ROOT,
  });
  const paths = listed.toString().trim().split('\n');
  return paths.filter((path) => {
    // A file that was removed but not yet committed is still listed.
    if (!existsSync(join(ROOT, path))) return false;
    const lines = readFileSync(join(ROOT, path), 'utf8').split('\n').length - 1;
    return lines > (isTest(path) ? MAX_TEST_LINES : MAX_SOURCE_LINES);
  });
}

it(`no source file is longer than ${MAX_SOURCE_LINES} lines, and no test file longer than ${MAX_TEST_LINES}`, () => {
  expect(findLong()).toEqual([]);
});
