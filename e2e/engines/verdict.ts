/** The result of one comparison. */
export interface Verdict {
  readonly name: string;
  /** The fault, if there is one. */
  readonly fault: string | undefined;
  /** The engine has a known deviation, and shows it. */
  readonly deviates: boolean;
}
