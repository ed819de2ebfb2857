/** The stored results: each case with the place, time and conditions of its run. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaseResult } from './case.ts';
import type { Machine } from './machine.ts';

export interface CaseRun extends CaseResult {
  readonly date: string;
  readonly machine: Machine;
  /** Short runs, and fewer: rough figures. */
  readonly quick: boolean;
  readonly seconds: number;
}

/** By the name of the case. */
export type Results = Readonly<Record<string, CaseRun>>;

export const RESULTS_FOLDER = join(import.meta.dirname, '../results');
const FILE = join(RESULTS_FOLDER, 'latest.json');

export function readResults(): Results | undefined {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Results) : undefined;
}

export function storeResults(results: Results): void {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  writeFileSync(FILE, `${JSON.stringify(results, undefined, 1)}\n`);
}

/** Five digits are the precision of a measurement; verdicts use the stored values. */
export function roundOff(result: CaseRun): CaseRun {
  return JSON.parse(
    JSON.stringify(result, (_key, value: unknown) =>
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value,
    ),
  ) as CaseRun;
}
