/** The recorder's readings: in order, bounded, with the figures beside each trace. */
import type { Payload } from '@linefeed/shared';
import type { Board } from '../../channel.ts';

export interface Reading extends Payload<Board, 'host'> {
  readonly replayed: boolean;
  /** Replayed to a page that was already open: published while its line was down. */
  readonly recovered: boolean;
  /** From publish to the handler, server's clock to ours, ms. */
  readonly delayMs: number;
  /** Time of publication, by this page's clock. */
  readonly time: number;
}

export const keptMs = 5 * 60_000 + 10_000;

/** Adds a reading and drops those older than the longest window. */
export function addReading(readings: readonly Reading[], reading: Reading): readonly Reading[] {
  const oldest = reading.time - keptMs;
  const start = readings.findIndex(({ time }) => time >= oldest);
  return [...(start === -1 ? [] : readings.slice(start)), reading];
}

/** Splits where the trace must not be joined: another run of the server, or more than `maxStepMs` without a reading. */
export function toPieces(readings: readonly Reading[], maxStepMs = 3_500): readonly (readonly Reading[])[] {
  const pieces: Reading[][] = [];
  let previous: Reading | undefined;
  for (const reading of readings) {
    const joined =
      previous !== undefined && previous.run === reading.run && reading.time - previous.time <= maxStepMs;
    if (joined) pieces.at(-1)?.push(reading);
    else pieces.push([reading]);
    previous = reading;
  }
  return pieces;
}

/** The value between the two readings around a time; none where the trace is broken or not drawn yet. */
export function valueAt(
  readings: readonly Reading[],
  read: (reading: Reading) => number,
  time: number,
): number | undefined {
  const next = readings.findLastIndex((reading) => reading.time <= time) + 1;
  const before = readings[next - 1];
  const after = readings[next];
  if (before === undefined || after === undefined || toPieces([before, after]).length > 1) return undefined;
  const part = (time - before.time) / (after.time - before.time);
  return read(before) + (read(after) - read(before)) * part;
}

export interface Figures {
  readonly now: number;
  readonly min: number;
  readonly max: number;
}

export function toFigures(values: readonly number[]): Figures | undefined {
  const now = values.at(-1);
  if (now === undefined) return undefined;
  let min = now;
  let max = now;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { now, min, max };
}

/** The lowest of 1, 2, 5 × 10ⁿ that is not below a value, for the top of an axis. */
export function niceCeiling(value: number, atLeast: number): number {
  const wanted = Math.max(value, atLeast);
  const magnitude = 10 ** Math.floor(Math.log10(wanted));
  return ([1, 2, 5, 10].find((step) => step * magnitude >= wanted - 1e-9) ?? 10) * magnitude;
}

export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
