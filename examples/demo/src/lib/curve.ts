/** A smooth path through points that never overshoots them. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** SVG path of cubic pieces through points of rising x; monotone where the points are (Fritsch and Carlson, 1980). */
export function toCurve(points: readonly Point[]): string {
  const first = points[0];
  if (first === undefined) return '';
  let path = `M${at(first)}`;
  let previous = first;
  let tangent = 0;
  for (let i = 1; i < points.length; i++) {
    const point = points[i] as Point;
    const next = points[i + 1];
    const step = (point.x - previous.x) / 3;
    const nextTangent = next === undefined ? 0 : slopeAt(previous, point, next);
    path += `C${at({ x: previous.x + step, y: previous.y + tangent * step })} ${at({ x: point.x - step, y: point.y - nextTangent * step })} ${at(point)}`;
    previous = point;
    tangent = nextTangent;
  }
  return path;
}

function slopeAt(a: Point, b: Point, c: Point): number {
  const before = (b.y - a.y) / (b.x - a.x);
  const after = (c.y - b.y) / (c.x - b.x);
  if (before * after <= 0) return 0;
  const mean = (before + after) / 2;
  return Math.sign(mean) * Math.min(Math.abs(mean), 3 * Math.abs(before), 3 * Math.abs(after));
}

function at({ x, y }: Point): string {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}
