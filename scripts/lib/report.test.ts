import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, expect, test } from 'vitest';
import { countPlaywright, countReport, countVitest } from './report.ts';

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});

function reportFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'report.json');
  writeFileSync(path, text);
  return path;
}

test('countVitest counts every test, and a skipped one as failed', () => {
  const testResults = [file('passed', 'passed', 'passed'), file('failed', 'passed', 'failed', 'skipped')];
  expect(countVitest({ testResults })).toEqual({ passed: 3, failed: 2 });
});

test('a file that failed outside of its tests is one failure', () => {
  expect(countVitest({ testResults: [file('failed'), file('failed', 'passed')] })).toEqual({
    passed: 1,
    failed: 2,
  });
});

test('a flaky or skipped Playwright test and an error of the run are failures', () => {
  const stats = { expected: 5, unexpected: 1, flaky: 1, skipped: 1 };
  expect(countPlaywright({ stats, errors: ['no server'] })).toEqual({ passed: 5, failed: 4 });
});

test('a runner without a readable report is one failure', () => {
  expect(countReport('/no/such/report.json', true, countVitest)).toEqual({ passed: 0, failed: 1 });
  expect(countReport(reportFile('{"testRes'), true, countVitest)).toEqual({ passed: 0, failed: 1 });
});

test('a runner that failed without a failed test is one failure', () => {
  const path = reportFile(JSON.stringify({ testResults: [file('passed', 'passed')] }));
  expect(countReport(path, false, countVitest)).toEqual({ passed: 1, failed: 1 });
  expect(countReport(path, true, countVitest)).toEqual({ passed: 1, failed: 0 });
});

test('a run without tests is a failure', () => {
  const path = reportFile('{"testResults": []}');
  expect(countReport(path, true, countVitest)).toEqual({ passed: 0, failed: 1 });
});
