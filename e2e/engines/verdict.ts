/** What came of one comparison. */
export interface Verdict {
  readonly name: string;
  /** What is wrong, if anything. */
  readonly fault: string | undefined;
  /** The engine is known to differ, and does. */
  readonly deviates: boolean;
}
