/** Counts the results in a test runner's JSON report. */
import { readFileSync } from 'node:fs';

export interface Count {
  readonly passed: number;
  readonly failed: number;
}

interface VitestReport {
  readonly testResults: ReadonlyArray<{
    readonly status: string;
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>;
  }>;
}

interface PlaywrightReport {
  readonly stats: Record<'expected' | 'unexpected' | 'flaky' | 'skipped', number>;
  readonly errors: readonly unknown[];
}

/** A skipped test proved nothing, so it counts as failed; so does a file that failed outside of its tests. */
export function countVitest(report: VitestReport): Count {
  let passed = 0;
  let failed = 0;
  for (const file of report.testResults) {
    const good = file.assertionResults.filter(({ status }) => status === 'passed').length;
    const bad = file.assertionResults.length - good;
    passed += good;
    failed += bad === 0 && file.status !== 'passed' ? 1 : bad;
  }
  return { passed, failed };
}

/** A test that passed only on a second try counts as failed. */
export function countPlaywright({ stats, errors }: PlaywrightReport): Count {
  return { passed: stats.expected, failed: stats.unexpected + stats.flaky + stats.skipped + errors.length };
}

/**
 * The counts of a runner. If it wrote no report, or failed while its report has no failure, that counts as a failure.
 */
export function countReport(path: string, ok: boolean, count: (report: never) => Count): Count {
  let counted: Count;
  try {
    counted = count(JSON.parse(readFileSync(path, 'utf8')) as never);
  } catch {
    return { passed: 0, failed: 1 };
  }
  const nothingRan = counted.passed + counted.failed === 0;
  return (ok && !nothingRan) || counted.failed > 0 ? counted : { ...counted, failed: 1 };
}
