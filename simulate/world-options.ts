/** The options and the outcome of a world. */
import type { Traits } from './traits.ts';

export interface Outcome {
  readonly seed: number;
  /** The broken promises; empty if there are none. */
  readonly violations: readonly string[];
  readonly published: number;
  readonly received: number;
}

export interface WorldOptions {
  /** Users are tabs that share a connection. */
  readonly tabs?: boolean | undefined;
  readonly needed?: Partial<Traits> | undefined;
  readonly say?: ((line: string) => void) | undefined;
  /** Ends the world at its first violation, without the release of its resources. */
  readonly bail?: boolean | undefined;
}
