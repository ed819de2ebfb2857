/** Computes the length of a day. The server does it day by day, and the page repeats it to check the report. */

const dayMs = 24 * 60 * 60_000;
const latitude = (51.5 * Math.PI) / 180;
/** Refraction lifts the sun's edge: it is at the horizon when the sun's centre is this far below. */
const horizon = (-0.833 * Math.PI) / 180;

export interface Day {
  /** `2026-06-21` */
  readonly date: string;
  readonly daylightMinutes: number;
}

export function daysOf(year: number): number {
  return (Date.UTC(year + 1, 0, 1) - Date.UTC(year, 0, 1)) / dayMs;
}

/** A day of a year, counted from 1, in London. */
export function readDay(year: number, day: number): Day {
  const noon = new Date(Date.UTC(year, 0, day, 12));
  return { date: noon.toISOString().slice(0, 10), daylightMinutes: toDaylight(day) };
}

/** From sunrise to sunset, by the sun's declination (Cooper, 1969). Good to a few minutes. */
function toDaylight(day: number): number {
  const declination = ((23.45 * Math.PI) / 180) * Math.sin((2 * Math.PI * (284 + day)) / 365);
  const cosine =
    (Math.sin(horizon) - Math.sin(latitude) * Math.sin(declination)) /
    (Math.cos(latitude) * Math.cos(declination));
  return Math.round((Math.acos(cosine) / Math.PI) * 24 * 60);
}
