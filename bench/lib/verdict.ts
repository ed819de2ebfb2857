/** Describes whether a target is reached. */
import type { Target } from './case.ts';
import { formatNumber, formatSpread } from './numbers.ts';
import { median } from './stats.ts';

export const NOT_MEASURED = 'not measured';

/** A miss that some run reached is named as such; a miss also shows the value of a bare server. */
export function verdict(target: Target): string {
  const { runs, limit, direction, floor = [] } = target;
  if (runs.length === 0) return NOT_MEASURED;
  const value = median(runs);
  if (isMet(value, target)) return 'reached';
  const bound = direction === 'within' ? nearestBound(value, limit) : limit;
  const off = Math.max(1, Math.round(Math.abs(value / bound - 1) * 100));
  const spread = runs.some((run) => isMet(run, target)) ? ', within the spread' : '';
  const least = floor.length === 0 ? '' : `; a bare server: ${describe(median(floor), target)}`;
  return `missed by ${off} %${spread}${least}`;
}

export function describeWanted(target: Target): string {
  const { limit, direction } = target;
  if (direction === 'within') return `${formatNumber(1 - limit)}–${describe(1 + limit, target)}`;
  return `${direction} ${describe(limit, target)}`;
}

export function describeMeasured({ runs, unit = '×' }: Target): string {
  return runs.length === 0 ? '' : formatSpread(runs, unit);
}

function describe(value: number, { unit = '×' }: Target): string {
  return `${formatNumber(value)} ${unit}`;
}

function isMet(value: number, { limit, direction }: Target): boolean {
  switch (direction) {
    case 'at most':
      return value <= limit;
    case 'at least':
      return value >= limit;
    case 'within':
      // A value that the table shows as 0.90 counts as 0.90.
      return Math.abs(value - 1) <= limit + Number.EPSILON;
  }
}

function nearestBound(value: number, limit: number): number {
  return value > 1 ? 1 + limit : 1 - limit;
}
