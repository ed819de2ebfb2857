/** Formats numbers for tables and plots. */
import { median } from './stats.ts';

export function formatNumber(value: number, like: number = value): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(like);
  if (size >= 100) return Math.round(value).toLocaleString('en');
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(size > 0 && size < 0.095 ? 3 : 2);
}

/** The median, followed by the lowest and the highest, with as many digits as it has. */
export function formatSpread(runs: readonly number[], unit = ''): string {
  const middle = median(runs);
  const text = `${formatNumber(middle)}${unit === '' ? '' : ` ${unit}`}`;
  if (runs.length === 1) return text;
  return `${text} (${formatNumber(Math.min(...runs), middle)}–${formatNumber(Math.max(...runs), middle)})`;
}
