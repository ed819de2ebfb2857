/** The later and the earlier of two log positions. */
import { comparePositions, type Position } from '@linefeed/shared/wire';

export function laterOf(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? b : a;
}

export function earlierOf(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? a : b;
}
