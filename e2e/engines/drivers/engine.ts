/** A browser engine behind the smallest interface that the proof needs. */

export type EngineName = 'chromium' | 'firefox' | 'webkit';

export interface Engine {
  readonly name: EngineName;
  /** As it calls itself: `Firefox 153.7`. */
  readonly version: string;
  /** Leaves the page for another one; resolves once that is loaded. */
  open(url: string): Promise<void>;
  /** Evaluates an expression in the page, waits for its promise, and gives its value as JSON carries it. */
  evaluate<T>(expression: string): Promise<T>;
  close(): Promise<void>;
}
